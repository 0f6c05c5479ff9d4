//! The one limit of this host that a run is checked against before anything is opened.

use crate::arguments::Load;

/// What a process opens beside its connections.
const OTHER_FILES: usize = 32;

/// Whether every process may open its connections: the clients each theirs, a server of our own all.
///
/// # Errors
/// One line with limit, value, need and remedy.
pub fn open_files_suffice(own_server: bool, loads: &[Load]) -> Result<(), String> {
    let connections = loads.iter().map(Load::connections);
    let most = if own_server { connections.sum() } else { connections.max().unwrap_or(0) };
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    fits(most + OTHER_FILES, soft_limit(&text))
}

fn fits(need: usize, limit: Option<usize>) -> Result<(), String> {
    match limit {
        Some(limit) if limit < need => Err(format!(
            "a process may open {limit} files and {need} are needed; \
             raise the limit with `ulimit -n {need}` or take fewer connections"
        )),
        _ => Ok(()),
    }
}

/// None where it is unlimited, or unknown.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_counts() {
        let limits =
            "Max processes  7  8  processes\nMax open files            20000    30000  files\n";
        assert_eq!(soft_limit(limits), Some(20_000));
        assert_eq!(soft_limit("Max open files  unlimited  unlimited  files\n"), None);
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    fn a_refusal_names_limit_need_and_remedy() {
        assert_eq!(fits(1056, None), Ok(()));
        assert_eq!(fits(1056, Some(1056)), Ok(()));
        let refusal = fits(1057, Some(1024)).unwrap_err();
        for part in ["1024", "1057", "ulimit -n 1057", "fewer connections"] {
            assert!(refusal.contains(part), "{refusal}");
        }
    }
}
