//! Writing records so that whatever fails, nothing that was handed over is lost while this process
//! lives, and every loss is told.
//!
//! A record is one write. What a failed write left is cut off again and the record waits for the next
//! try. What a failed sync may have lost is not synced again as if it were clean (the kernel forgets
//! the pages that it could not write): it is written once more, to a new segment.

use super::segment::{DEFLATED, Header, Record};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// A segment is left for the next one when it has so many bytes.
const SEGMENT_BYTES: u64 = 64 << 20;
/// So many bytes at most are kept to be written once more; beyond, a failed sync may lose the oldest.
const UNSYNCED_BYTES_MAX: usize = 32 << 20;

/// Where segments are made.
pub trait Disk: Send {
    /// Makes segment `number`.
    ///
    /// # Errors
    /// What the system says.
    fn create(&mut self, number: u32) -> io::Result<Arc<dyn Segment>>;

    /// Takes segment `number`, of which not even the header could be written, away again if it can.
    fn remove(&mut self, number: u32);
}

impl Disk for Box<dyn Disk> {
    fn create(&mut self, number: u32) -> io::Result<Arc<dyn Segment>> {
        (**self).create(number)
    }

    fn remove(&mut self, number: u32) {
        (**self).remove(number);
    }
}

/// An open segment; its end is where writes go.
pub trait Segment: Send + Sync {
    /// Writes some of `bytes`, as write(2) does.
    ///
    /// # Errors
    /// What the system says.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts off what is behind `bytes`.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Waits until all that was written is on the disk.
    ///
    /// # Errors
    /// What the system says; what was written since the last time may be lost then.
    fn sync(&self) -> io::Result<()>;
}

/// An entry, deflated.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Its kind.
    pub kind: u8,
    /// When it was made, by the monotonic clock.
    pub monotonic_nanos: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Where writing goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct End {
    /// The number of the last segment; 0 where there is none.
    pub segment: u32,
    /// The number of the next record.
    pub sequence: u64,
    /// The checksum of the last one.
    pub crc: u32,
}

/// A record that is written but may not be on the disk.
struct Unsynced {
    payload: Payload,
    sequence: u64,
    /// The checksum of the one before it.
    before: u32,
}

/// Writes records.
pub struct Writer<D> {
    disk: D,
    run: [u8; 16],
    wall_nanos: fn() -> u64,
    open: Option<Open>,
    /// Segments that were left before all of them was synced, each with the number behind its last record.
    left: Vec<(Arc<dyn Segment>, u64)>,
    end: End,
    unsynced: VecDeque<Unsynced>,
    unsynced_bytes: usize,
    /// A sync failed: what is not synced is to be written once more.
    again: bool,
}

/// The segment that is written.
struct Open {
    segment: Arc<dyn Segment>,
    bytes: u64,
    seed: u32,
}

impl<D: Disk> Writer<D> {
    /// Goes on behind `end`, in a new segment.
    pub fn new(disk: D, run: [u8; 16], wall_nanos: fn() -> u64, end: End) -> Self {
        Self {
            disk,
            run,
            wall_nanos,
            open: None,
            left: Vec::new(),
            end,
            unsynced: VecDeque::new(),
            unsynced_bytes: 0,
            again: false,
        }
    }

    /// The number of the segment that is written, or was last; 0 where there is none.
    pub const fn segment(&self) -> u32 {
        self.end.segment
    }

    /// Writes `payload`, all of it or nothing.
    ///
    /// # Errors
    /// What the system says. It can be tried again.
    pub fn append(&mut self, payload: &Payload) -> io::Result<()> {
        if self.again {
            self.write_again()?;
        }
        let (sequence, before) = (self.end.sequence, self.end.crc);
        self.write(payload, sequence, before)?;
        self.unsynced_bytes += payload.bytes.len();
        self.unsynced.push_back(Unsynced { payload: payload.clone(), sequence, before });
        while self.unsynced_bytes > UNSYNCED_BYTES_MAX && self.unsynced.len() > 1 {
            self.forget_first();
        }
        Ok(())
    }

    /// What is to be synced, and the number behind the last record that is in it; none where nothing
    /// is.
    pub fn to_sync(&self) -> Option<(Vec<Arc<dyn Segment>>, u64)> {
        if self.unsynced.is_empty() || self.again {
            return None;
        }
        let left = self.left.iter().map(|(segment, _)| segment);
        let all = left.chain(self.open.iter().map(|open| &open.segment));
        Some((all.cloned().collect(), self.end.sequence))
    }

    /// Takes that all records before `sequence` are on the disk.
    pub fn synced(&mut self, sequence: u64) {
        self.left.retain(|(_, behind)| *behind > sequence);
        while self.unsynced.front().is_some_and(|first| first.sequence < sequence) {
            self.forget_first();
        }
    }

    /// Takes that what is not synced may be lost though it was written.
    pub fn sync_failed(&mut self) {
        self.open = None;
        self.left.clear();
        self.again = true;
    }

    /// Writes what is not synced once more, to a new segment that begins with the first of it.
    fn write_again(&mut self) -> io::Result<()> {
        let end = self.end;
        if let Some(first) = self.unsynced.front() {
            (self.end.sequence, self.end.crc) = (first.sequence, first.before);
        }
        let mut written = Vec::with_capacity(self.unsynced.len());
        let lost = std::mem::take(&mut self.unsynced);
        for Unsynced { payload, sequence, .. } in &lost {
            let before = self.end.crc;
            if let Err(error) = self.write(payload, *sequence, before) {
                // None of it counts; all of it is tried again, in yet another segment.
                self.end = End { segment: self.end.segment, ..end };
                (self.open, self.unsynced) = (None, lost);
                return Err(error);
            }
            written.push(before);
        }
        self.unsynced = lost;
        for (record, before) in self.unsynced.iter_mut().zip(written) {
            record.before = before;
        }
        self.again = false;
        Ok(())
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.unsynced.pop_front() {
            self.unsynced_bytes -= first.payload.bytes.len();
        }
    }

    fn write(&mut self, payload: &Payload, sequence: u64, before: u32) -> io::Result<()> {
        let open = match self.open.take() {
            Some(open) if open.bytes < SEGMENT_BYTES => open,
            full => {
                full.into_iter().for_each(|full| self.leave(full));
                self.begin_segment(sequence, before, payload.monotonic_nanos)?
            }
        };
        let Payload { kind, monotonic_nanos, ref bytes } = *payload;
        let record = Record { kind, flags: DEFLATED, sequence, monotonic_nanos, payload: bytes };
        let (bytes, crc) = record.encode(open.seed);
        if let Err(error) = write_all(&*open.segment, &bytes) {
            // A segment that cannot be mended is left: what it holds behind its end is passed over.
            match open.segment.truncate(open.bytes) {
                Ok(()) => self.open = Some(open),
                Err(_) => self.leave(open),
            }
            return Err(error);
        }
        self.open =
            Some(Open { bytes: open.bytes + bytes.len() as u64, seed: crc, segment: open.segment });
        (self.end.sequence, self.end.crc) = (sequence + 1, crc);
        Ok(())
    }

    /// Writes to `open` no more; what it holds is still to be synced.
    fn leave(&mut self, open: Open) {
        self.left.push((open.segment, self.end.sequence));
    }

    fn begin_segment(&mut self, first: u64, before: u32, monotonic_nanos: u64) -> io::Result<Open> {
        // A number is used once, also where the header could not be written.
        self.end.segment += 1;
        let segment = self.disk.create(self.end.segment)?;
        let header = Header {
            number: self.end.segment,
            run: self.run,
            first,
            wall_nanos: (self.wall_nanos)(),
            monotonic_nanos,
            before,
        };
        let bytes = header.encode();
        if let Err(error) = write_all(&*segment, &bytes) {
            self.disk.remove(self.end.segment);
            return Err(error);
        }
        Ok(Open {
            segment,
            bytes: bytes.len() as u64,
            seed: super::segment::seed(&bytes, bytes.len()),
        })
    }
}

fn write_all(segment: &dyn Segment, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match segment.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
