//! The daemon's calls on files: which they are, what they are about, and what a test makes of them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use libc::c_long;

use crate::kernel::{self, Listener, Verdict, Waiting, descriptor_of, vectors};
use crate::support::daemon::{Daemon, Home, INSTALL_ID};

/// What a call is about.
#[derive(Clone, Copy)]
enum About {
    /// The descriptor that is its argument with this number.
    Descriptor(usize),
    /// A path below the folder that its first argument opened.
    Below,
    /// A path.
    Path,
    /// A socket: the one that is its first argument, or a new one.
    Socket,
    /// So much memory as its argument with this number says.
    Memory(usize),
}

/// Calls on files and sockets and for memory. (`sendmsg` is left out: the filter itself is handed over by it.) (`close` is never to fail: whatever it returns, the descriptor is gone.)
const CALLS: &[(c_long, &str, About)] = &[
    (libc::SYS_openat, "openat", About::Below),
    (libc::SYS_openat2, "openat2", About::Below),
    (libc::SYS_newfstatat, "newfstatat", About::Below),
    (libc::SYS_statx, "statx", About::Below),
    (libc::SYS_faccessat, "faccessat", About::Below),
    (libc::SYS_faccessat2, "faccessat2", About::Below),
    (libc::SYS_readlinkat, "readlinkat", About::Below),
    (libc::SYS_mkdirat, "mkdirat", About::Below),
    (libc::SYS_unlinkat, "unlinkat", About::Below),
    (libc::SYS_renameat, "renameat", About::Below),
    (libc::SYS_renameat2, "renameat2", About::Below),
    (libc::SYS_close, "close", About::Descriptor(0)),
    (libc::SYS_mmap, "mmap", About::Memory(1)),
    (libc::SYS_statfs, "statfs", About::Path),
    (libc::SYS_fstatfs, "fstatfs", About::Descriptor(0)),
    (libc::SYS_fstat, "fstat", About::Descriptor(0)),
    (libc::SYS_lseek, "lseek", About::Descriptor(0)),
    (libc::SYS_read, "read", About::Descriptor(0)),
    (libc::SYS_write, "write", About::Descriptor(0)),
    (libc::SYS_pread64, "pread64", About::Descriptor(0)),
    (libc::SYS_preadv, "preadv", About::Descriptor(0)),
    (libc::SYS_preadv2, "preadv2", About::Descriptor(0)),
    (libc::SYS_pwrite64, "pwrite64", About::Descriptor(0)),
    (libc::SYS_pwritev, "pwritev", About::Descriptor(0)),
    (libc::SYS_pwritev2, "pwritev2", About::Descriptor(0)),
    (libc::SYS_sendfile, "sendfile", About::Descriptor(1)),
    (libc::SYS_copy_file_range, "copy_file_range", About::Descriptor(0)),
    (libc::SYS_fallocate, "fallocate", About::Descriptor(0)),
    (libc::SYS_ftruncate, "ftruncate", About::Descriptor(0)),
    (libc::SYS_fdatasync, "fdatasync", About::Descriptor(0)),
    (libc::SYS_fsync, "fsync", About::Descriptor(0)),
    (libc::SYS_getdents64, "getdents64", About::Descriptor(0)),
    (libc::SYS_fadvise64, "fadvise64", About::Descriptor(0)),
    (libc::SYS_accept4, "accept4", About::Socket),
    (libc::SYS_bind, "bind", About::Socket),
    (libc::SYS_connect, "connect", About::Socket),
    (libc::SYS_epoll_ctl, "epoll_ctl", About::Socket),
    (libc::SYS_getpeername, "getpeername", About::Socket),
    (libc::SYS_getsockname, "getsockname", About::Socket),
    (libc::SYS_getsockopt, "getsockopt", About::Socket),
    (libc::SYS_ioctl, "ioctl", About::Socket),
    (libc::SYS_listen, "listen", About::Socket),
    (libc::SYS_recvfrom, "recvfrom", About::Socket),
    (libc::SYS_recvmsg, "recvmsg", About::Socket),
    (libc::SYS_sendto, "sendto", About::Socket),
    (libc::SYS_setsockopt, "setsockopt", About::Socket),
    (libc::SYS_shutdown, "shutdown", About::Socket),
    (libc::SYS_socket, "socket", About::Socket),
    (libc::SYS_writev, "writev", About::Socket),
    // cachestat, which the C library's bindings don't name everywhere.
    (451, "cachestat", About::Descriptor(0)),
];

/// A call on a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    /// What it is about, as the system names it.
    pub(crate) path: PathBuf,
    pub(crate) args: [u64; 6],
    /// The thread that makes it.
    pub(crate) thread: u32,
    /// What an `openat2` was told in its structure.
    flags: u64,
}

impl Call {
    /// Whether an `openat2` is to make a file.
    pub(crate) fn makes(&self) -> bool {
        self.flags & libc::O_CREAT as u64 != 0
    }
}

/// What a test wants of a call.
#[derive(Clone)]
pub(crate) enum Wish {
    Pass,
    /// Not done; an errno.
    Fail(i32),
    /// About half of it is done; calls that can't be done by halves pass.
    Half,
    /// It hangs until this has been done; then the kernel does it.
    After(Arc<dyn Fn() + Send + Sync>),
}

type Judge = Box<dyn FnMut(&Call) -> Wish + Send>;

/// A daemon whose every call on a file goes by the test.
pub(crate) struct Calls {
    judge: Arc<Mutex<Judge>>,
}

impl Calls {
    /// Starts a daemon; `None`, and why, where calls can't be intercepted.
    pub(crate) fn start(home: Home, args: &[&str]) -> Option<(Daemon, Calls)> {
        let mut command = home.command();
        command.args(["--install-id", INSTALL_ID]).args(args);
        if !kernel::can_intercept() {
            println!("skipped: seccomp does not hand over calls here");
            return None;
        }
        let numbers: Vec<c_long> = CALLS.iter().map(|(number, ..)| *number).collect();
        let arrival = kernel::intercept(&mut command, &numbers);
        let judge: Arc<Mutex<Judge>> = Arc::new(Mutex::new(Box::new(|_| Wish::Pass)));
        let asked = Arc::clone(&judge);
        thread::spawn(move || serve(&Arc::new(arrival.listener()), &asked));
        Some((Daemon::spawn(home, command), Calls { judge }))
    }

    /// From now on, asks this of each call.
    pub(crate) fn judge(&self, judge: impl FnMut(&Call) -> Wish + Send + 'static) {
        *self.judge.lock().expect("a judge") = Box::new(judge);
    }
}

fn serve(listener: &Arc<Listener>, judge: &Mutex<Judge>) {
    while let Some(waiting) = listener.next() {
        let call = look(&waiting);
        let verdict = match call.as_ref().map_or(Wish::Pass, |call| (judge.lock().expect("a judge"))(call)) {
            Wish::Pass => Verdict::Pass,
            Wish::Fail(errno) => Verdict::Fail(errno),
            Wish::Half => call.and_then(|call| half(waiting.thread, &call)).unwrap_or(Verdict::Pass),
            Wish::After(work) => {
                let listener = Arc::clone(listener);
                thread::spawn(move || {
                    work();
                    listener.answer(&waiting, Verdict::Pass);
                });
                continue;
            }
        };
        listener.answer(&waiting, verdict);
    }
}

/// `None` where it is about nothing that has a path, such as a pipe.
fn look(waiting: &Waiting) -> Option<Call> {
    let (_, name, about) = CALLS.iter().find(|(number, ..)| *number == waiting.number)?;
    let process = waiting.thread;
    let of_descriptor = |fd: u64| fs::read_link(format!("/proc/{process}/fd/{}", fd as i32)).ok();
    let path = match about {
        About::Descriptor(index) => of_descriptor(waiting.args[*index])?,
        About::Path => text(process, waiting.args[0])?,
        About::Socket => PathBuf::from("/socket"),
        About::Memory(index) => PathBuf::from(format!("/memory/{}", waiting.args[*index])),
        About::Below if waiting.args[0] as i32 == libc::AT_FDCWD => text(process, waiting.args[1])?,
        About::Below => of_descriptor(waiting.args[0])?.join(text(process, waiting.args[1])?),
    };
    let flags = if *name == "openat2" { word(process, waiting.args[2])? } else { 0 };
    path.is_absolute().then_some(Call { name, path, args: waiting.args, thread: process, flags })
}

fn memory(process: u32) -> io::Result<File> {
    File::options().read(true).write(true).open(format!("/proc/{process}/mem"))
}

fn word(process: u32, at: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    memory(process).ok()?.read_exact_at(&mut bytes, at).ok()?;
    Some(u64::from_ne_bytes(bytes))
}

/// A text in the memory of a process.
fn text(process: u32, at: u64) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let mut bytes = vec![0; 4096];
    let count = memory(process).ok()?.read_at(&mut bytes, at).ok()?;
    let len = bytes[..count].iter().position(|byte| *byte == 0)?;
    Some(Path::new(std::ffi::OsStr::from_bytes(&bytes[..len])).to_owned())
}

/// Does about half of what a call asks for.
fn half(process: u32, call: &Call) -> Option<Verdict> {
    let memory = memory(process).ok()?;
    let [fd, buffer, count, offset, ..] = call.args;
    let (at, len) = match call.name {
        "pread64" | "pwrite64" => (buffer, count as usize),
        "preadv" | "preadv2" | "pwritev" | "pwritev2" => *vectors(&memory, buffer, count).ok()?.first()?,
        "sendfile" => return half_sent(process, call, &memory),
        _ => return None,
    };
    let mut bytes = vec![0; len.div_ceil(2)];
    let file = descriptor_of(process, fd).ok()?;
    let count = match call.name.starts_with("pread") {
        true => {
            let count = file.read_at(&mut bytes, offset).ok()?;
            memory.write_all_at(&bytes[..count], at).ok()?;
            count
        }
        false => {
            memory.read_exact_at(&mut bytes, at).ok()?;
            file.write_at(&bytes, offset).ok()?
        }
    };
    Some(Verdict::Done(count as i64))
}

fn half_sent(process: u32, call: &Call, memory: &File) -> Option<Verdict> {
    let [out, from, at, count, ..] = call.args;
    let (out, from) = (descriptor_of(process, out).ok()?, descriptor_of(process, from).ok()?);
    let mut offset = [0; 8];
    memory.read_exact_at(&mut offset, at).ok()?;
    let mut offset = u64::from_ne_bytes(offset);
    Some(match rustix::fs::sendfile(out, from, Some(&mut offset), count.div_ceil(2) as usize) {
        Ok(sent) => {
            memory.write_all_at(&offset.to_ne_bytes(), at).ok()?;
            Verdict::Done(sent as i64)
        }
        Err(errno) => Verdict::Fail(errno.raw_os_error()),
    })
}
