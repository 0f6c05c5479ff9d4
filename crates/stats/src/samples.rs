//! Samples of what servers sent: distinct strings by failure class, with counts.
//!
//! Bounded however many strings a server invents, and no count is lost by that: a class's total is
//! the sum over its samples and its others. First come, first kept while one worker records; where
//! samples are merged and there are too many, what is rare goes first, and never from a class that
//! has fewer than another. So neither the frequent nor a quiet class is hidden by an inventive one.

use crate::outcome::Outcome;
use crate::untrusted::Untrusted;
use std::collections::BTreeMap;

/// Distinct strings over all classes; what is beyond is counted among the others.
pub const SAMPLES_MAX: usize = 256;

/// Distinct strings of one class that [`Samples::record`] keeps.
const RECORDED_PER_CLASS_MAX: usize = 8;

/// Distinct strings of one class that a report tells.
const TOLD_MAX: usize = 3;

/// Distinct strings by class, with counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    kept: BTreeMap<(Outcome, Untrusted), u64>,
    others: BTreeMap<Outcome, u64>,
}

/// What a report tells of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// The class.
    pub outcome: Outcome,
    /// The most frequent samples, three at most, by count descending.
    pub most: Vec<(&'a Untrusted, u64)>,
    /// How often others came.
    pub others: u64,
    /// Among the others, how many are known to differ.
    pub others_distinct: u64,
    /// Whether there may have been more of those: not all strings were kept.
    pub capped: bool,
}

impl Samples {
    /// Counts `sent` once in its class. Allocates only where it is new.
    pub fn record(&mut self, outcome: Outcome, sent: &[u8]) {
        let sample = Untrusted::new(sent);
        let known = self.kept.contains_key(&(outcome, sample));
        if known || self.of(outcome).count() < RECORDED_PER_CLASS_MAX {
            self.add(outcome, sample, 1);
        } else {
            self.add_others(outcome, 1);
        }
    }

    /// Adds `count` times `sample`.
    pub fn add(&mut self, outcome: Outcome, sample: Untrusted, count: u64) {
        *self.kept.entry((outcome, sample)).or_default() += count;
        self.make_room();
    }

    /// Adds `count` strings of which only the class is known.
    pub fn add_others(&mut self, outcome: Outcome, count: u64) {
        *self.others.entry(outcome).or_default() += count;
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (sample, count) in &other.kept {
            *self.kept.entry(*sample).or_default() += count;
        }
        other.others().for_each(|(outcome, count)| self.add_others(outcome, count));
        self.make_room();
    }

    /// All that is kept, by class.
    pub fn kept(&self) -> impl Iterator<Item = (Outcome, &Untrusted, u64)> {
        self.kept.iter().map(|((outcome, sample), count)| (*outcome, sample, *count))
    }

    /// By class, how often something came that is not kept.
    pub fn others(&self) -> impl Iterator<Item = (Outcome, u64)> {
        self.others.iter().map(|(outcome, count)| (*outcome, *count))
    }

    /// What a report tells, in the order of the classes.
    pub fn told(&self) -> impl Iterator<Item = Told<'_>> {
        Outcome::ALL.iter().filter_map(|outcome| self.told_of(*outcome))
    }

    fn told_of(&self, outcome: Outcome) -> Option<Told<'_>> {
        let mut most: Vec<_> = self.of(outcome).collect();
        let unkept = self.others.get(&outcome).copied();
        most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let beyond = most.split_off(most.len().min(TOLD_MAX));
        let others = unkept.unwrap_or(0) + beyond.iter().map(|(_, count)| count).sum::<u64>();
        let others_distinct = beyond.len() as u64;
        let occurred = !most.is_empty() || others > 0;
        let capped = unkept.is_some();
        occurred.then_some(Told { outcome, most, others, others_distinct, capped })
    }

    fn of(&self, outcome: Outcome) -> impl Iterator<Item = (&Untrusted, u64)> {
        let first = (outcome, Untrusted::new(&[]));
        let of_class =
            self.kept.range(first..).take_while(move |((class, _), _)| *class == outcome);
        of_class.map(|((_, sample), count)| (sample, *count))
    }

    /// Gives the rarest of the fullest class to the others while there are too many.
    fn make_room(&mut self) {
        while self.kept.len() > SAMPLES_MAX {
            let fullest = self.fullest();
            let rarest = self.of(fullest).min_by_key(|(_, count)| *count);
            let (sample, count) = rarest.expect("the fullest class is not empty");
            let sample = *sample;
            self.kept.remove(&(fullest, sample));
            self.add_others(fullest, count);
        }
    }

    fn fullest(&self) -> Outcome {
        let mut distinct = [0_usize; Outcome::COUNT];
        self.kept.keys().for_each(|(outcome, _)| distinct[*outcome as usize] += 1);
        let classes = Outcome::ALL.iter().copied();
        classes.max_by_key(|outcome| distinct[*outcome as usize]).expect("there are classes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Outcome = Outcome::HttpVersion;
    const B: Outcome = Outcome::Unsolicited;

    /// Each string once, numbered from `first`, as an inventive server sends them to many workers.
    fn invented(outcome: Outcome, first: u32, count: u32) -> Samples {
        let mut samples = Samples::default();
        for number in first..first + count {
            samples.add(outcome, Untrusted::new(&number.to_be_bytes()), 1);
        }
        samples
    }

    fn total(samples: &Samples, outcome: Outcome) -> u64 {
        samples
            .told()
            .filter(|told| told.outcome == outcome)
            .map(|told| told.others + told.most.iter().map(|(_, count)| count).sum::<u64>())
            .sum()
    }

    #[test]
    fn a_worker_keeps_eight_of_a_class_and_counts_the_rest() {
        let mut samples = Samples::default();
        for round in 0..3 {
            (0..100_u8).for_each(|number| samples.record(A, &[number]));
            samples.record(B, &[round]);
        }
        assert_eq!(samples.of(A).count(), RECORDED_PER_CLASS_MAX);
        assert_eq!(samples.others().collect::<Vec<_>>(), [(A, 3 * 92)]);
        assert_eq!((total(&samples, A), total(&samples, B)), (300, 3));
    }

    #[test]
    fn strings_are_distinct_by_what_is_kept_of_them() {
        let mut samples = Samples::default();
        samples.record(A, &[b'x'; 64]);
        samples.record(A, &[b'x'; 65]);
        samples.record(A, &[b'x'; 1000]);
        assert_eq!(samples.of(A).map(|(_, count)| count).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn the_cap_takes_the_rare_of_the_fullest_class_and_loses_no_count() {
        let mut samples = invented(A, 0, 400);
        let mut late = Samples::default();
        (0..50).for_each(|_| late.record(A, b"late and frequent"));
        late.record(B, b"one of another class");
        samples.merge(&late);
        samples.merge(&invented(A, 1000, 400));
        assert_eq!(samples.kept().count(), SAMPLES_MAX);
        assert_eq!((total(&samples, A), total(&samples, B)), (850, 1));
        let told: Vec<_> = samples.told().collect();
        assert_eq!(told[0].most, [(&Untrusted::new(b"one of another class"), 1)]);
        assert_eq!(told[1].most[0], (&Untrusted::new(b"late and frequent"), 50));
        assert_eq!((told[1].others_distinct, told[1].capped), (SAMPLES_MAX as u64 - 4, true));
    }

    #[test]
    fn a_report_tells_the_most_frequent_first_in_the_order_of_the_classes() {
        let mut samples = Samples::default();
        for (text, count) in [("a", 1), ("b", 7), ("c", 3), ("d", 2), ("e", 1)] {
            (0..count).for_each(|_| samples.record(A, text.as_bytes()));
        }
        samples.record(B, b"x");
        let told: Vec<_> = samples.told().collect();
        assert_eq!(told.iter().map(|told| told.outcome).collect::<Vec<_>>(), [B, A]);
        let texts = told[1].most.iter().map(|(sample, count)| (sample.terminal(), *count));
        let expected = [("b", 7), ("c", 3), ("d", 2)].map(|(text, count)| (text.to_owned(), count));
        assert_eq!(texts.collect::<Vec<_>>(), expected);
        assert_eq!((told[1].others, told[1].others_distinct, told[1].capped), (2, 2, false));
    }

    prop_compose! {
        fn arbitrary()(
            records in prop::collection::vec((any::<bool>(), 0..40_u8), 0..60),
        ) -> Samples {
            let mut samples = Samples::default();
            for (class, number) in records {
                samples.record(if class { A } else { B }, &[number]);
            }
            samples
        }
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_commutative_below_the_cap(
            a in arbitrary(), b in arbitrary(), c in arbitrary(),
        ) {
            let of = |parts: &[&Samples]| {
                let mut all = Samples::default();
                parts.iter().for_each(|part| all.merge(part));
                all
            };
            prop_assert_eq!(of(&[&of(&[&a, &b]), &c]), of(&[&a, &of(&[&b, &c])]));
            prop_assert_eq!(of(&[&a, &b]), of(&[&b, &a]));
        }

        #[test]
        fn no_count_is_lost_over_the_cap(
            parts in prop::collection::vec((any::<bool>(), 0..2000_u32, 0..300_u32), 0..6),
        ) {
            let mut all = Samples::default();
            let mut counted = [0, 0];
            for (class, first, count) in parts {
                all.merge(&invented(if class { A } else { B }, first, count));
                counted[usize::from(class)] += u64::from(count);
                prop_assert!(all.kept().count() <= SAMPLES_MAX);
            }
            prop_assert_eq!([total(&all, B), total(&all, A)], counted);
        }
    }
}
