//! Memory lent by the loop: one buffer to read into, and a bounded stock of those in which a
//! connection keeps what is not whole yet.

/// Bytes that one read may take.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Emptied buffers kept for the next borrower.
const STOCK: usize = 256;

/// Their capacity. What needs more gets room for a whole read, which goes back to the allocator:
/// growing step by step would leave the steps behind as holes.
const STOCK_BYTES: usize = 4 * 1024;

/// The loop's buffers.
#[derive(Debug)]
pub struct Buffers {
    read: Vec<u8>,
    stock: Vec<Vec<u8>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { read: vec![0; READ_BUFFER_BYTES], stock: Vec::new() }
    }
}

impl Buffers {
    /// Takes the read buffer out, [`READ_BUFFER_BYTES`] long, for the length of one turn.
    ///
    /// # Panics
    /// If it is out already.
    pub fn take_read(&mut self) -> Vec<u8> {
        let buffer = std::mem::take(&mut self.read);
        assert!(!buffer.is_empty(), "the read buffer is lent to one turn at a time");
        buffer
    }

    /// Gives the read buffer back.
    pub fn return_read(&mut self, buffer: Vec<u8>) {
        self.read = buffer;
    }

    /// Copies `rest` into `kept`, which borrows a buffer for it; with nothing to keep `kept` gives
    /// its buffer back and owns none.
    pub fn keep(&mut self, kept: &mut Vec<u8>, rest: &[u8]) {
        if rest.is_empty() {
            self.give_back(kept);
            return;
        }
        if kept.capacity() < rest.len() {
            self.give_back(kept);
            *kept = self.lend(rest.len());
        }
        kept.clear();
        kept.extend_from_slice(rest);
    }

    fn lend(&mut self, bytes: usize) -> Vec<u8> {
        if bytes > STOCK_BYTES {
            return Vec::with_capacity(bytes.max(READ_BUFFER_BYTES));
        }
        self.stock.pop().unwrap_or_else(|| Vec::with_capacity(STOCK_BYTES))
    }

    /// Gives `kept`'s buffer back, so that it owns none.
    pub fn give_back(&mut self, kept: &mut Vec<u8>) {
        let mut buffer = std::mem::take(kept);
        let worth_keeping = buffer.capacity() == STOCK_BYTES;
        if worth_keeping && self.stock.len() < STOCK {
            buffer.clear();
            self.stock.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_keep_owns_nothing() {
        let mut buffers = Buffers::default();
        let mut kept = Vec::new();
        buffers.keep(&mut kept, b"half a he");
        assert_eq!(kept, b"half a he");
        buffers.keep(&mut kept, b"");
        assert_eq!(kept.capacity(), 0);
        assert_eq!(buffers.stock.len(), 1);
    }

    #[test]
    fn a_large_buffer_goes_back_to_the_allocator() {
        let mut buffers = Buffers::default();
        let mut kept = Vec::new();
        buffers.keep(&mut kept, &[0; STOCK_BYTES + 1]);
        buffers.give_back(&mut kept);
        assert!(buffers.stock.is_empty());
    }
}
