//! Small file systems of a test's own, and what can happen to a disk. Gone when the test lets go of them.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::support::DEADLINE;
use crate::support::daemon::Home;

/// `EXT4_IOC_SHUTDOWN` of linux/ext4.h, and "without flushing the log": what a power cut leaves.
const SHUTDOWN: libc::Ioctl = 0x8004_587D_u32 as libc::Ioctl;
const WITHOUT_FLUSHING_THE_LOG: u32 = 2;

/// A mounted file system.
pub(crate) struct Volume {
    folder: PathBuf,
    source: PathBuf,
    options: String,
}

/// Whether a program is installed. Where `CI` is set, it must be.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
        println!("skipped: {program} is not installed");
    }
    is_there
}

/// Runs a program; whether it ended well.
pub(crate) fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

/// Runs a program again until it ends well: processes that other tests start at the same time have all that is open here
/// open, too, for a moment.
fn insist(program: &str, args: &[&str]) -> bool {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        if run(program, args) {
            return true;
        }
    }
    false
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path")
}

impl Volume {
    /// A new ext4 on a file; `None`, and why, where that can't be.
    pub(crate) fn ext4(home: &Home, mib: u64) -> Option<Volume> {
        if !has("mkfs.ext4") {
            return None;
        }
        let image = home.path("disk.img");
        File::create(&image).expect("an image").set_len(mib << 20).expect("room");
        // Rarely by itself to the disk: what is to be there must have been asked for.
        run("mkfs.ext4", &["-q", "-F", text(&image)])
            .then(|| Volume::mount(home, image, "loop,commit=300".to_owned()))
            .flatten()
    }

    /// A new tmpfs with room for so many KiB; `None`, and why, where that can't be.
    pub(crate) fn tmpfs(home: &Home, kib: u64) -> Option<Volume> {
        Volume::mount(home, PathBuf::from("tmpfs"), format!("size={kib}k"))
    }

    fn mount(home: &Home, source: PathBuf, options: String) -> Option<Volume> {
        let volume = Volume { folder: home.path("volume"), source, options };
        fs::create_dir(&volume.folder).expect("a folder");
        if !volume.mounted() {
            println!("skipped: mounting needs root rights and a loop device");
            return None;
        }
        Some(volume)
    }

    fn mounted(&self) -> bool {
        let kind = if self.source == Path::new("tmpfs") { "tmpfs" } else { "ext4" };
        run("mount", &["-t", kind, "-o", &self.options, text(&self.source), text(&self.folder)])
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Mounts it anew with other options; whether the system does so.
    pub(crate) fn remount(&self, options: &str) -> bool {
        insist("mount", &["-o", &format!("remount,{options}"), text(&self.folder)])
    }

    /// The disk has no bytes any more behind the first so many: what is there can't be read. What was read before is in
    /// memory no more.
    pub(crate) fn lose_all_behind(&mut self, bytes: u64) {
        self.come_back();
        File::options().write(true).open(&self.source).expect("the image").set_len(bytes).expect("shorter");
    }

    /// Someone pulls the plug: what is open stays open on a disk that is gone, and the folder goes, too.
    pub(crate) fn unplug(&self) {
        self.cut_power();
        assert!(run("umount", &["-l", text(&self.folder)]), "the volume can't be unmounted");
        fs::remove_dir(&self.folder).expect("an empty folder");
    }

    /// Plugs in what `copy` holds, in the same place.
    pub(crate) fn plug_in(&mut self, copy: PathBuf) {
        self.source = copy;
        fs::create_dir(&self.folder).expect("a folder");
        assert!(self.mounted(), "the volume can't be mounted");
    }

    /// A copy of what is on the disk.
    pub(crate) fn copy(&self, to: PathBuf) -> PathBuf {
        assert!(run("sync", &["-f", text(&self.folder)]), "the volume can't be synced");
        fs::copy(&self.source, &to).expect("a copy");
        to
    }

    /// Nothing that is not on the disk by now will be.
    pub(crate) fn cut_power(&self) {
        let folder = File::open(&self.folder).expect("the volume");
        // SAFETY: the call reads one u32, which outlives it.
        let result = unsafe { libc::ioctl(folder.as_raw_fd(), SHUTDOWN, &WITHOUT_FLUSHING_THE_LOG) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    /// Unmounts what nobody uses any more and mounts it again; its journal is gone through.
    pub(crate) fn come_back(&mut self) {
        assert!(insist("umount", &[text(&self.folder)]), "someone still uses the volume");
        assert!(self.mounted(), "the volume can't be mounted again");
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        run("umount", &["-l", text(&self.folder)]);
    }
}
