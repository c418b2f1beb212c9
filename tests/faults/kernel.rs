//! Stands between the daemon and the kernel: a seccomp filter that hands chosen system calls to the test (seccomp(2),
//! `SECCOMP_RET_USER_NOTIF`). All threads are seen, in one order, and calls that no library makes. Decides nothing.

use std::fs::File;
use std::io::{self, Error};
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::{c_int, c_long, c_void};

/// Offset of the number of the call in `seccomp_data`.
const NUMBER_AT: u32 = 0;

/// A call that waits for a verdict.
pub(crate) struct Waiting {
    id: u64,
    /// The thread that made it.
    pub(crate) thread: u32,
    pub(crate) number: c_long,
    pub(crate) args: [u64; 6],
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The kernel does it.
    Pass,
    /// It isn't done, and this is what it returns: an errno.
    Fail(i32),
    /// It was done for the caller, and this is what it returns.
    Done(i64),
}

/// Where calls of a process and its threads arrive.
pub(crate) struct Listener {
    fd: OwnedFd,
}

/// A process that is about to be started under a filter.
pub(crate) struct Arrival {
    socket: UnixDatagram,
}

/// Makes `command` hand these calls over. The listener must be taken, and answer, as soon as the process runs.
pub(crate) fn intercept(command: &mut Command, numbers: &[c_long]) -> Arrival {
    let (ours, theirs) = UnixDatagram::pair().expect("a pair of sockets");
    let filter = filter(numbers);
    let install = move || {
        let listener = install(&filter)?;
        hand_over(theirs.as_raw_fd(), listener)
    };
    // SAFETY: what runs between fork and exec makes system calls only; its memory was allocated before.
    unsafe { command.pre_exec(install) };
    Arrival { socket: ours }
}

/// Whether the system lets us.
pub(crate) fn can_intercept() -> bool {
    let mut command = Command::new("true");
    let _arrival = intercept(&mut command, &[]);
    command.status().is_ok()
}

/// Classic BPF: those numbers go to the listener, all others to the kernel. The architecture is that of the test.
fn filter(numbers: &[c_long]) -> Vec<libc::sock_filter> {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut steps = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, NUMBER_AT)];
    for (index, number) in numbers.iter().enumerate() {
        let to_the_last = u8::try_from(numbers.len() - index).expect("few calls");
        steps.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, to_the_last, 0, *number as u32));
    }
    steps.push(step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW));
    steps.push(step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_USER_NOTIF));
    steps
}

fn checked(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

fn install(filter: &[libc::sock_filter]) -> io::Result<RawFd> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: takes numbers only.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: the kernel copies the program, which outlives the call.
    let fd = checked(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) })?;
    Ok(fd as RawFd)
}

/// Room for one descriptor as ancillary data.
#[repr(C, align(8))]
struct Ancillary([u8; 32]);

/// A message of one byte, with room for a descriptor.
fn message(byte: &mut libc::iovec, ancillary: &mut Ancillary) -> libc::msghdr {
    // SAFETY: zero is a valid value of each field.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = byte;
    message.msg_iovlen = 1;
    message.msg_control = ancillary.0.as_mut_ptr().cast();
    // SAFETY: computes a size.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<c_int>() as u32) } as _;
    message
}

fn hand_over(socket: RawFd, fd: RawFd) -> io::Result<()> {
    let (mut byte, mut ancillary) = (0_u8, Ancillary([0; 32]));
    let mut vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let message = message(&mut vector, &mut ancillary);
    // SAFETY: the header lies within `ancillary`, which is aligned and has room for it and one descriptor.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<c_int>() as u32) as _;
        libc::CMSG_DATA(header).cast::<c_int>().write_unaligned(fd);
        checked(libc::sendmsg(socket, &raw const message, 0) as c_long)?;
    }
    Ok(())
}

impl Arrival {
    /// Waits for the process.
    pub(crate) fn listener(self) -> Listener {
        let (mut byte, mut ancillary) = (0_u8, Ancillary([0; 32]));
        let mut vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        let mut message = message(&mut vector, &mut ancillary);
        // SAFETY: what the message points to outlives the calls; the descriptor is a new one that nobody else owns.
        let fd = unsafe {
            let received = libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC);
            assert_eq!(received, 1, "{}", Error::last_os_error());
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            assert!(!header.is_null(), "a descriptor");
            OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<c_int>().read_unaligned())
        };
        Listener { fd }
    }
}

impl Listener {
    /// The next call; `None` once the process has ended.
    pub(crate) fn next(&self) -> Option<Waiting> {
        loop {
            let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one entry, which outlives the call.
            unsafe { libc::poll(&raw mut poll, 1, -1) };
            if poll.revents & libc::POLLHUP != 0 {
                return None;
            }
            let mut call = MaybeUninit::<libc::seccomp_notif>::zeroed();
            // SAFETY: the kernel writes one notification, and wants the room zeroed before.
            if unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, call.as_mut_ptr()) }
                == 0
            {
                // SAFETY: it was filled in.
                let call = unsafe { call.assume_init() };
                let number = c_long::from(call.data.nr);
                return Some(Waiting { id: call.id, thread: call.pid, number, args: call.data.args });
            }
            // ENOENT: the thread was killed meanwhile.
        }
    }

    /// Lets a call go on. That its thread was killed meanwhile is fine.
    pub(crate) fn answer(&self, call: &Waiting, verdict: Verdict) {
        let (val, error, flags) = match verdict {
            Verdict::Pass => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
            Verdict::Fail(errno) => (0, -errno, 0),
            Verdict::Done(value) => (value, 0, 0),
        };
        let answer = libc::seccomp_notif_resp { id: call.id, val, error, flags };
        // SAFETY: the kernel reads one answer, which outlives the call.
        unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) };
    }
}

/// A copy of another process's descriptor.
pub(crate) fn descriptor_of(process: u32, fd: u64) -> io::Result<File> {
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
    let pid = Pid::from_raw(process as i32).ok_or(io::ErrorKind::InvalidInput)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    Ok(File::from(pidfd_getfd(process, fd as RawFd, PidfdGetfdFlags::empty())?))
}

/// The parts of a vector of buffers in another process's memory: where each is, and its length.
pub(crate) fn vectors(memory: &File, at: u64, count: u64) -> io::Result<Vec<(u64, usize)>> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; size_of::<[*const c_void; 2]>() * count as usize];
    memory.read_exact_at(&mut bytes, at)?;
    let word = |chunk: &[u8]| u64::from_ne_bytes(chunk.try_into().expect("eight bytes"));
    Ok(bytes.chunks(16).map(|part| (word(&part[..8]), word(&part[8..]) as usize)).collect())
}
