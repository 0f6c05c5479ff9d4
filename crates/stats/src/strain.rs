//! What kept a worker from being on time: how long it ran, waited for a processor, and stood still.
//!
//! [`Strain`] is of one interval. [`Strains`] keeps of a whole run the sums and the worst second of
//! each signal, in bounded memory: intervals are put together until they make a second.

use crate::outcome::named;

/// Windows that are judged are at least so long: the last tenth of a second may go to the next.
const SECOND_NANOS: u64 = 900_000_000;

/// What went on in one interval of one worker; all are nanoseconds but the switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strain {
    /// Length of the interval.
    pub wall: u64,
    /// Processor time, user and system.
    pub cpu: u64,
    /// Ready to run, and waiting for a processor.
    pub wait: u64,
    /// Context switches that it did not ask for.
    pub switches: u64,
    /// The longest turn of its loop, from the end of a wait.
    pub turn_max: u64,
    /// The longest time by which it woke later than its timer was set to, or turned to its timer.
    pub gap_max: u64,
    /// The longest time without any answer while the loop ran and requests were in flight.
    pub silence_max: u64,
}

impl Strain {
    /// How many numbers it is.
    pub const FIELDS: usize = 7;

    /// The numbers, in the order of the fields.
    pub const fn to_array(self) -> [u64; Self::FIELDS] {
        let Self { wall, cpu, wait, switches, turn_max, gap_max, silence_max } = self;
        [wall, cpu, wait, switches, turn_max, gap_max, silence_max]
    }

    /// Of the numbers, in the order of the fields.
    pub const fn from_array(fields: [u64; Self::FIELDS]) -> Self {
        let [wall, cpu, wait, switches, turn_max, gap_max, silence_max] = fields;
        Self { wall, cpu, wait, switches, turn_max, gap_max, silence_max }
    }

    /// Takes in an interval that follows.
    pub fn extend(&mut self, later: &Self) {
        self.wall = self.wall.saturating_add(later.wall);
        self.cpu = self.cpu.saturating_add(later.cpu);
        self.wait = self.wait.saturating_add(later.wait);
        self.switches = self.switches.saturating_add(later.switches);
        self.turn_max = self.turn_max.max(later.turn_max);
        self.gap_max = self.gap_max.max(later.gap_max);
        self.silence_max = self.silence_max.max(later.silence_max);
    }

    /// The longest that the loop stood still, in nanoseconds.
    pub fn stop(&self) -> u64 {
        self.turn_max.max(self.gap_max)
    }

    /// What `signal` says of the interval: a share of its length, switches per second, or seconds.
    pub fn of(&self, signal: Signal) -> f64 {
        let wall = self.wall.max(1) as f64;
        match signal {
            // The kernel adds a wait when it is over: a little of it may be of the interval before.
            Signal::RunQueue => (self.wait as f64 / wall).min(1.0),
            Signal::Cpu => self.cpu as f64 / wall,
            Signal::Switches => self.switches as f64 / (wall / 1e9),
            Signal::Stop => self.stop() as f64 / 1e9,
            Signal::Silence => self.silence_max as f64 / 1e9,
        }
    }
}

named! {
    /// What a worker is judged by.
    Signal {
        /// Share of the time in which it waited for a processor.
        RunQueue = "runqueue_share",
        /// Share of a processor that it used.
        Cpu = "cpu_share",
        /// Involuntary context switches per second.
        Switches = "involuntary_switches_per_s",
        /// The longest that its loop stood still, in seconds.
        Stop = "longest_stop",
        /// The longest silence of the target, in seconds.
        Silence = "longest_silence",
    }
}

/// The worst of a signal, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worst {
    /// The signal's value.
    pub value: f64,
    /// The second in which it was, from 1.
    pub second: u64,
}

/// All intervals of one worker: the sums, and the worst second of each signal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strains {
    total: Strain,
    /// Intervals that make no second yet.
    open: Strain,
    worst: [Worst; Signal::COUNT],
    /// A whole second was seen.
    whole: bool,
}

impl Strains {
    /// Takes in the interval that follows.
    pub fn add(&mut self, strain: &Strain) {
        self.total.extend(strain);
        self.open.extend(strain);
        if self.open.wall >= SECOND_NANOS {
            self.worst = self.worst_with_open();
            self.open = Strain::default();
            self.whole = true;
        }
    }

    /// The sums.
    pub const fn total(&self) -> &Strain {
        &self.total
    }

    /// The worst second of `signal`. Where shares are of less than a second they say little, and
    /// count only if there was no whole one; lengths always count.
    pub fn worst(&self, signal: Signal) -> Worst {
        let length = matches!(signal, Signal::Stop | Signal::Silence);
        let all = if length || !self.whole { self.worst_with_open() } else { self.worst };
        all[signal as usize]
    }

    fn worst_with_open(&self) -> [Worst; Signal::COUNT] {
        let second = self.total.wall.saturating_sub(self.open.wall / 2) / 1_000_000_000 + 1;
        let mut worst = self.worst;
        for (worst, signal) in worst.iter_mut().zip(Signal::ALL) {
            let value = self.open.of(*signal);
            if value > worst.value {
                *worst = Worst { value, second };
            }
        }
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000_000;

    fn strain(wall: u64, wait: u64, gap_max: u64) -> Strain {
        let [wall, wait, gap_max] = [wall, wait, gap_max].map(|millis| millis * MILLI);
        Strain { wall, wait, gap_max, ..Strain::default() }
    }

    fn strains(parts: &[(u64, u64, u64)]) -> Strains {
        let mut strains = Strains::default();
        parts.iter().for_each(|(wall, wait, gap)| strains.add(&strain(*wall, *wait, *gap)));
        strains
    }

    #[test]
    fn the_worst_second_is_kept_and_named() {
        let strains = strains(&[(1000, 10, 3), (1000, 310, 2), (1000, 20, 70)]);
        assert_eq!(strains.worst(Signal::RunQueue), Worst { value: 0.31, second: 2 });
        assert_eq!(strains.worst(Signal::Stop), Worst { value: 0.07, second: 3 });
        assert_eq!(strains.total().wait, 340 * MILLI);
    }

    #[test]
    fn pieces_are_judged_by_the_second() {
        let tenths = [(100, 90, 0), (100, 0, 0)].repeat(5);
        assert_eq!(strains(&tenths).worst(Signal::RunQueue).value, 450.0 / 900.0);
        assert_eq!(strains(&[(1000, 10, 0), (10, 9, 600)]).worst(Signal::RunQueue).value, 0.01);
        assert_eq!(strains(&[(1000, 10, 0), (10, 9, 600)]).worst(Signal::Stop).value, 0.6);
    }

    #[test]
    fn a_run_of_less_than_a_second_is_judged_as_a_whole() {
        assert_eq!(strains(&[(100, 10, 0), (300, 90, 0)]).worst(Signal::RunQueue).value, 0.25);
    }

    #[test]
    fn numbers_that_cannot_be_do_no_harm() {
        let absurd = Strain::from_array([u64::MAX; Strain::FIELDS]);
        let mut strains = Strains::default();
        strains.add(&absurd);
        strains.add(&absurd);
        strains.add(&Strain::default());
        assert_eq!(Strain::from_array(absurd.to_array()), absurd);
        assert!(Signal::ALL.iter().all(|signal| strains.worst(*signal).value.is_finite()));
    }

    #[test]
    fn following_intervals_add_up_and_keep_the_longest() {
        let mut first = strain(1000, 10, 5);
        first.extend(&strain(500, 20, 3));
        assert_eq!(first, strain(1500, 30, 5));
    }
}
