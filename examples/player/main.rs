//! Watch the daemon stream a file that is still being downloaded.
//!
//!     cargo run --release --example player                      # then open the address that it prints
//!     cargo run --release --example player -- --delay-ms 2000 --mib-per-s 2
//!     cargo run --release --example player -- --video FILE      # a video of your own instead of the one it makes
//!
//! It makes a video with ffmpeg (`apt-get install ffmpeg`, or the like), starts the daemon on an empty folder, opens a
//! deferred file there, and plays the part of the extension: bytes arrive only when the daemon asks for them, after a
//! delay. The page shows the video, which ranges are available, asked for and played, and the daemon's counters.
#![allow(clippy::print_stdout, reason = "it tells what it does")]

mod as_daemon;
mod client;
mod daemon;
mod demo;
mod http;
mod page;
mod shared;
mod video;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Whatever goes wrong ends the example with one line.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What the command line asks for.
struct Options {
    video: Option<PathBuf>,
    port: u16,
    pace: demo::Pace,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == as_daemon::ROLE) {
        return as_daemon::run(&args[1..]);
    }
    match parse(&args).and_then(|options| show(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[String]) -> Result<Options> {
    let pace = demo::Pace { delay: Duration::from_millis(500), bytes_per_s: 8 << 20 };
    let mut options = Options { video: None, port: 0, pace };
    let mut args = args.iter();
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--video" => options.video = Some(value.into()),
            "--port" => options.port = value.parse()?,
            "--delay-ms" => options.pace.delay = Duration::from_millis(value.parse()?),
            "--mib-per-s" => options.pace.bytes_per_s = value.parse::<u64>()?.max(1) << 20,
            _ => return Err(format!("unknown: {name}; see the head of examples/player/main.rs").into()),
        }
    }
    Ok(options)
}

fn show(options: &Options) -> Result<()> {
    let home = std::env::temp_dir().join(format!("jstorrent-player-{}", std::process::id()));
    let root = home.join("downloads");
    std::fs::create_dir_all(&root)?;
    let video = match &options.video {
        Some(video) => video.clone(),
        None => {
            println!("making a video of two minutes");
            video::make(&home.join("film.mp4"), 120)?
        }
    };
    let page = page::Page::bind(options.port)?;
    let daemon = daemon::Daemon::start(as_daemon::program()?, &root, &page.origin())?;
    let demo = demo::Demo::start(&daemon, &video, options.pace)?;
    println!("open {}/", page.origin());
    println!("or: mpv '{}'", demo.url);
    let served = page.serve(demo.view(&daemon)?);
    std::fs::remove_dir_all(&home)?;
    served
}
