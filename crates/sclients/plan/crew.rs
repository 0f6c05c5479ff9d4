//! The phases of a scenario. Each has workers of its own, consecutive slots: its crew.

use super::Plan;
use crate::config::{Begins, Config, Phase};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

/// The workers of one named phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crew {
    /// The phase's name.
    pub name: String,
    /// Its load; `procs` are its workers.
    pub config: Config,
    /// The first of its slots.
    pub first_slot: u32,
    /// When it begins to open its connections.
    pub begins: Begins,
}

impl Crew {
    /// The crews of these phases, slot by slot.
    pub fn of(phases: Vec<Phase>) -> Vec<Self> {
        let mut next = 0;
        let mut crew = |Phase { name, begins, config }| {
            let first_slot = next;
            next += config.procs;
            Self { name, config, first_slot, begins }
        };
        phases.into_iter().map(&mut crew).collect()
    }
}

/// What one worker is a part of: the run, or a phase of it.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Which crew; 0 in a run without phases.
    pub crew: usize,
    /// The load.
    pub config: &'a Config,
    /// Its number among those who share that load.
    pub index: u32,
}

/// Which slots are whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// The first slot of each crew, ascending; empty in a run without phases.
    firsts: Vec<u32>,
}

impl Roster {
    /// The crew of `slot`; 0 in a run without phases.
    pub fn crew_of(&self, slot: u32) -> usize {
        self.firsts.partition_point(|first| *first <= slot).saturating_sub(1)
    }

    /// How many there are; 1 in a run without phases.
    pub fn count(&self) -> usize {
        self.firsts.len().max(1)
    }
}

impl Plan {
    /// What was asked for, as it was planned from.
    pub fn asked(&self) -> Config {
        let phase = |crew: &Crew| Phase {
            name: crew.name.clone(),
            begins: crew.begins,
            config: crew.config.clone(),
        };
        Config { phases: self.crews.iter().map(phase).collect(), ..self.config.clone() }
    }

    /// The most requests per second of a load, where there is a bound: all that there may be at one time
    /// share what is allowed.
    pub fn request_rate_ceiling(&self) -> Option<u64> {
        let loads = Begins::at_once(self.crews.iter().map(|crew| crew.begins));
        Some(self.authorization.as_ref()?.shared_by(loads).requests_per_s())
    }

    /// What one crew is to do, as a run of its own.
    #[must_use]
    pub fn alone(&self, crew: usize) -> Self {
        let config = self.load_of(crew).clone();
        let connections = config.connections_kept();
        let slots = self.slots_of(crew);
        let sources = slots.map(|slot| self.sources_of(slot).to_vec()).collect();
        Self { config, connections, sources, crews: vec![], ..self.clone() }
    }

    /// How long there is to be load, where its end is known; the time in which phases open is not in it.
    pub fn load_length(&self) -> Option<Duration> {
        let length = |config: &Config| Some(config.warmup + config.duration?);
        if self.crews.is_empty() {
            return length(&self.config);
        }
        let mut ends: Vec<Duration> = Vec::new();
        for crew in &self.crews {
            let begin = match crew.begins {
                Begins::At(at) => at,
                Begins::After(before, pause) => ends[before] + pause,
            };
            ends.push(begin + length(&crew.config)?);
        }
        ends.into_iter().max()
    }

    /// Which slots are whose.
    pub fn roster(&self) -> Roster {
        Roster { firsts: self.crews.iter().map(|crew| crew.first_slot).collect() }
    }

    /// What worker `slot` is a part of.
    pub fn part_of(&self, slot: u32) -> Part<'_> {
        let crew = self.crews.partition_point(|crew| crew.first_slot <= slot).saturating_sub(1);
        match self.crews.get(crew) {
            Some(of) => Part { crew, config: &of.config, index: slot - of.first_slot },
            None => Part { crew, config: &self.config, index: slot },
        }
    }

    /// The load of crew number `crew`, or of a run without phases.
    pub fn load_of(&self, crew: usize) -> &Config {
        self.crews.get(crew).map_or(&self.config, |crew| &crew.config)
    }

    /// Whether the crews have all slots between them, in order, and wait for those before them.
    pub fn crews_are_sound(&self) -> bool {
        let mut next = 0;
        let sound = self.crews.iter().enumerate().all(|(index, crew)| {
            let begins = !matches!(crew.begins, Begins::After(before, _) if before >= index);
            let follows = crew.first_slot == next;
            next = crew.first_slot.saturating_add(crew.config.procs);
            begins && follows && crew.config.procs > 0
        });
        sound && (self.crews.is_empty() || next == self.config.procs)
    }

    /// The slots of crew number `crew`, or all.
    pub fn slots_of(&self, crew: usize) -> Range<u32> {
        match self.crews.get(crew) {
            Some(of) => of.first_slot..of.first_slot + of.config.procs,
            None => 0..self.config.procs,
        }
    }

    /// What holds for all, and each load, to be changed.
    pub fn loads_mut(&mut self) -> impl Iterator<Item = &mut Config> {
        std::iter::once(&mut self.config).chain(self.crews.iter_mut().map(|crew| &mut crew.config))
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{config, crews_on_ample_host, plan_on_ample_host};
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn loads_are_at_one_time_unless_one_comes_after_another() {
        use Begins::{After, At};
        let at_once = |begins: &[Begins]| Begins::at_once(begins.iter().copied());
        assert_eq!((at_once(&[]), at_once(&[At(S)])), (1, 1));
        assert_eq!(at_once(&[At(S - S), At(S - S), At(S)]), 3);
        assert_eq!(at_once(&[At(S - S), After(0, S), After(1, S)]), 1);
        assert_eq!(at_once(&[At(S - S), After(0, S), After(0, S)]), 2);
        assert_eq!(at_once(&[At(S - S), After(0, S), At(S), After(2, S)]), 2);
    }

    #[test]
    fn load_lasts_until_the_last_phase_ends() {
        let lasting = |seconds: u32| config(1, 1).lasting(S * seconds);
        let phases = vec![
            ("a", lasting(20), Begins::At(S)),
            ("b", lasting(5), Begins::After(0, S * 2)),
            ("c", lasting(3), Begins::After(1, S)),
        ];
        assert_eq!(crews_on_ample_host(phases).load_length(), Some(S * 32));
        assert_eq!(plan_on_ample_host(lasting(7), None).load_length(), Some(S * 7));
        let mut endless = lasting(7);
        endless.duration = None;
        assert_eq!(plan_on_ample_host(endless, None).load_length(), None);
    }

    #[test]
    fn slots_belong_to_crews_in_order() {
        let crews =
            vec![("a", config(2, 10), Begins::At(S - S)), ("b", config(3, 5), Begins::After(0, S))];
        let plan = crews_on_ample_host(crews);
        let parts: Vec<_> =
            (0..5).map(|slot| plan.part_of(slot)).map(|p| (p.crew, p.index)).collect();
        assert_eq!(parts, [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]);
        assert_eq!((plan.slots_of(0), plan.slots_of(1)), (0..2, 2..5));
        assert_eq!((plan.config.procs, plan.connections), (5, 35));
        let plain = plan_on_ample_host(config(2, 10), None);
        assert_eq!((plain.part_of(1).index, plain.slots_of(0)), (1, 0..2));
        assert_eq!(plain.roster().count(), 1);
        let roster = plan.roster();
        assert!((0..5).all(|slot| roster.crew_of(slot) == plan.part_of(slot).crew));
    }

    #[test]
    fn no_pair_of_source_address_and_port_is_in_two_crews() {
        let plan = crews_on_ample_host(vec![
            ("idle", config(2, 15_000), Begins::At(S - S)),
            ("busy", config(1, 100), Begins::At(S)),
        ]);
        assert!(plan.refusals().next().is_none());
        let mut pairs = std::collections::HashSet::new();
        for block in plan.sources.iter().flatten() {
            for port in block.first_port..=block.last_port {
                assert!(pairs.insert((block.address, port)), "{block:?}");
            }
        }
        assert!(pairs.len() > 30_100);
    }
}
