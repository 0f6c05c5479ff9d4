//! The fold: intervals of all workers and targets, added up. There is no second way to make a
//! number: the live view is the fold so far, the summary the fold at the end.
//!
//! Associative: the order in which reports of different children arrive changes nothing.

use crate::levels::Levels;
use crate::plan::Roster;
use crate::recent::Recent;
use crate::sums::Sums;
use dispatch::Instant;
use stats::ledger::{self, Imbalance};
use stats::{
    Counter, Counters, Gaps, Gauges, Histogram, Interval, Latency, Pace, Phase, Samples,
    SessionCounts, Strains, Windows,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use wire::Final;

/// The distributions that are kept over time as well, by the interval in which requests ended. A stall is
/// seen where it is over, and not where those came that waited for it: by when they were due, workers would
/// have to keep a distribution for each interval that a request of theirs may still be of.
pub const OVER_TIME: [Latency; 2] = [Latency::FromDue, Latency::FromSend];

/// Interval ends that are remembered for late reports.
const PEAKS_KEPT: usize = 64;

/// Whose report it is. Counts are kept by slot and generation: a late word of a buried child never
/// changes another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A worker: slot, generation.
    Worker(u32, u32),
    /// A target process: slot, generation.
    Target(u32, u32),
}

/// What one child has reported so far.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Counted since its start.
    pub counters: Counters,
    /// State at its last report.
    pub gauges: Gauges,
    /// The last interval of its measurement.
    measured: u64,
    /// When its last report's interval ended.
    pub ended: Instant,
    /// The most live connections at the end of one.
    pub live_max: u64,
    /// How the requests came, at a target that told.
    pub arrivals: Option<Gaps>,
    /// Its last words.
    pub last_words: Option<Final>,
    /// How it fared in measurement.
    pub strains: Strains,
    /// What it measured, by kind; none until it has.
    pub own: Vec<Histogram>,
    /// It died, and reports no more.
    buried: bool,
}

/// Everything that was reported so far.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    parts: BTreeMap<Who, Part>,
    /// Of all workers.
    sums: Sums,
    /// Of each crew, where there are several.
    crews: Vec<Sums>,
    roster: Roster,
    levels: Levels,
    samples: Samples,
    live: BTreeMap<(u64, Phase), u64>,
    peak_live: u64,
    recent: Recent,
}

impl Fold {
    /// An empty fold of workers in these crews.
    pub fn of(roster: Roster) -> Self {
        let crews = if roster.count() > 1 { roster.count() } else { 0 };
        Self { crews: vec![Sums::default(); crews], roster, ..Self::default() }
    }

    /// What the workers of one crew reported, as a fold of its own: without samples, of which nobody knows
    /// whose they are, and without the targets.
    #[must_use]
    pub fn of_crew(&self, crew: usize) -> Self {
        let theirs = |who: &Who| matches!(who, Who::Worker(..)) && self.crew_of(*who) == crew;
        let parts = self.parts.iter().filter(|(who, _)| theirs(who));
        let parts: BTreeMap<Who, Part> = parts.map(|(who, part)| (*who, part.clone())).collect();
        // Generations of a slot were not there at one time.
        let mut most: BTreeMap<u32, u64> = BTreeMap::new();
        for (who, part) in &parts {
            let (Who::Worker(slot, _) | Who::Target(slot, _)) = who;
            let live = most.entry(*slot).or_default();
            *live = part.live_max.max(*live);
        }
        let live = most.values().sum();
        let sums = self.crews.get(crew).unwrap_or(&self.sums).clone();
        Self { parts, sums, peak_live: live, ..Self::default() }
    }

    fn crew_of(&self, who: Who) -> usize {
        match who {
            Who::Worker(slot, _) => self.roster.crew_of(slot),
            Who::Target(..) => 0,
        }
    }

    /// The sums to which belongs what `crew` did.
    fn sums_of(&mut self, crew: usize) -> impl Iterator<Item = &mut Sums> {
        std::iter::once(&mut self.sums).chain(self.crews.get_mut(crew))
    }

    /// Adds an interval of `who`, which ended at `ended`.
    ///
    /// # Errors
    /// The child's ledger does not balance; its counts are taken as they are.
    pub fn take(&mut self, who: Who, interval: &Interval, ended: Instant) -> Result<(), Imbalance> {
        self.recent.take(who, interval, ended);
        let (window, balance) = self.count(who, interval, ended);
        if let Who::Worker(..) = who {
            let crew = self.crew_of(who);
            self.recent.take_measured(crew, window, interval);
            self.measure(crew, window, &interval.histograms);
            self.measure_own(who, &interval.histograms);
            self.play(crew, &interval.sessions);
        }
        balance
    }

    /// Adds counters, gauges and strain; and the interval of measurement to which what was measured
    /// meanwhile belongs.
    fn count(
        &mut self,
        who: Who,
        interval: &Interval,
        ended: Instant,
    ) -> (u64, Result<(), Imbalance>) {
        let part = self.parts.entry(who).or_default();
        part.counters.merge(&interval.counters);
        part.gauges = interval.gauges;
        part.ended = ended;
        part.live_max = part.live_max.max(interval.gauges.live);
        if interval.phase == Phase::Measurement {
            part.strains.add(&interval.strain);
            part.measured = interval.index;
        }
        // What was due in measurement and answered in drain belongs to the end of measurement.
        let window = part.measured;
        let balance = ledger::check(&part.counters, &part.gauges);
        if let Who::Worker(..) = who {
            let crew = self.crew_of(who);
            self.sums_of(crew).for_each(|sums| sums.count(interval.phase, &interval.counters));
            if interval.phase == Phase::Measurement {
                let pace = Pace::of(interval);
                self.sums_of(crew).for_each(|sums| sums.paces.add(interval.index, &pace));
            }
            self.note_live(interval);
        }
        (window, balance)
    }

    /// Adds what the workers of `crew` measured, a histogram of each kind. What is kept over time, most of what
    /// a supervisor holds, is kept once: where there are crews, theirs is all of it.
    fn measure(&mut self, crew: usize, window: u64, histograms: &[Histogram]) {
        self.sums_of(crew).for_each(|sums| sums.measure(histograms));
        let over_time = self.crews.get_mut(crew).unwrap_or(&mut self.sums);
        over_time.measure_over_time(window, histograms);
    }

    /// Adds what the workers of `crew` counted of sessions.
    fn play(&mut self, crew: usize, sessions: &[SessionCounts]) {
        self.sums_of(crew).for_each(|sums| SessionCounts::merge_all(&mut sums.sessions, sessions));
    }

    /// Adds what one worker measured.
    fn measure_own(&mut self, who: Who, histograms: &[Histogram]) {
        let own = &mut self.parts.entry(who).or_default().own;
        own.resize_with(Latency::COUNT, Histogram::default);
        own.iter_mut().zip(histograms).for_each(|(mine, theirs)| mine.merge_sparse(theirs));
    }

    /// Notes that `who` died, and reports no more.
    pub fn bury(&mut self, who: Who) {
        if let Some(part) = self.parts.get_mut(&who) {
            part.buried = true;
        }
    }

    /// Takes out what each worker that died had measured: it grows no more, and many may die.
    pub fn take_own_of_buried(&mut self) -> Vec<(Who, Vec<Histogram>)> {
        let buried = self.parts.iter_mut().filter(|(_, part)| part.buried && !part.own.is_empty());
        buried.map(|(who, part)| (*who, std::mem::take(&mut part.own))).collect()
    }

    /// What each worker measured so far.
    pub fn own(&self) -> Vec<(Who, Vec<Histogram>)> {
        let of_workers = self.parts.iter().filter(|(_, part)| !part.own.is_empty());
        of_workers.map(|(who, part)| (*who, part.own.clone())).collect()
    }

    /// Takes what `who` measured so far, from a journal: what was cut has it of all workers together.
    pub fn set_own(&mut self, who: Who, histograms: Vec<Histogram>) {
        self.parts.entry(who).or_default().own = histograms;
    }

    /// What was taken since the last cut. Which samples are kept depends on how they are put together,
    /// so they are added here, as a journal's reader adds them.
    pub fn cut(&mut self) -> Recent {
        self.recent.peak_live = self.peak_live;
        let recent = std::mem::take(&mut self.recent);
        self.samples.merge(&recent.samples);
        recent
    }

    /// Adds what a cut gave: a fold of all cuts is the fold that they were cut from.
    pub fn replay(&mut self, cut: &Recent) {
        for (who, interval, ended) in &cut.intervals {
            // A ledger that does not balance was told when it came.
            let _ = self.count(*who, interval, *ended);
        }
        for (who, phase, lost) in &cut.lost {
            self.count_lost(*who, *phase, lost);
        }
        for ((crew, window), histograms) in &cut.distributions {
            self.measure(*crew, *window, histograms);
        }
        self.samples.merge(&cut.samples);
        self.levels.merge(&cut.levels);
        for (crew, sessions) in &cut.sessions {
            self.play(*crew, sessions);
        }
        for (who, arrivals) in &cut.arrivals {
            self.parts.entry(*who).or_default().arrivals = Some(*arrivals);
        }
        for (who, words) in &cut.last_words {
            self.parts.entry(*who).or_default().last_words = Some(*words);
        }
        self.peak_live = self.peak_live.max(cut.peak_live);
    }

    /// Adds what is known to be lost with `who`, which did not report it itself.
    pub fn take_lost(&mut self, who: Who, phase: Phase, lost: &Counters) {
        self.recent.lost.push((who, phase, lost.clone()));
        self.count_lost(who, phase, lost);
    }

    fn count_lost(&mut self, who: Who, phase: Phase, lost: &Counters) {
        self.parts.entry(who).or_default().counters.merge(lost);
        let crew = self.crew_of(who);
        self.sums_of(crew).for_each(|sums| sums.count(phase, lost));
    }

    /// Takes how the requests came at `who`, a target.
    pub fn take_arrivals(&mut self, who: Who, arrivals: Gaps) {
        self.recent.arrivals.push((who, arrivals));
        self.parts.entry(who).or_default().arrivals = Some(arrivals);
    }

    /// Takes levels that the supervisor read.
    pub fn take_levels(&mut self, levels: &Levels) {
        self.recent.levels.merge(levels);
        self.levels.merge(levels);
    }

    /// Takes a child's last words.
    pub fn take_last_words(&mut self, who: Who, words: Final) {
        self.recent.last_words.push((who, words));
        self.parts.entry(who).or_default().last_words = Some(words);
    }

    fn note_live(&mut self, interval: &Interval) {
        let live = self.live.entry((interval.index, interval.phase)).or_default();
        *live += interval.gauges.live;
        self.peak_live = self.peak_live.max(*live);
        while self.live.len() > PEAKS_KEPT {
            self.live.pop_first();
        }
    }

    /// What `who` has reported.
    pub fn part(&self, who: Who) -> Option<&Part> {
        self.parts.get(&who)
    }

    /// The parts of all generations of a worker's slot.
    pub fn slot(&self, slot: u32) -> impl Iterator<Item = &Part> {
        let generations = Who::Worker(slot, 0)..=Who::Worker(slot, u32::MAX);
        self.parts.range(generations).map(|(_, part)| part)
    }

    /// Puts the ends of all reports `nanos` later, or earlier: they were of another clock.
    pub fn shift(&mut self, nanos: i128) {
        for part in self.parts.values_mut() {
            part.ended = shifted(part.ended, nanos).unwrap_or_default();
        }
    }

    /// The workers' parts.
    pub fn workers(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|(who, _)| matches!(who, Who::Worker(..))).map(|(_, part)| part)
    }

    /// When the last report ended of the workers that did not say their last words, or not yet.
    pub fn unsaid_until(&self) -> Option<Instant> {
        self.workers().filter(|part| part.last_words.is_none()).map(|part| part.ended).max()
    }

    /// The targets' parts.
    pub fn targets(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|(who, _)| matches!(who, Who::Target(..))).map(|(_, part)| part)
    }

    /// How the requests came, by the slot of each target process that told.
    pub fn arrivals(&self) -> impl Iterator<Item = (u32, &Gaps)> {
        self.parts.iter().filter_map(|(who, part)| match who {
            Who::Target(slot, _) => Some((*slot, part.arrivals.as_ref()?)),
            Who::Worker(..) => None,
        })
    }

    /// Counters of all workers.
    pub fn counters(&self) -> Counters {
        sum(self.workers())
    }

    /// Counters of all targets.
    pub fn target_counters(&self) -> Counters {
        sum(self.targets())
    }

    /// State of all workers, each at its last report.
    pub fn gauges(&self) -> Gauges {
        let mut gauges = Gauges::default();
        self.workers().for_each(|part| gauges.add(&part.gauges));
        gauges
    }

    /// Counters of all workers in one phase.
    pub fn phase(&self, phase: Phase) -> &Counters {
        &self.sums.phases[phase as usize]
    }

    /// A distribution over all workers.
    pub fn histogram(&self, latency: Latency) -> &Histogram {
        &self.sums.histograms[latency as usize]
    }

    /// A latency of requests by the intervals in which they ended, or how late requests or attempts left.
    ///
    /// # Panics
    /// If `latency` is none of [`OVER_TIME`] and no lateness of ours.
    pub fn windows(&self, latency: Latency) -> Cow<'_, Windows> {
        let mut of_crews = self.crews.iter().map(|crew| crew.windows(latency));
        let Some(first) = of_crews.next() else {
            return Cow::Borrowed(self.sums.windows(latency));
        };
        let mut all = first.clone();
        of_crews.for_each(|more| all.merge(more));
        Cow::Owned(all)
    }

    /// What workers did in measurement, by interval.
    pub const fn paces(&self) -> &Windows<Pace> {
        &self.sums.paces
    }

    /// Levels that the supervisor read.
    pub const fn levels(&self) -> &Levels {
        &self.levels
    }

    /// What servers sent to all workers where it broke the protocol, up to the last cut.
    pub const fn samples(&self) -> &Samples {
        &self.samples
    }

    /// What was counted of each session by all workers; empty where none was played.
    pub fn sessions(&self) -> &[SessionCounts] {
        &self.sums.sessions
    }

    /// The largest sum of live connections over all workers at the end of one interval.
    pub const fn peak_live(&self) -> u64 {
        self.peak_live
    }

    /// Connections established so far.
    pub fn established(&self) -> u64 {
        self.workers().map(|part| part.counters.of(Counter::ConnectionsEstablished)).sum()
    }
}

/// `at`, so much later or earlier; none where no clock has that.
pub fn shifted(at: Instant, nanos: i128) -> Option<Instant> {
    u64::try_from(i128::from(at.as_nanos()) + nanos).ok().map(Instant::from_nanos)
}

fn sum<'a>(parts: impl Iterator<Item = &'a Part>) -> Counters {
    let mut counters = Counters::default();
    parts.for_each(|part| counters.merge(&part.counters));
    counters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Begins;
    use crate::levels::{What, Whose};
    use crate::plan::samples::{config, crews_on_ample_host};
    use proptest::prelude::*;
    use stats::Outcome;
    use std::time::Duration;

    fn interval(index: u64, live: u64, sent: u64) -> Interval {
        let mut interval = Interval::new(index, Phase::Measurement);
        interval.counters.count_many(Counter::RequestsDue, sent);
        interval.counters.count_many(Counter::RequestsSent, sent);
        interval.counters.count_many(Counter::RequestsCompleted, sent);
        interval.counters.count_many(Counter::ConnectionsAttempted, live);
        interval.counters.count_many(Counter::ConnectionsEstablished, live);
        interval.gauges.live = live;
        interval.histograms[Latency::FromDue as usize].record(1000 + sent);
        interval.samples.record(Outcome::HttpVersion, &[sent as u8]);
        interval.sessions = vec![SessionCounts { begun: sent, ..SessionCounts::default() }];
        interval
    }

    #[test]
    fn the_order_of_children_changes_nothing() {
        let reports = [(Who::Worker(0, 0), 3), (Who::Worker(1, 0), 5), (Who::Worker(1, 1), 7)];
        let fold = |order: &[usize]| {
            let mut fold = Fold::default();
            for index in order {
                let (who, sent) = reports[*index];
                fold.take(who, &interval(0, sent, sent), Instant::from_nanos(1)).unwrap();
            }
            fold.cut();
            (
                fold.counters(),
                fold.gauges(),
                fold.peak_live(),
                fold.histogram(Latency::FromDue).encode(),
                fold.samples().clone(),
            )
        };
        assert_eq!(fold(&[0, 1, 2]), fold(&[2, 0, 1]));
        assert_eq!(fold(&[0, 1, 2]).2, 15);
        assert_eq!(fold(&[0, 1, 2]).4.kept().count(), 3);
    }

    #[test]
    fn what_is_known_to_be_lost_is_counted_and_changes_no_state() {
        let (mut fold, who) = (Fold::default(), Who::Worker(0, 0));
        fold.take(who, &interval(0, 3, 9), Instant::from_nanos(7)).unwrap();
        let mut lost = Counters::default();
        lost.count_many(Counter::RequestsDue, 5);
        lost.not_sent[stats::NotSent::WorkerLost as usize] = 5;
        fold.take_lost(who, Phase::WarmUp, &lost);
        assert_eq!(fold.counters().of(Counter::RequestsDue), 14);
        assert_eq!(fold.phase(Phase::WarmUp).of(Counter::RequestsDue), 5);
        let part = fold.part(who).unwrap();
        assert_eq!((part.gauges.live, part.ended), (3, Instant::from_nanos(7)));
        assert_eq!(ledger::check(&part.counters, &part.gauges), Ok(()));
    }

    #[test]
    fn an_unbalanced_report_is_told() {
        let mut fold = Fold::default();
        let mut broken = interval(0, 1, 1);
        broken.gauges.in_flight = 9;
        let told = fold.take(Who::Worker(0, 0), &broken, Instant::from_nanos(1));
        assert!(told.is_err());
    }

    /// Of two crews: slots 0 and 1, and slot 2.
    fn crews() -> Fold {
        let phases = vec![
            ("a", config(2, 1), Begins::At(Duration::ZERO)),
            ("b", config(1, 1), Begins::At(Duration::ZERO)),
        ];
        Fold::of(crews_on_ample_host(phases).roster())
    }

    /// Latencies over time: first interval, width and bits of each window.
    fn over_time(fold: &Fold) -> Vec<Vec<(u64, u64, Vec<u8>)>> {
        let bits = |latency| {
            let windows = fold.windows(latency);
            let bits = windows.iter().map(|w| (w.first, w.width, w.value.encode()));
            bits.collect()
        };
        OVER_TIME.map(bits).into()
    }

    /// All that a report is made of.
    fn told(fold: &Fold) -> impl PartialEq + std::fmt::Debug + use<> {
        (
            (fold.counters(), fold.target_counters(), fold.gauges(), fold.peak_live()),
            Phase::ALL.iter().map(|phase| fold.phase(*phase).clone()).collect::<Vec<_>>(),
            fold.sums.histograms.iter().map(Histogram::encode).collect::<Vec<_>>(),
            over_time(fold),
            fold.samples().clone(),
            fold.workers().map(|part| part.strains).collect::<Vec<_>>(),
            fold.paces().iter().map(|w| (w.first, w.width, w.value)).collect::<Vec<_>>(),
            fold.levels().record(),
            fold.sessions().iter().map(|session| session.begun).collect::<Vec<_>>(),
        )
    }

    proptest! {
        #[test]
        fn a_fold_of_all_cuts_is_the_fold_that_they_were_cut_from(
            reports in prop::collection::vec((0..3_u32, 0..2_u32, 0..90_u64, 0..40_u64, 0..9_u8), 1..80),
        ) {
            let (mut live, mut again, mut one) = (crews(), crews(), Fold::default());
            for (slot, generation, index, sent, more) in reports {
                let who = if more == 0 { Who::Target(slot, 0) } else { Who::Worker(slot, generation) };
                let mut report = interval(index, sent, sent);
                report.phase = Phase::ALL[usize::from(more) % Phase::COUNT];
                report.strain.wall = index << 24;
                let _ = live.take(who, &report, Instant::from_nanos(index));
                let _ = one.take(who, &report, Instant::from_nanos(index));
                if more == 1 {
                    let mut lost = Counters::default();
                    lost.count_many(Counter::RequestsDue, sent);
                    lost.not_sent[0] = sent;
                    live.take_lost(who, Phase::Measurement, &lost);
                }
                if more == 2 {
                    let mut levels = Levels::default();
                    levels.read(index, (Whose::Target, What::Rss), sent);
                    live.take_levels(&levels);
                }
                if more > 5 {
                    again.replay(&live.cut());
                }
            }
            again.replay(&live.cut());
            prop_assert_eq!(told(&live), told(&again));
            prop_assert_eq!(over_time(&live), over_time(&one), "crews are all of it");
            for crew in 0..2 {
                prop_assert_eq!(told(&live.of_crew(crew)), told(&again.of_crew(crew)));
            }
            let sum = live.of_crew(0).counters().of(Counter::RequestsDue)
                + live.of_crew(1).counters().of(Counter::RequestsDue);
            prop_assert_eq!(sum, live.counters().of(Counter::RequestsDue));
        }
    }

    #[test]
    fn targets_are_kept_apart() {
        let mut fold = Fold::default();
        fold.take(Who::Target(0, 0), &interval(0, 4, 9), Instant::from_nanos(1)).unwrap();
        assert_eq!(fold.counters().of(Counter::RequestsSent), 0);
        assert_eq!(fold.target_counters().of(Counter::RequestsSent), 9);
        assert_eq!(fold.peak_live(), 0);
    }
}
