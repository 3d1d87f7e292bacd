//! File descriptors: as many as the system allows, and no more connections than they carry.

use std::io;

/// Descriptors for everything but connections: the spool, the database, the listener, threads.
const RESERVE: u64 = 64;
/// Descriptors a connection may need: its socket, and the file that it is sent.
const EACH: u64 = 2;
/// As many as are asked for where the system sets no bound.
const PLENTY: u64 = 1 << 16;

/// Raises the limit of descriptors as far as the system lets us; how many there are then.
#[cfg(unix)]
fn raise() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(PLENTY).min(PLENTY);
    let now = limit.current.unwrap_or(PLENTY);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    if now < wanted && setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { now }
}

#[cfg(not(unix))]
fn raise() -> u64 {
    PLENTY
}

/// How many connections there are descriptors for, at most as many as are `wanted`.
pub(super) fn connections(wanted: usize, notice: &dyn Fn(&str)) -> usize {
    let descriptors = raise();
    let most = usize::try_from(descriptors.saturating_sub(RESERVE) / EACH).unwrap_or(usize::MAX).max(1);
    if most < wanted {
        notice(&format!(
            "{most} connections are taken at a time, not {wanted}: the system allows {descriptors} file descriptors\n\
             hint: raise the hard limit (ulimit -Hn, LimitNOFILE)"
        ));
    }
    most.min(wanted.max(1))
}

/// Whether a call failed because there are no descriptors left, here or on the machine.
pub(in super::super) fn out_of_descriptors(e: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        [Errno::MFILE, Errno::NFILE].iter().any(|code| e.raw_os_error() == Some(code.raw_os_error()))
    }
    #[cfg(not(unix))]
    {
        let _ = e;
        false
    }
}

/// What an operator is told when there are none left.
pub(super) fn told() -> String {
    "out of file descriptors; idle connections are closed\nhint: raise the limit (ulimit -n, LimitNOFILE) or take fewer connections (--max-connections)".to_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn as_many_connections_as_there_are_descriptors_for() {
        let told = std::cell::RefCell::new(Vec::new());
        let say = |text: &str| told.borrow_mut().push(text.to_owned());
        assert_eq!(connections(1, &say), 1);
        assert!(told.borrow().is_empty());
        assert!(connections(usize::MAX, &say) < usize::MAX);
        assert!(told.borrow()[0].contains("file descriptors"));
    }

    #[test]
    fn the_lack_of_descriptors_is_not_a_full_disk() {
        assert!(out_of_descriptors(&io::Error::from_raw_os_error(24)));
        assert!(!out_of_descriptors(&io::ErrorKind::StorageFull.into()));
    }
}
