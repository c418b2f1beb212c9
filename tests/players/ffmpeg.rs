//! ffmpeg: what it reads, from the start and from far ahead, is what is in the file.

use super::WAIT;
use super::scene::{FAR_S, Scene, film, has};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A digest of the packets that ffmpeg reads from `input`.
fn digest(input: impl AsRef<std::ffi::OsStr>, before: &[&str], after: &[&str]) -> String {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error"])
        .args(before)
        .arg("-i")
        .arg(input)
        .args(after)
        .args(["-c", "copy", "-f", "md5", "-"])
        .output()
        .expect("ffmpeg");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a digest")
}

#[test]
fn ffmpeg_reads_a_file_from_its_start_to_its_end() {
    if !has("ffmpeg") {
        return;
    }
    let scene = Scene::start("ffmpeg-whole", "http://127.0.0.1:1").expect("a scene");
    scene.slow_down_far();
    let began = Instant::now();
    let streamed = digest(scene.relay.url(), &[], &[]);
    assert!(began.elapsed() >= WAIT, "it waited");
    assert_eq!(streamed, digest(film(), &[], &[]));
    let arrived = std::fs::read(Path::new(scene.folder()).join("film.mp4")).expect("the file");
    assert!(arrived == std::fs::read(film()).expect("the video"));
    scene.finish("every packet, with a wait of twelve seconds on the way");
}

#[test]
fn ffmpeg_seeks_ahead_into_missing_bytes_and_waits() {
    if !has("ffmpeg") {
        return;
    }
    let scene = Scene::start("ffmpeg-seek", "http://127.0.0.1:1").expect("a scene");
    scene.slow_down_far();
    let far = FAR_S.to_string();
    let (before, after) = (["-ss", far.as_str()], ["-t", "5"]);
    let began = Instant::now();
    let streamed = digest(scene.relay.url(), &before, &after);
    assert!(began.elapsed() >= WAIT, "it waited");
    assert_eq!(streamed, digest(film(), &before, &after));
    scene.finish("five seconds from far ahead, after a wait of twelve");
}
