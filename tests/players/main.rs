//! Real players on a file that is still being downloaded: Chromium, VLC, mpv and ffmpeg start with the index at the end
//! of the file, seek ahead into missing bytes, wait twelve seconds for them, play on and finish. Each goes through a relay
//! that notes its requests and what they got; the notes are in `target/tmp/players/`, and with `--nocapture` on stdout.
//!
//! Where a player is not installed its test says so and tests nothing; where `CI` is set, it fails.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "the notes are for people, too")]

#[path = "../../examples/player/client.rs"]
mod client;
#[path = "../../examples/player/daemon.rs"]
mod daemon;
#[path = "../../examples/player/demo.rs"]
mod demo;
#[path = "../../examples/player/http.rs"]
mod http;
#[path = "../../examples/player/page.rs"]
mod page;
#[path = "../../examples/player/shared.rs"]
mod shared;
#[path = "../../examples/player/video.rs"]
mod video;

mod chromium;
mod ffmpeg;
mod mpv;
mod relay;
mod scene;
mod vlc;
mod webdriver;

use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long anything that should come may take: only ever waited for in full by a test that fails.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long bytes that a player jumped to keep it waiting.
const WAIT: Duration = Duration::from_secs(12);
