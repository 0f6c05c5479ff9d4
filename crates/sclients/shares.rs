//! The plan's parts as they travel: `Plan` → one `wire` share per child; and a rate profile back again.

use crate::config::{Config, Embedded, Hostile, Load, OnBusy, Protocol, ServeConfig, Stall, Storm};
use crate::plan::{Part, Plan, share_of};
use crate::profile::{Arrivals, Profile, ProfileError, Rate, Segment};
use crate::scenario::{Manners, Played, Seat};
use protocols::hostile::{CASES, Case, Chop};
use std::net::SocketAddr;
use std::time::Duration;
use wire::{
    ArrivalsKind, ArrivalsShare, BusyKind, ChopKind, HostileShare, JoinShare, LoadShare, PeerShare,
    ProtocolKind, RateSegment, RateValue, SessionsShare, SlowShare, SourceRange, StallShare,
    StormShare, TargetShare, WorkerShare,
};

/// The part of worker `slot`.
pub fn of_worker(plan: &Plan, slot: u32) -> WorkerShare {
    let Part { config, index, .. } = plan.part_of(slot);
    let protocol = config.protocol();
    WorkerShare {
        slot: index,
        workers: config.procs,
        generation: 0,
        joins: None,
        seed: plan.seed_of(slot),
        connections: config.conns,
        load: load(plan, config),
        peers: peers(plan, slot),
        sources: sources(plan, slot),
        protocol: kind(protocol),
        method: config.method.clone(),
        authority: authority(plan),
        path: config.target.as_ref().map_or_else(|| "/".to_owned(), |target| target.path.clone()),
        headers: config.headers.clone(),
        body: body(config, protocol),
        expected_statuses: config.expected_statuses.clone(),
        connect_rate: config.connect_rate,
        connecting_max: config.max_connecting,
        storms: config.storms.iter().map(storm).collect(),
        requests: config.requests.map(|total| share_of(total, index, config.procs)),
        request_rate_ceiling: plan.request_rate_ceiling(),
        requests_per_connection: config.requests_per_connection,
        reset_close: config.reset_close,
        timeout_nanos: nanos(config.timeout),
        first_byte_nanos: config.first_byte_timeout.map(nanos),
        idle_nanos: config.idle_timeout.map(nanos),
        lenient: config.lenient,
        finish_early: config.finish_early,
        body_max: config.body_max.unwrap_or(u32::MAX),
        slow: SlowShare {
            read_bytes_per_s: config.slow.read_bytes_per_s,
            write_bytes_per_s: config.slow.write_bytes_per_s,
            receive_buffer_bytes: config.slow.receive_buffer_bytes,
        },
        connect_timeout_nanos: nanos(config.connect_timeout),
        open_timeout_nanos: nanos(config.open_timeout),
        warmup_nanos: nanos(config.warmup),
        duration_nanos: config.duration.map(nanos),
        drain_nanos: nanos(config.drain),
        interval_nanos: nanos(config.interval),
        cpu: plan.cpu_of(slot),
        spin: config.spin,
        sessions: sessions(plan, slot).map(Box::new),
    }
}

/// What the users of worker `slot` do.
fn sessions(plan: &Plan, slot: u32) -> Option<SessionsShare> {
    let config = plan.part_of(slot).config;
    let manners = Manners {
        authority: &authority(plan),
        headers: &config.headers,
        statuses: &config.expected_statuses,
    };
    let played = config.sessions.as_ref()?;
    let drawers = (0..played.feeds().count()).map(|feed| drawer(plan, slot, feed)).collect();
    let compiled = played.compiled(&manners, &Seat { slot, workers: plan.config.procs, drawers });
    Some(compiled.expect("what was compiled once compiles again"))
}

/// The number of worker `slot` among those who draw from feed number `feed`, and how many they are; none where
/// it does not.
fn drawer(plan: &Plan, slot: u32, feed: usize) -> Option<(u32, u32)> {
    let own = plan.part_of(slot);
    let (mut before, mut all) = (0, 0);
    for crew in 0..plan.roster().count() {
        let load = plan.load_of(crew);
        let draws = |played: &Played| played.draws_from(feed);
        let workers = load.sessions.as_ref().filter(|played| draws(played)).map(|_| load.procs);
        before += workers.filter(|_| crew < own.crew).unwrap_or(0);
        all += workers.unwrap_or(0);
    }
    let draws = own.config.sessions.as_ref().is_some_and(|played| played.draws_from(feed));
    draws.then_some((before + own.index, all))
}

/// The part of another generation of worker `slot`, which joins the run under way: the same part, drawn
/// from a seed of its own.
pub fn of_successor(plan: &Plan, slot: u32, generation: u32, joins: JoinShare) -> WorkerShare {
    let seed = plan.seed_of_generation(slot, generation);
    WorkerShare { generation, seed, joins: Some(joins), ..of_worker(plan, slot) }
}

fn storm(storm: &Storm) -> StormShare {
    StormShare {
        after_nanos: nanos(storm.after),
        every_nanos: storm.every.map(nanos),
        millionths: storm.millionths,
    }
}

fn schedule(rate: &Profile, arrivals: Arrivals) -> ArrivalsShare {
    ArrivalsShare { rate: rate_segments(rate), kind: arrivals_kind(arrivals) }
}

fn load(plan: &Plan, config: &Config) -> LoadShare {
    match &config.load {
        Load::Closed => LoadShare::Closed {
            think_nanos: nanos(config.think),
            stagger_nanos: nanos(plan.stagger),
        },
        Load::Hold => {
            LoadShare::Hold { heartbeat_nanos: config.heartbeat.map(nanos), reopen: config.reopen }
        }
        Load::Open { rate, arrivals, on_busy } => LoadShare::Open {
            arrivals: schedule(rate, *arrivals),
            on_busy: match on_busy {
                OnBusy::Queue => BusyKind::Queue,
                OnBusy::Drop => BusyKind::Drop,
                OnBusy::Grow(most) => BusyKind::Grow(*most),
            },
        },
        Load::Overload { rate, arrivals } => {
            LoadShare::Overload { arrivals: schedule(rate, *arrivals) }
        }
    }
}

/// The part of process `slot` of the embedded target.
pub fn of_target(plan: &Plan, slot: u32) -> TargetShare {
    let connections = plan.connections / u64::from(plan.targets.max(1));
    TargetShare {
        seed: !plan.seed_of(slot),
        connections: u32::try_from(connections).unwrap_or(u32::MAX),
        message_bytes: match plan.config.embedded.protocol {
            Protocol::Http => 0,
            Protocol::Echo => plan.config.message_bytes as u64,
        },
        interval_nanos: nanos(plan.config.interval),
        ..target(&plan.config.embedded, plan.peer_of_target(slot), slot)
    }
}

/// The part of process `slot` of a target that serves alone.
pub fn of_server(config: &ServeConfig, listen: SocketAddr, slot: u32) -> TargetShare {
    let mut share = target(&config.embedded, listen, slot);
    if let (true, Some(hostile)) = (config.case_per_port, &mut share.hostile) {
        hostile.cases = vec![hostile.cases[slot as usize]];
    }
    TargetShare {
        seed: config.seed.wrapping_add(u64::from(slot)),
        connections: config.conns,
        interval_nanos: nanos(config.interval),
        cpu: config.cpus.get(slot as usize % config.cpus.len().max(1)).copied(),
        ..share
    }
}

fn target(embedded: &Embedded, listen: SocketAddr, slot: u32) -> TargetShare {
    TargetShare {
        slot,
        listen,
        protocol: kind(embedded.protocol),
        body_bytes: embedded.body_bytes,
        delay_nanos: nanos(embedded.delay),
        hostile: embedded.hostile.as_ref().map(hostile),
        service_nanos: embedded.service.map_or(0, |service| nanos(service.mean)),
        service_exponential: embedded.service.is_some_and(|service| service.exponential),
        stalls: embedded.stalls.iter().map(stall).collect(),
        leak_bytes_per_min: embedded.leak_bytes_per_min.unwrap_or(0),
        seed: 0,
        message_bytes: 0,
        connections: 0,
        interval_nanos: 0,
        cpu: None,
    }
}

fn stall(stall: &Stall) -> StallShare {
    StallShare { after_nanos: nanos(stall.after), length_nanos: stall.length.map(nanos) }
}

fn hostile(hostile: &Hostile) -> HostileShare {
    let place = |case: &&'static Case| CASES.iter().position(|known| known == *case);
    let place = |case| place(case).expect("cases come out of the list") as u16;
    HostileShare {
        cases: hostile.cases.iter().map(place).collect(),
        chop: match hostile.chop {
            Chop::Whole => ChopKind::Whole,
            Chop::Each(bytes) => ChopKind::Each(bytes),
            Chop::Split => ChopKind::Split,
            Chop::Gaps => ChopKind::Gaps,
        },
        after: hostile.after,
        connections: hostile.connections,
    }
}

const fn kind(protocol: Protocol) -> ProtocolKind {
    match protocol {
        Protocol::Http => ProtocolKind::Http,
        Protocol::Echo => ProtocolKind::Echo,
    }
}

fn authority(plan: &Plan) -> String {
    let target = plan.config.target.as_ref();
    target.map_or_else(|| plan.peers[0].to_string(), |target| target.authority.clone())
}

fn body(config: &Config, protocol: Protocol) -> Vec<u8> {
    match protocol {
        Protocol::Http => config.body.clone(),
        Protocol::Echo => (b'a'..=b'z').cycle().take(config.message_bytes).collect(),
    }
}

/// All places of the run, in order, are divided over the peers; these are worker `slot`'s. Attempts of
/// a schedule have no places and go to all peers in turn.
fn peers(plan: &Plan, slot: u32) -> Vec<PeerShare> {
    let conns = u64::from(plan.part_of(slot).config.conns);
    let first: u64 = (0..slot).map(|slot| u64::from(plan.part_of(slot).config.conns_kept())).sum();
    let end = first + conns;
    let attempts = matches!(plan.part_of(slot).config.load, Load::Overload { .. });
    let mut next = 0;
    let part = |(index, address): (usize, &SocketAddr)| {
        let begin = next;
        next += share_of(plan.connections, index as u32, plan.peers.len() as u32);
        let places = next.min(end).saturating_sub(begin.max(first));
        let places = if attempts { 0 } else { places };
        (attempts || places > 0).then_some(PeerShare { address: *address, places: places as u32 })
    };
    plan.peers.iter().enumerate().filter_map(part).collect()
}

fn sources(plan: &Plan, slot: u32) -> Vec<SourceRange> {
    let blocks = plan.sources.get(slot as usize).map_or(&[][..], Vec::as_slice);
    blocks
        .iter()
        .map(|block| SourceRange {
            address: block.address,
            first_port: block.first_port,
            last_port: block.last_port,
        })
        .collect()
}

/// A profile as it travels.
pub fn rate_segments(profile: &Profile) -> Vec<RateSegment> {
    let value = |rate: Rate| RateValue { num: rate.num(), den: rate.den() };
    let flat = |segment: &Segment| RateSegment {
        from: value(segment.from),
        to: value(segment.to),
        nanos: segment.nanos,
    };
    profile.segments().iter().map(flat).collect()
}

/// The profile that travelled.
///
/// # Errors
/// Its segments make none.
pub fn profile(segments: &[RateSegment]) -> Result<Profile, ProfileError> {
    let rate = |value: RateValue| Rate::new(value.num, value.den).ok_or(ProfileError::Denominator);
    let segment = |flat: &RateSegment| {
        Ok(Segment { from: rate(flat.from)?, to: rate(flat.to)?, nanos: flat.nanos })
    };
    Profile::new(segments.iter().map(segment).collect::<Result<_, _>>()?)
}

/// How arrivals lie, as it travels.
pub const fn arrivals_kind(arrivals: Arrivals) -> ArrivalsKind {
    match arrivals {
        Arrivals::Constant => ArrivalsKind::Constant,
        Arrivals::Poisson => ArrivalsKind::Poisson,
        Arrivals::Jitter => ArrivalsKind::Jitter,
    }
}

/// How arrivals lie, as it travelled.
pub const fn arrivals(kind: ArrivalsKind) -> Arrivals {
    match kind {
        ArrivalsKind::Constant => Arrivals::Constant,
        ArrivalsKind::Poisson => Arrivals::Poisson,
        ArrivalsKind::Jitter => Arrivals::Jitter,
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_and_arrivals_come_back_as_they_went() {
        let up = |from, to| Segment {
            from: Rate::per_second(from),
            to: Rate::new(to, 2).expect("2 is a denominator"),
            nanos: 5,
        };
        let given = Profile::new(vec![up(0, 7), up(9, 1)]).unwrap();
        assert_eq!(profile(&rate_segments(&given)), Ok(given));
        for kind in [Arrivals::Constant, Arrivals::Poisson, Arrivals::Jitter] {
            assert_eq!(arrivals(arrivals_kind(kind)), kind);
        }
        let zero = RateValue { num: 1, den: 0 };
        let broken = RateSegment { from: zero, to: zero, nanos: 1 };
        assert_eq!(profile(&[broken]), Err(ProfileError::Denominator));
        assert!(profile(&[]).is_err());
    }
}
