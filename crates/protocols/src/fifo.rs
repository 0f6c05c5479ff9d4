//! A first-in-first-out queue with a fixed bound, kept in place: no allocation, no growth.

/// At most `N` (up to 255) values of `T`, oldest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fifo<T, const N: usize> {
    slots: [T; N],
    first: u8,
    len: u8,
}

impl<T: Copy, const N: usize> Fifo<T, N> {
    /// An empty queue; `blank` fills the unused places.
    pub(crate) const fn new(blank: T) -> Self {
        assert!(N > 0 && N <= u8::MAX as usize);
        Self { slots: [blank; N], first: 0, len: 0 }
    }

    /// How many values wait.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the bound is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.len() == N
    }

    /// The oldest value.
    pub(crate) fn front(&self) -> Option<T> {
        self.nth(0)
    }

    /// The newest value.
    pub(crate) fn back(&self) -> Option<T> {
        self.nth(self.len().checked_sub(1)?)
    }

    fn nth(&self, index: usize) -> Option<T> {
        (index < self.len()).then(|| self.slots[self.place(index)])
    }

    /// Appends a value; the caller has made sure of room.
    pub(crate) fn push(&mut self, value: T) {
        assert!(!self.is_full(), "the queue's bound of {N} is kept");
        self.slots[self.place(self.len())] = value;
        self.len += 1;
    }

    /// Removes the oldest value.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let value = self.front()?;
        self.first = self.place(1) as u8;
        self.len -= 1;
        Some(value)
    }

    fn place(&self, index: usize) -> usize {
        (usize::from(self.first) + index) % N
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_around_its_end() {
        let mut fifo = Fifo::<u32, 3>::new(0);
        let mut out = Vec::new();
        for value in 0..10 {
            fifo.push(value);
            if fifo.is_full() {
                out.extend([fifo.pop(), fifo.pop()].into_iter().flatten());
            }
        }
        while let Some(value) = fifo.pop() {
            out.push(value);
        }
        assert_eq!(out, (0..10).collect::<Vec<_>>());
        assert!(fifo.is_empty());
    }

    #[test]
    fn both_ends() {
        let mut fifo = Fifo::<char, 2>::new(' ');
        assert_eq!((fifo.front(), fifo.back()), (None, None));
        fifo.push('a');
        assert_eq!((fifo.front(), fifo.back()), (Some('a'), Some('a')));
        fifo.push('b');
        fifo.pop();
        fifo.push('c');
        assert_eq!((fifo.front(), fifo.back()), (Some('b'), Some('c')));
    }

    #[test]
    #[should_panic(expected = "bound of 1")]
    fn refuses_more_than_its_bound() {
        let mut fifo = Fifo::<u8, 1>::new(0);
        fifo.push(1);
        fifo.push(2);
    }
}
