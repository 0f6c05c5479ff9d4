//! What a process of this host uses, as its kernel's files say.

use super::parse;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Descriptors that are counted one by one at most, where the kernel does not say how many there are.
const COUNTED_MAX: usize = 4_096;

/// A process at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// When it was started, in ticks since the host was: with its number, which process it is.
    pub started_ticks: u64,
    /// Processor time of all its threads, in microseconds.
    pub cpu_micros: u64,
    /// Resident memory, in bytes.
    pub rss_bytes: Option<u64>,
}

impl Process {
    /// Reads process `pid` under `root`; this host's root is `/`. None where there is no such process, or
    /// it has ended and nobody has reaped it.
    pub fn read(root: &Path, pid: i32) -> Option<Self> {
        let folder = root.join("proc").join(pid.to_string());
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let stat = parse::process(&text("stat")?)?;
        Some(Self {
            started_ticks: stat.started_ticks,
            cpu_micros: stat.cpu_micros,
            rss_bytes: text("status").and_then(|status| parse::kilobytes(&status, "VmRSS:")),
        })
    }
}

/// Open descriptors of process `pid` under `root`. Linux tells how many they are as the folder's size, from
/// 6.2 on. To count many one by one takes longer than it is worth each second.
pub fn descriptors(root: &Path, pid: i32) -> Option<u64> {
    let folder = root.join(format!("proc/{pid}/fd"));
    match fs::metadata(&folder).ok()?.size() {
        0 => {
            let counted = fs::read_dir(&folder).ok()?.take(COUNTED_MAX + 1).count();
            (counted <= COUNTED_MAX).then_some(counted as u64)
        }
        told => Some(told),
    }
}

/// The name of process `pid` under `root`, as its kernel has it; whoever started it chose the characters.
pub fn name(root: &Path, pid: i32) -> Option<String> {
    let name = fs::read_to_string(root.join(format!("proc/{pid}/comm"))).ok()?;
    let shown = |c: char| if c.is_control() { '?' } else { c };
    Some(name.trim_end_matches('\n').chars().map(shown).collect())
}

/// Descriptors that process `pid` under `root` may have at most.
pub fn descriptors_max(root: &Path, pid: i32) -> Option<u64> {
    parse::open_files_max(&fs::read_to_string(root.join(format!("proc/{pid}/limits"))).ok()?)
}

/// Memory that process `pid` under `root` may have at most, in bytes: the host's, or its control group's.
pub fn memory_max(root: &Path, pid: i32) -> Option<u64> {
    let text = |path: &str| fs::read_to_string(root.join(path)).ok();
    let host = text("proc/meminfo").and_then(|text| parse::kilobytes(&text, "MemTotal:"));
    let groups = text(&format!("proc/{pid}/cgroup")).unwrap_or_default();
    let mut folder = parse::group(&groups).map(|group| root.join("sys/fs/cgroup").join(group));
    let mut least = host;
    // A group has no more than those that it is in.
    while let Some(group) = folder.filter(|folder| folder.starts_with(root.join("sys/fs/cgroup"))) {
        let max = fs::read_to_string(group.join("memory.max")).ok();
        let max = max.and_then(|text| text.trim().parse().ok());
        least = least.into_iter().chain(max).min();
        folder = group.parent().map(Path::to_path_buf);
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read() {
        let (root, pid) = (Path::new("/"), std::process::id() as i32);
        let read = Process::read(root, pid).unwrap();
        assert!(read.started_ticks > 0 && read.rss_bytes > Some(4096), "{read:?}");
        let before = descriptors(root, pid).unwrap();
        let held: Vec<_> = (0..9).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let after = descriptors(root, pid).unwrap();
        // Other tests of this process open and close some too.
        assert!(after >= before.saturating_sub(50) && after >= held.len() as u64);
        assert!(name(root, pid).is_some_and(|name| !name.is_empty()));
        assert!(descriptors_max(root, pid) > Some(9) && memory_max(root, pid) > read.rss_bytes);
    }

    #[test]
    fn what_is_not_there_is_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Process::read(root.path(), 1), None);
        assert_eq!((name(root.path(), 1), descriptors(root.path(), 1)), (None, None));
        assert_eq!(descriptors_max(root.path(), 1), None);
        assert_eq!(memory_max(root.path(), 1), None);
    }

    #[test]
    fn a_group_has_no_more_memory_than_those_that_it_is_in() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/meminfo", "MemTotal:  1000 kB\n");
        assert_eq!(memory_max(root.path(), 7), Some(1_024_000));
        write("proc/7/cgroup", "0::/slice/unit\n");
        write("sys/fs/cgroup/slice/unit/memory.max", "max\n");
        write("sys/fs/cgroup/slice/memory.max", "5000\n");
        assert_eq!(memory_max(root.path(), 7), Some(5_000));
    }
}
