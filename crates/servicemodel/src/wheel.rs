//! A hashed timing wheel: deadlines that are nearly always moved before they pass.
//!
//! Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987), scheme 6. An entry is the
//! number of a slot of the context's table, so there is at most one per connection and arming is
//! O(1) without allocation. The owner moves its deadline without telling the wheel; when the entry
//! fires too early for it, it arms again.

use dispatch::Instant;
use std::time::Duration;

/// Nanoseconds per tick; an entry fires at the first tick at or after its deadline.
const TICK_NANOS: u64 = 1_000_000;
/// Ticks per round (8.2 s); an entry further ahead is passed over once per round.
const TICKS: usize = 8192;
/// Words of 64 ticks, a bit each; there is a bit for each word too, so that looking ahead is O(1).
const WORDS: usize = TICKS / 64;
const _: () = assert!(WORDS == u128::BITS as usize);
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    next: u32,
    previous: u32,
    /// Ticks since the wheel was made, at most 49 days; 0 when the entry is not armed.
    tick: u32,
}

const UNARMED: Entry = Entry { next: NONE, previous: NONE, tick: 0 };

/// The wheel. Memory: 12 bytes per entry ever used.
#[derive(Debug)]
pub struct Wheel {
    heads: Box<[u32]>,
    occupied: Box<[u64; WORDS]>,
    /// Which words have an occupied tick.
    words: u128,
    entries: Vec<Entry>,
    /// Where tick 0 is.
    origin: Instant,
    /// The last tick that was fired.
    current: u32,
}

impl Wheel {
    /// An empty wheel that stands at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            heads: vec![NONE; TICKS].into(),
            occupied: Box::new([0; WORDS]),
            words: 0,
            entries: Vec::new(),
            origin: now,
            current: 0,
        }
    }

    /// The first tick that is not before `instant`.
    fn tick_at(&self, instant: Instant) -> u32 {
        let ticks = instant.nanos_since(self.origin).div_ceil(TICK_NANOS);
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    fn instant_of(&self, tick: u32) -> Instant {
        self.origin + Duration::from_nanos(u64::from(tick) * TICK_NANOS)
    }

    /// Makes room for entries 0 to `entries` - 1.
    pub fn reserve(&mut self, entries: usize) {
        self.entries.reserve_exact(entries.saturating_sub(self.entries.len()));
    }

    /// Arms `entry` for `deadline`, unless it is armed for that or earlier already. Returns the
    /// instant that it is armed for.
    pub fn arm(&mut self, entry: usize, deadline: Instant) -> Instant {
        if entry >= self.entries.len() {
            self.entries.resize(entry + 1, UNARMED);
        }
        let tick = self.tick_at(deadline).max(self.current.saturating_add(1));
        let armed = self.entries[entry].tick;
        if armed != 0 && armed <= tick {
            return self.instant_of(armed);
        }
        if armed != 0 {
            self.unlink(entry);
        }
        self.link(entry, tick);
        self.instant_of(tick)
    }

    /// When the next entry may fire; it may turn out to be a round or more further ahead.
    pub fn next(&self) -> Instant {
        let from = slot(self.current + 1);
        let ahead = self.distance_to_occupied(from);
        ahead.map_or(Instant::FAR_FUTURE, |ahead| {
            self.instant_of(self.current.saturating_add(1 + ahead as u32))
        })
    }

    /// Moves to `now` and puts the entries that fired into `fired`; they are unarmed.
    pub fn advance(&mut self, now: Instant, fired: &mut Vec<u32>) {
        let passed = now.nanos_since(self.origin) / TICK_NANOS;
        let target = u32::try_from(passed).unwrap_or(u32::MAX);
        while self.current < target {
            let Some(ahead) = self.distance_to_occupied(slot(self.current + 1)) else {
                self.current = target;
                return;
            };
            let next = self.current.saturating_add(1 + ahead as u32);
            self.current = next.min(target);
            if next <= target {
                self.fire(slot(next), target, fired);
            }
        }
    }

    fn fire(&mut self, slot: usize, target: u32, fired: &mut Vec<u32>) {
        let mut entry = self.heads[slot];
        while entry != NONE {
            let Entry { next, tick, .. } = self.entries[entry as usize];
            if tick <= target {
                self.unlink(entry as usize);
                fired.push(entry);
            }
            entry = next;
        }
    }

    fn link(&mut self, entry: usize, tick: u32) {
        let slot = slot(tick);
        let head = self.heads[slot];
        self.entries[entry] = Entry { next: head, previous: NONE, tick };
        if head != NONE {
            self.entries[head as usize].previous = entry as u32;
        }
        self.heads[slot] = entry as u32;
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.words |= 1 << (slot / 64);
    }

    fn unlink(&mut self, entry: usize) {
        let Entry { next, previous, tick } = std::mem::replace(&mut self.entries[entry], UNARMED);
        let slot = slot(tick);
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if previous == NONE {
            self.heads[slot] = next;
        } else {
            self.entries[previous as usize].next = next;
        }
        if self.heads[slot] == NONE {
            let word = &mut self.occupied[slot / 64];
            *word &= !(1 << (slot % 64));
            self.words &= !(u128::from(*word == 0) << (slot / 64));
        }
    }

    /// Ticks from slot `from` to the first occupied one, going round once.
    fn distance_to_occupied(&self, from: usize) -> Option<usize> {
        let word = from / 64;
        let first = self.occupied[word] & (u64::MAX << (from % 64));
        if first != 0 {
            return Some(word * 64 + first.trailing_zeros() as usize - from);
        }
        // The next word first, this one last.
        let words = self.words.rotate_right(word as u32 + 1);
        (words != 0).then(|| {
            let index = (word + 1 + words.trailing_zeros() as usize) % WORDS;
            let slot = index * 64 + self.occupied[index].trailing_zeros() as usize;
            (slot + TICKS - from) % TICKS
        })
    }
}

const fn slot(tick: u32) -> usize {
    tick as usize % TICKS
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Instant {
        Instant::from_nanos(ms * TICK_NANOS)
    }

    fn fired(wheel: &mut Wheel, now: Instant) -> Vec<u32> {
        let mut fired = Vec::new();
        wheel.advance(now, &mut fired);
        fired.sort_unstable();
        fired
    }

    #[test]
    fn an_entry_fires_at_its_tick_and_once() {
        let mut wheel = Wheel::new(ms(1000));
        wheel.arm(3, ms(1005));
        assert_eq!(wheel.next(), ms(1005));
        assert_eq!(fired(&mut wheel, ms(1004)), []);
        assert_eq!(fired(&mut wheel, ms(1005)), [3]);
        assert_eq!(fired(&mut wheel, ms(99_000)), []);
        assert_eq!(wheel.next(), Instant::FAR_FUTURE);
    }

    #[test]
    fn arming_later_keeps_the_earlier_and_arming_earlier_moves_it() {
        let mut wheel = Wheel::new(ms(0));
        assert_eq!(wheel.arm(0, ms(50)), ms(50));
        assert_eq!(wheel.arm(0, ms(90)), ms(50));
        assert_eq!(wheel.arm(0, ms(20)), ms(20));
        assert_eq!(fired(&mut wheel, ms(30)), [0]);
        assert_eq!(fired(&mut wheel, ms(100)), []);
    }

    #[test]
    fn an_entry_rounds_ahead_is_passed_over_until_its_round() {
        let mut wheel = Wheel::new(ms(0));
        let far = ms(3 * TICKS as u64 + 7);
        wheel.arm(0, far);
        assert_eq!(fired(&mut wheel, ms(2 * TICKS as u64 + 100)), []);
        assert_eq!(fired(&mut wheel, far), [0]);
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_the_next_tick() {
        let mut wheel = Wheel::new(ms(500));
        wheel.arm(1, ms(3));
        assert_eq!(fired(&mut wheel, ms(501)), [1]);
    }

    #[test]
    fn a_long_absence_fires_everything_that_passed() {
        let mut wheel = Wheel::new(ms(0));
        for entry in 0..1000 {
            wheel.arm(entry, ms(1 + entry as u64 * 37));
        }
        let all = fired(&mut wheel, ms(40_000));
        assert_eq!(all, (0..1000).collect::<Vec<u32>>());
    }

    #[test]
    fn entries_of_one_tick_can_be_moved_from_the_middle() {
        let mut wheel = Wheel::new(ms(0));
        for entry in 0..3 {
            wheel.arm(entry, ms(100));
        }
        wheel.arm(1, ms(10));
        assert_eq!(fired(&mut wheel, ms(10)), [1]);
        assert_eq!(fired(&mut wheel, ms(100)), [0, 2]);
    }

    #[test]
    fn it_agrees_with_a_sorted_list_on_seeded_traffic() {
        let mut wheel = Wheel::new(ms(0));
        let mut deadlines = [u64::MAX; 64];
        let (mut seed, mut now) = (7_u64, 0);
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let entry = (seed >> 33) as usize % 64;
            let deadline = now + 1 + (seed >> 40) % 20_000;
            wheel.arm(entry, ms(deadline));
            deadlines[entry] = deadlines[entry].min(deadline);
            now += (seed >> 20) % 50;
            for entry in fired(&mut wheel, ms(now)) {
                let due = std::mem::replace(&mut deadlines[entry as usize], u64::MAX);
                assert!(due <= now, "entry {entry} fired {} ms early", due - now);
            }
            assert!(deadlines.iter().all(|due| *due > now), "an entry is late at {now}");
        }
    }
}
