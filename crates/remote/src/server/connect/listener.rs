//! What is asked of the system for every connection that a listener takes.

use tokio::net::TcpListener;

/// Seconds that the system waits for the first bytes of a connection before it is accepted without them.
#[cfg(target_os = "linux")]
static WAIT: libc::c_int = 1;

/// Bytes that the system takes of an answer before the client has room for them.
#[cfg(target_os = "linux")]
static UNSENT: libc::c_int = 64 << 10;

/// Asks the system to hand over connections with their first bytes: a request that comes in one piece is
/// then there when its connection is accepted, and served before any crowd can push it out. And to keep no
/// more of an answer than is about to be sent, whoever does not read. Where the system can't, connections
/// are as ever.
#[cfg(target_os = "linux")]
pub(super) fn set_up(listener: &TcpListener) {
    use std::os::fd::AsRawFd;
    for (option, value) in
        [(libc::TCP_DEFER_ACCEPT, &raw const WAIT), (libc::TCP_NOTSENT_LOWAT, &raw const UNSENT)]
    {
        // SAFETY: the descriptor is that of a listener which is open while this runs, and the option is a
        // c_int whose address and size are given.
        let _ = unsafe {
            libc::setsockopt(
                listener.as_raw_fd(),
                libc::IPPROTO_TCP,
                option,
                value.cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn set_up(_: &TcpListener) {}
