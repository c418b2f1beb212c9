//! The video: made with ffmpeg, at a constant rate, its index (`moov`) at the end, as many that are downloaded have it,
//! so that a player has to jump to the end before it can begin.

use super::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bits of picture a second: players read tens of megabytes ahead, and there has to be something beyond.
const BIT_RATE: &str = "4M";

/// Makes a video of that length at `path`; half a megabyte a second.
pub(crate) fn make(path: &Path, seconds: u32) -> Result<PathBuf> {
    let seconds = seconds.to_string();
    let picture = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25"];
    let sound = ["-f", "lavfi", "-i", "sine=frequency=330:beep_factor=4"];
    let rate = ["-b:v", BIT_RATE, "-minrate", BIT_RATE, "-maxrate", BIT_RATE, "-bufsize", BIT_RATE];
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-y"])
        .args(picture)
        .args(sound)
        .args(["-t", &seconds, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50"])
        .args(rate)
        .args(["-x264-params", "nal-hrd=cbr:filler=1", "-c:a", "aac", "-b:a", "96k"])
        .arg(path)
        .output()
        .map_err(|error| format!("ffmpeg can't be run ({error}): install it, or name a video by --video"))?;
    if output.status.success() {
        Ok(path.to_owned())
    } else {
        Err(format!("ffmpeg: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}
