//! Connections that are accepted once they have said something.

use tokio::net::TcpListener;

/// Seconds that the system waits for the first bytes of a connection before it is accepted without them.
#[cfg(target_os = "linux")]
static WAIT: libc::c_int = 1;

/// Asks the system to hand over connections with their first bytes. A request that comes in one piece is
/// then there when its connection is accepted, and served before any crowd can push it out. Where the
/// system can't, connections are accepted as ever.
#[cfg(target_os = "linux")]
pub(super) fn until_heard(listener: &TcpListener) {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is that of a listener which is open while this runs, and the option is a
    // c_int whose address and size are given.
    let _ = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const WAIT).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
}

#[cfg(not(target_os = "linux"))]
pub(super) fn until_heard(_: &TcpListener) {}
