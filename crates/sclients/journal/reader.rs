//! Taking a journal apart: every record that can be believed, and where there is none.
//!
//! A tail that is no record, behind which none stands, is torn: the process died while it wrote. What is no
//! record but has one behind it is damage, and refused, unless it is to be salvaged; then it is told as
//! a hole. A record is never believed without its checksum.

use super::entry::inflated;
use super::folder::Folder;
use super::segment::{self, DEFLATED, Found, HEADER_BYTES, Header, Record};
use super::writer::End;
use super::{JournalError, PathBuf};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use wire::Entry;

/// A segment that is longer than the writer makes any, with its last record, is none of ours.
const SEGMENT_BYTES_MAX: u64 = 256 << 20;

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// The random number of the run.
    pub run: [u8; 16],
    /// Where it ends.
    pub end: End,
    /// The same instant by the wall clock, from the Unix epoch, and by the monotonic one, in nanoseconds:
    /// when the segment with the last report was begun.
    pub clocks: (u64, u64),
    /// The tail that was no record.
    pub torn: Option<Torn>,
    /// What was passed over.
    pub holes: Vec<Hole>,
}

/// A tail that is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub path: PathBuf,
    /// Where it begins.
    pub offset: usize,
    /// How many bytes it has.
    pub bytes: usize,
}

impl Torn {
    /// The name of its segment.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Records that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The segment.
    pub path: PathBuf,
    /// Where they begin.
    pub offset: usize,
    /// How many they are.
    pub records: u64,
    /// Why they cannot be read.
    pub why: String,
}

/// Reads the journal of `folder`, and gives each entry to `take` with its instant in nanoseconds. It
/// changes nothing.
///
/// # Errors
/// There is none, it is damaged and not to be salvaged, or the system refuses.
pub fn read(
    folder: &Folder,
    salvage: bool,
    take: impl FnMut(u64, Entry),
) -> Result<Read, JournalError> {
    let mut segments = Vec::new();
    for (number, path) in folder.segments()? {
        segments.push(Part::open(number, path)?);
    }
    let last = segments.last().map_or(0, |part| part.number);
    // Where the process died while it began a segment, or could not write its header, nothing is lost.
    segments.retain(|part| part.head.len() == HEADER_BYTES);
    let Some(run) = segments.iter().find_map(|part| part.header().ok()).map(|header| header.run)
    else {
        return Err(match segments.first().map(Part::header) {
            Some(Err(version @ JournalError::Version(_))) => version,
            Some(_) => JournalError::NoPlan(folder.name()),
            None => JournalError::NoRun(folder.name()),
        });
    };
    let read = Read { run, end: End::default(), clocks: (0, 0), torn: None, holes: Vec::new() };
    let mut reader = Reader { read, salvage, copies: Vec::new(), take };
    for (index, part) in segments.iter().enumerate() {
        let later = &segments[index + 1..];
        let again = later.iter().filter_map(|part| part.header().ok()).map(|header| header.first);
        reader.segment(part, again.min(), later.is_empty())?;
    }
    // Nor is the number of such a one free: what follows has the next.
    reader.read.end.segment = last;
    Ok(reader.read)
}

/// A segment that was found.
struct Part {
    number: u32,
    path: PathBuf,
    head: Vec<u8>,
}

impl Part {
    fn open(number: u32, path: PathBuf) -> Result<Self, JournalError> {
        let head = bytes(&path, HEADER_BYTES as u64)?;
        Ok(Self { number, path, head })
    }

    fn header(&self) -> Result<Header, JournalError> {
        Header::decode(&self.head)
    }

    fn corrupt(&self, offset: usize, why: impl Into<String>) -> JournalError {
        JournalError::Corrupt { path: self.path.clone(), offset, why: why.into() }
    }
}

fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, JournalError> {
    let refused = |error| JournalError::Use(path.display().to_string(), error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(refused)?;
    file.take(most).read_to_end(&mut bytes).map_err(refused)?;
    Ok(bytes)
}

struct Reader<T> {
    read: Read,
    salvage: bool,
    /// The checksums of the last record, of which there may be more than one copy.
    copies: Vec<u32>,
    take: T,
}

impl<T: FnMut(u64, Entry)> Reader<T> {
    /// Reads the segment of `part`. From record `again` on a later one has it once more, or some of it:
    /// what a failed sync may have lost is written twice, and what is read once is passed over.
    fn segment(&mut self, part: &Part, again: Option<u64>, last: bool) -> Result<(), JournalError> {
        if !self.begin(part, again)? {
            return Ok(());
        }
        let bytes = bytes(&part.path, SEGMENT_BYTES_MAX)?;
        let mut offset = HEADER_BYTES;
        loop {
            let due = self.read.end.sequence;
            match segment::at(&bytes, offset) {
                Found::Record(record, length) if record.sequence <= due => {
                    offset += length;
                    let crc = segment::seed(&bytes, offset);
                    if record.sequence == due {
                        self.record(part, offset - length, record)?;
                        (self.read.end.sequence, self.read.end.crc) = (due + 1, crc);
                        self.copies.clear();
                    }
                    if record.sequence + 1 == self.read.end.sequence {
                        self.copies.push(crc);
                    }
                }
                Found::End => return Ok(()),
                _ if again.is_some_and(|again| again <= due) => return Ok(()),
                _ => match self.behind(&bytes, offset) {
                    Some(place) => offset = self.pass_over(part, &bytes, offset, place)?,
                    None if last => {
                        let (path, bytes) = (part.path.clone(), bytes.len() - offset);
                        self.read.torn = Some(Torn { path, offset, bytes });
                        return Ok(());
                    }
                    // The next one says what is missing.
                    None => return Ok(()),
                },
            }
        }
    }

    /// Whether a segment is to be read: it belongs where it stands, or may.
    fn begin(&mut self, part: &Part, again: Option<u64>) -> Result<bool, JournalError> {
        let sequence = self.read.end.sequence;
        match part.header() {
            Ok(header) if header.run != self.read.run => {
                return self.miss(part, 0, sequence, "a segment of another run").map(|()| false);
            }
            // What is before it comes behind it, once more, and so does what is in it.
            Ok(header) if header.first > sequence && again.is_some_and(|a| a <= sequence) => {
                return Ok(false);
            }
            Ok(header) if header.first > sequence => {
                self.miss(part, 0, header.first, "what is before it is missing")?;
            }
            Ok(header) if header.first < sequence || sequence == 0 => {}
            Ok(header) if self.copies.contains(&header.before) => {}
            Ok(_) => self.miss(part, 0, sequence, "it does not follow what is before it")?,
            Err(error) => self.miss(part, 0, sequence, &error.to_string())?,
        }
        Ok(true)
    }

    /// The next record behind what is none.
    fn behind(&self, bytes: &[u8], offset: usize) -> Option<usize> {
        let first = self.read.end.sequence;
        // There cannot be more records than there is room for.
        let most = first + (bytes.len() / segment::RECORD_BYTES) as u64 + 1;
        segment::next(bytes, offset + 1, first..most)
    }

    fn pass_over(
        &mut self,
        part: &Part,
        bytes: &[u8],
        offset: usize,
        place: usize,
    ) -> Result<usize, JournalError> {
        let Found::Record(record, _) = segment::at(bytes, place) else {
            unreachable!("it was found there")
        };
        self.miss(part, offset, record.sequence, "what stands there is no record")?;
        Ok(place)
    }

    /// Goes on with record `sequence`, if what is before it may be missing.
    fn miss(
        &mut self,
        part: &Part,
        offset: usize,
        sequence: u64,
        why: &str,
    ) -> Result<(), JournalError> {
        if !self.salvage {
            return Err(part.corrupt(offset, why));
        }
        let records = sequence - self.read.end.sequence.min(sequence);
        let (path, why) = (part.path.clone(), why.to_owned());
        self.read.holes.push(Hole { path, offset, records, why });
        self.read.end.sequence = sequence;
        Ok(())
    }

    fn record(
        &mut self,
        part: &Part,
        offset: usize,
        record: Record<'_>,
    ) -> Result<(), JournalError> {
        let body = match record.flags {
            DEFLATED => inflated(record.payload).ok_or("what cannot be inflated"),
            _ => Err("flags that this version does not know"),
        };
        let entry = body.and_then(|body| {
            Entry::decode(record.kind, &body).map_err(|_| "what this version cannot read")
        });
        match entry {
            Ok(Some(entry)) => {
                // A supervisor that died before it reported had the run's clock stand still.
                let counts = matches!(entry, Entry::Reported(_)) || self.read.clocks == (0, 0);
                if let (true, Ok(header)) = (counts, part.header()) {
                    self.read.clocks = (header.wall_nanos, header.monotonic_nanos);
                }
                (self.take)(record.monotonic_nanos, entry);
            }
            // A kind of a later version.
            Ok(None) => {}
            Err(why) => self.miss(part, offset, record.sequence, why)?,
        }
        Ok(())
    }
}
