//! `openssl speed` and `openssl dgst`: what a user would pick to hash.

use crate::Result;
use crate::measure::Load;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Whether it is installed.
pub(crate) fn is_installed() -> bool {
    Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Hashes memory for a second on `cores` cores at a time.
pub(crate) fn speed(algorithm: &str, cores: usize) -> Result<Load> {
    let mut command = Command::new("openssl");
    command.args(["speed", "-elapsed", "-mr", "-seconds", "1", "-bytes", "262144"]);
    if cores > 1 {
        command.args(["-multi", &cores.to_string()]);
    }
    command.args(["-evp", algorithm]);
    let before = children_cpu();
    let output = command.output()?;
    let cpu = children_cpu() - before;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let bytes_per_s = last_rate(&text).ok_or_else(|| format!("openssl speed says: {}", shown(&output)))?;
    let wall = Duration::from_secs(1);
    Ok(Load { bytes: bytes_per_s as u64, requests: 1, wall, cpu: Some(cpu), ..Load::default() })
}

/// Hashes a file.
pub(crate) fn dgst(algorithm: &str, file: &Path) -> Result<Load> {
    let bytes = std::fs::metadata(file)?.len();
    let before = children_cpu();
    let begun = Instant::now();
    let output = Command::new("openssl").args(["dgst", &format!("-{algorithm}")]).arg(file).output()?;
    let wall = begun.elapsed();
    if !output.status.success() {
        return Err(format!("openssl dgst says: {}", shown(&output)).into());
    }
    Ok(Load { bytes, requests: 1, wall, cpu: Some(children_cpu() - before), ..Load::default() })
}

/// The rate in the last line of the form `+F:…:…:RATE` (bytes a second).
fn last_rate(text: &str) -> Option<f64> {
    text.lines().rfind(|line| line.starts_with("+F:"))?.rsplit(':').next()?.parse().ok()
}

/// CPU time of all children that have ended.
fn children_cpu() -> Duration {
    // SAFETY: the call fills in the value that it is given; all zeroes is a valid one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let time = |time: libc::timeval| {
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_usec.unsigned_abs() as u32 * 1000)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
