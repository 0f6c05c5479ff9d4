//! Which parts of a report's object are made: who looks at one figure each second does not wait for all.

/// The paths, key by key, of what is looked at.
#[derive(Clone, Debug)]
pub struct Focus(Option<Vec<Vec<String>>>);

impl Focus {
    /// The whole object.
    pub const ALL: Self = Self(None);

    /// What is at these paths.
    pub fn of(paths: impl IntoIterator<Item = Vec<String>>) -> Self {
        Self(Some(paths.into_iter().collect()))
    }

    /// Whether anything is looked at that is at `keys`, above it or below it.
    pub fn has(&self, keys: &[&str]) -> bool {
        self.0.as_ref().is_none_or(|paths| paths.iter().any(|path| meet(path, keys)))
    }

    /// What is looked at in the object at `keys`; none where nothing is.
    pub fn under(&self, keys: &[&str]) -> Option<Self> {
        let Some(paths) = &self.0 else { return Some(Self::ALL) };
        let paths = paths.iter().filter(|path| meet(path, keys));
        let below: Vec<_> =
            paths.map(|path| path.iter().skip(keys.len()).cloned().collect()).collect();
        (!below.is_empty()).then_some(Self(Some(below)))
    }

    /// Of it, what is at these keys.
    #[must_use]
    pub fn among(&self, keys: &[&str]) -> Self {
        match &self.0 {
            None => Self::of(keys.iter().map(|key| vec![(*key).to_owned()])),
            Some(paths) => {
                let among = |path: &&Vec<String>| {
                    path.first().is_some_and(|key| keys.contains(&key.as_str()))
                };
                Self::of(paths.iter().filter(among).cloned())
            }
        }
    }
}

/// Whether one of the two leads to the other.
fn meet(path: &[String], keys: &[&str]) -> bool {
    path.iter().zip(keys).all(|(mine, key)| mine == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(all: &[&str]) -> Focus {
        Focus::of(all.iter().map(|path| path.split('.').map(str::to_owned).collect()))
    }

    #[test]
    fn what_is_above_or_below_a_path_is_made() {
        let focus = paths(&["latency_us.from_due.p99", "scenario.phases.1.requests.failed_share"]);
        for keys in [&["latency_us"][..], &["latency_us", "from_due"], &["scenario", "phases", "1"]]
        {
            assert!(focus.has(keys), "{keys:?}");
        }
        assert!(focus.has(&["latency_us", "from_due", "p99", "deeper"]));
        for keys in [&["drift"][..], &["latency_us", "from_send"], &["scenario", "phases", "0"]] {
            assert!(!focus.has(keys), "{keys:?}");
            assert!(Focus::ALL.has(keys), "{keys:?}");
        }
    }

    #[test]
    fn a_part_has_what_is_looked_at_in_it() {
        let focus = paths(&["drift.text", "scenario.phases.1.requests.failed_share"]);
        let phase = focus.under(&["scenario", "phases", "1"]).unwrap();
        assert!(phase.has(&["requests", "failed_share"]) && !phase.has(&["drift"]));
        assert!(focus.under(&["scenario", "phases", "0"]).is_none());
        assert!(Focus::ALL.under(&["scenario"]).unwrap().has(&["anything"]));
        let among = Focus::ALL.among(&["requests"]);
        assert!(among.has(&["requests", "sent"]) && !among.has(&["drift"]));
        assert!(!phase.among(&["latency_us"]).has(&["requests"]));
    }
}
