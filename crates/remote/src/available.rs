//! How much memory the system leaves this process.

use std::path::{Path, PathBuf};

/// What is taken for granted where the system does not say what there is.
const UNKNOWN: u64 = 8 << 30;
/// Kept back of what there is, for what is not counted: stacks of threads, and what connections have.
const RESERVE: u64 = 64 << 20;

/// Bytes that this process may still take: what the machine has, its address space, its control group and
/// those that it is in; a reserve is kept back.
#[must_use]
pub fn available() -> u64 {
    let bounds = [machine(), address_space(), control_groups(Path::new("/"))];
    let least = bounds.into_iter().flatten().min().unwrap_or(UNKNOWN);
    least.saturating_sub(RESERVE.min(least / 2))
}

/// Bytes that are free for this process on the disk of a folder; none where the system does not say.
#[cfg(unix)]
#[must_use]
pub fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The same where the system does not say.
#[cfg(not(unix))]
#[must_use]
pub fn free(_: &Path) -> Option<u64> {
    None
}

fn machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(unix)]
fn address_space() -> Option<u64> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').next()?.parse().ok()?;
    Some(limit.saturating_sub(pages * rustix::param::page_size() as u64))
}

#[cfg(not(unix))]
fn address_space() -> Option<u64> {
    None
}

/// The files of one version of control groups: the limit, what is taken, and what of that are pages of files
/// that nobody uses, which the system takes back.
struct CgroupFiles {
    limit: &'static str,
    taken: &'static str,
    unused: &'static str,
}

const SECOND: CgroupFiles =
    CgroupFiles { limit: "memory.max", taken: "memory.current", unused: "inactive_file" };
const FIRST: CgroupFiles = CgroupFiles {
    limit: "memory.limit_in_bytes",
    taken: "memory.usage_in_bytes",
    unused: "total_inactive_file",
};

/// The least that the control group of this process and those above it leave; none where none has a limit.
/// `root` is where the system's files are.
fn control_groups(root: &Path) -> Option<u64> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = std::fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let each = groups.lines().filter_map(|line| {
        // As in `4:memory:/system.slice/x.service`; version 2 has no controllers.
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let second = controllers.is_empty();
        if !second && controllers.split(',').all(|c| c != "memory") {
            return None;
        }
        let (top, mount) = mounts.lines().find_map(|m| mounted(m, second))?;
        // What is mounted may be the group of the container, from where the path may lead out or not.
        let inside = Path::new(path).strip_prefix(&top).unwrap_or(Path::new(""));
        let mount = root.join(mount.strip_prefix("/").unwrap_or(&mount));
        let files = if second { &SECOND } else { &FIRST };
        inside.ancestors().filter_map(|group| left(&mount.join(group), files)).min()
    });
    each.min()
}

/// The group that is mounted and where, if a line of `mountinfo` is of groups with memory.
fn mounted(line: &str, second: bool) -> Option<(PathBuf, PathBuf)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let found = match kind.next()? {
        "cgroup2" => second,
        "cgroup" => !second && kind.nth(1)?.split(',').any(|o| o == "memory"),
        _ => false,
    };
    let mut place = place.split(' ').skip(3);
    found.then_some((place.next()?.into(), place.next()?.into()))
}

fn left(group: &Path, files: &CgroupFiles) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(group.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let stat = read("memory.stat").unwrap_or_default();
    let unused = stat.lines().find_map(|l| l.strip_prefix(files.unused)?.trim().parse::<u64>().ok());
    let taken = number(files.taken)?.saturating_sub(unused.unwrap_or(0));
    Some(number(files.limit)?.saturating_sub(taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_system_says_what_there_is() {
        assert!(available() > 0);
    }

    #[test]
    fn the_least_of_a_nested_group_and_its_parents_counts() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert_eq!(control_groups(root), None);
        write(
            root,
            &[
                ("proc/self/cgroup", "0::/a.slice/b.service\n"),
                ("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"),
                ("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n"),
                ("sys/fs/cgroup/a.slice/b.service/memory.current", "5000\n"),
            ],
        );
        assert_eq!(control_groups(root), None);
        write(
            root,
            &[
                ("sys/fs/cgroup/a.slice/memory.max", "9000\n"),
                ("sys/fs/cgroup/a.slice/memory.current", "6000\n"),
                ("sys/fs/cgroup/a.slice/memory.stat", "anon 1\ninactive_file 500\n"),
            ],
        );
        assert_eq!(control_groups(root), Some(3500));
        write(root, &[("sys/fs/cgroup/a.slice/b.service/memory.max", "5100\n")]);
        assert_eq!(control_groups(root), Some(100));
    }

    #[test]
    fn the_first_version_is_read_too_also_from_inside_a_container() {
        for (top, group) in [("/", "/docker/x"), ("/docker/x", "/docker/x"), ("/elsewhere", "/docker/x")] {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path();
            let folder = if top == "/" { "docker/x/" } else { "" };
            let at = |name: &str| format!("sys/fs/cgroup/memory/{folder}{name}");
            write(
                root,
                &[
                    ("proc/self/cgroup", &format!("5:cpu,memory:{group}\n0::/\n")),
                    (
                        "proc/self/mountinfo",
                        &format!(
                            "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                         35 31 0:32 {top} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,cpu,memory\n"
                        ),
                    ),
                    (&at("memory.limit_in_bytes"), "1000\n"),
                    (&at("memory.usage_in_bytes"), "400\n"),
                    (&at("memory.stat"), "inactive_file 7\ntotal_inactive_file 100\n"),
                ],
            );
            assert_eq!(control_groups(root), Some(700), "{top}");
        }
    }
}
