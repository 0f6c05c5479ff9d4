//! The one call that needs `unsafe`: mio names its epoll instance by a raw number only.

use mio::Poll;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The descriptor of `poll`'s epoll instance.
pub(crate) fn epoll_descriptor(poll: &Poll) -> BorrowedFd<'_> {
    // SAFETY: the number is an open descriptor that `poll` owns, and `poll` outlives the borrow.
    unsafe { BorrowedFd::borrow_raw(poll.as_raw_fd()) }
}
