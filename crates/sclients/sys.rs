//! The calls that need `unsafe`, one block each.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes ownership of the two descriptors that this process was started with.
pub fn adopt_descriptors(control: RawFd, report: RawFd) -> (OwnedFd, OwnedFd) {
    assert!(control > 2 && report > 2 && control != report, "two descriptors beyond stdio");
    // SAFETY: the supervisor passed both numbers to this process alone, which it started for
    // nothing else; nothing in this process owns them yet, and this is called once.
    unsafe { (OwnedFd::from_raw_fd(control), OwnedFd::from_raw_fd(report)) }
}
