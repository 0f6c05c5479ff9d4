//! The bytes of a segment: a header, then records, each sealed by a checksum that is seeded with the
//! one before it, so that order and omission show.
//!
//! ```text
//! header  magic 8 | version u32 | number u32 | run 16 | first u64 | wall u64 | monotonic u64 | before u32 | crc u32
//! record  length u32 | kind u8 | flags u8 | sequence u64 | monotonic u64 | payload | crc u32
//! ```
//!
//! Little-endian, nanoseconds. The four bytes before a record seed it: the header's checksum, which
//! holds the random number of the run, or that of the record before. So a record can be believed by
//! itself, wherever in a file it is found, and none of another run or place is taken for it.

use super::JournalError;

/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of a record without its payload.
pub const RECORD_BYTES: usize = HEAD_BYTES + 4;
/// The longest payload.
pub const PAYLOAD_BYTES_MAX: usize = 80 << 20;
/// The payload is deflated.
pub const DEFLATED: u8 = 1;

const HEAD_BYTES: usize = 22;
const MAGIC: [u8; 8] = *b"sclients";
const VERSION: u32 = 1;

/// What stands at the begin of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its number, from 1.
    pub number: u32,
    /// The random number of the run.
    pub run: [u8; 16],
    /// The sequence number of its first record.
    pub first: u64,
    /// When it was begun, by the wall clock, from the Unix epoch.
    pub wall_nanos: u64,
    /// And by the monotonic clock of that boot.
    pub monotonic_nanos: u64,
    /// The checksum of the last record before it, 0 where there is none.
    pub before: u32,
}

/// A record, its payload where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The kind of entry.
    pub kind: u8,
    /// How the payload is to be read.
    pub flags: u8,
    /// Its number in the run, from 0.
    pub sequence: u64,
    /// When it was written, by the monotonic clock.
    pub monotonic_nanos: u64,
    /// The entry.
    pub payload: &'a [u8],
}

/// What stands at a place in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record, and its length with all that belongs to it.
    Record(Record<'a>, usize),
    /// Nothing more.
    End,
    /// What is no record.
    Broken,
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.run);
        for nanos in [self.first, self.wall_nanos, self.monotonic_nanos] {
            bytes.extend_from_slice(&nanos.to_le_bytes());
        }
        bytes.extend_from_slice(&self.before.to_le_bytes());
        bytes.extend_from_slice(&crc(0, &bytes).to_le_bytes());
        bytes.try_into().expect("the fields make a header")
    }

    /// The header of `bytes`.
    ///
    /// # Errors
    /// It is none, damaged, or of a version that this program does not read.
    pub fn decode(bytes: &[u8]) -> Result<Self, JournalError> {
        let header = bytes.get(..HEADER_BYTES).ok_or(JournalError::NoHeader)?;
        if header[..8] != MAGIC {
            return Err(JournalError::NoHeader);
        }
        let version = word(header, 8);
        if version != VERSION {
            return Err(JournalError::Version(version));
        }
        if crc(0, &header[..HEADER_BYTES - 4]) != word(header, HEADER_BYTES - 4) {
            return Err(JournalError::NoHeader);
        }
        Ok(Self {
            number: word(header, 12),
            run: header[16..32].try_into().expect("sixteen bytes"),
            first: long(header, 32),
            wall_nanos: long(header, 40),
            monotonic_nanos: long(header, 48),
            before: word(header, 56),
        })
    }
}

impl Record<'_> {
    /// Its bytes behind four that end with `seed`, and its checksum.
    pub fn encode(&self, seed: u32) -> (Vec<u8>, u32) {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(RECORD_BYTES + self.payload.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&[self.kind, self.flags]);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.monotonic_nanos.to_le_bytes());
        bytes.extend_from_slice(self.payload);
        let crc = crc(seed, &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        (bytes, crc)
    }
}

/// The checksum of the last thing before `at`, by which a record there is seeded.
pub fn seed(segment: &[u8], at: usize) -> u32 {
    word(segment, at - 4)
}

/// What stands in `segment` at `at`, which is behind the header.
pub fn at(segment: &[u8], at: usize) -> Found<'_> {
    let rest = &segment[at..];
    // Room that was never written reads as zeros.
    if rest.iter().take(HEAD_BYTES).all(|byte| *byte == 0) {
        return if rest.iter().all(|byte| *byte == 0) { Found::End } else { Found::Broken };
    }
    let Some(length) = length(rest) else { return Found::Broken };
    let end = HEAD_BYTES + length;
    if crc(seed(segment, at), &rest[..end]) != word(rest, end) {
        return Found::Broken;
    }
    let record = Record {
        kind: rest[4],
        flags: rest[5],
        sequence: long(rest, 6),
        monotonic_nanos: long(rest, 14),
        payload: &rest[HEAD_BYTES..end],
    };
    Found::Record(record, end + 4)
}

/// The next place from `from` on where a record with a number in `numbers` stands.
pub fn next(segment: &[u8], from: usize, numbers: std::ops::Range<u64>) -> Option<usize> {
    let last = segment.len().checked_sub(RECORD_BYTES)?;
    (from..=last).find(|place| {
        // Its number is looked at first: a checksum at every place would take time squared.
        numbers.contains(&long(segment, place + 6))
            && matches!(at(segment, *place), Found::Record(..))
    })
}

/// The length of the payload, if all of the record is there.
fn length(rest: &[u8]) -> Option<usize> {
    let length = word(rest.get(..4)?, 0) as usize;
    let room = rest.len().checked_sub(RECORD_BYTES)?;
    (length <= room.min(PAYLOAD_BYTES_MAX)).then_some(length)
}

fn crc(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
