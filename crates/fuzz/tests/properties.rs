//! Every target on the committed corpus, and on what a seeded mutator makes of it.
//!
//! `FUZZ_CASES` sets the number of cases of each target; `FUZZ_SEED` another seed. A failure prints what replays it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use fuzz::{TARGETS, Target};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Cases of a target where `FUZZ_CASES` does not say otherwise: a few seconds.
const CASES: u64 = 20_000;
/// As long as in `scripts/fuzz` would only be slow.
const BYTES_MAX: usize = 1024;
/// Mutations of one case.
const MUTATIONS_MAX: usize = 5;
/// What hostile and honest servers are made of.
const WORDS: [&str; 20] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 ",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "A: b\r\n",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    ";x=\"y\\\"",
    "ffffffffffffffff",
    "\0\0\0\0",
    "\u{7f}",
    ":",
    " ",
];

/// A folder's files, in the order of their names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

/// Runs one case; where it breaks a law, says what replays it.
fn case(entry: fn(&[u8]), data: &[u8], told: impl FnOnce() -> String) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| entry(data))) {
        eprintln!("{}: b\"{}\"", told(), data.escape_ascii());
        resume_unwind(panic);
    }
}

/// The mutator: as libFuzzer's, blind.
struct Mutator {
    random: Xoshiro256PlusPlus,
    seeds: Vec<Vec<u8>>,
}

impl Mutator {
    fn below(&mut self, bound: usize) -> usize {
        (self.random.next_u64() % bound.max(1) as u64) as usize
    }

    /// Another case: a seed, changed a few times.
    fn next(&mut self) -> Vec<u8> {
        let seed = self.below(self.seeds.len());
        let mut data = self.seeds[seed].clone();
        for _ in 0..=self.below(MUTATIONS_MAX) {
            self.mutate(&mut data);
        }
        data.truncate(BYTES_MAX);
        data
    }

    fn mutate(&mut self, data: &mut Vec<u8>) {
        let at = self.below(data.len() + 1);
        let len = self.below(data.len() - at + 1).min(self.below(64));
        match self.below(8) {
            0 if at < data.len() => data[at] ^= 1 << self.below(8),
            1 if at < data.len() => data[at] = self.random.next_u64() as u8,
            2 => data.insert(at, self.random.next_u64() as u8),
            3 => drop(data.drain(at..at + len)),
            4 => {
                let other = self.below(self.seeds.len());
                let from = self.below(self.seeds[other].len() + 1);
                data.truncate(at);
                data.extend_from_slice(&self.seeds[other][from..]);
            }
            5 => data.truncate(at),
            6 => {
                let again = data[at..at + len].to_vec();
                data.splice(at..at, again);
            }
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                data.splice(at..at, word.bytes());
            }
        }
    }
}

fn mutated((name, entry): Target) {
    let seed = setting("FUZZ_SEED", 1);
    let seeds = corpus(name).into_iter().map(|(_, data)| data).collect();
    let mut mutator = Mutator { random: Xoshiro256PlusPlus::seed_from_u64(seed), seeds };
    for number in 0..setting("FUZZ_CASES", CASES) {
        let data = mutator.next();
        case(entry, &data, || format!("{name}, seed {seed}, case {number}"));
    }
}

#[test]
fn the_corpus_keeps_the_laws() {
    for (name, entry) in TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "{name} has no corpus");
        for (path, data) in files {
            case(entry, &data, || path.display().to_string());
        }
    }
}

#[test]
fn mutated_answer_streams() {
    mutated(TARGETS[0]);
}

#[test]
fn mutated_answer_heads() {
    mutated(TARGETS[1]);
}

#[test]
fn mutated_chunked_bodies() {
    mutated(TARGETS[2]);
}

#[test]
fn mutated_wire_frames() {
    mutated(TARGETS[3]);
}

#[test]
fn mutated_histograms() {
    mutated(TARGETS[4]);
}
