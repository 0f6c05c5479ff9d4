//! The audit of a run by itself: which signals say that its times cannot be trusted, and whose fault
//! that is.
//!
//! [`judge`] is a pure function from [`Evidence`] to [`Finding`]s. Each rule has an inner limit, from
//! which on times are suspect, and an outer one. What a limit means depends on what the run claims:
//!
//! | claim | inner limit | outer limit |
//! |---|---|---|
//! | [`Claim::Schedule`] | suspect | invalid where starts are missing or late, or a worker did not run; else suspect |
//! | [`Claim::ClosedLatency`] | | suspect: the generator, or its host, was the limit |
//! | [`Claim::Hold`] | | a note |
//!
//! A closed loop that falls behind asks later: its counts stay true and its times are those of a
//! slower client, so it is never invalid for them. Limits that are shares of the median answer have a
//! floor: no kernel wakes a process to the microsecond, and an answer on loopback takes no more than
//! some dozen of them. Counters of the whole host are evidence
//! only where they harm the times directly (stolen time, throttling, dropped packets); pressure and
//! involuntary switches are told, not judged: the run-queue wait of the worker is what they cause.
//!
//! Only measurement counts.

use crate::config::Load;
use crate::host::HostStrain;
use crate::number::{duration, grouped};
use crate::summary::Summary;
use crate::verdict::State;
use stats::{ArrivalChecks, Counter, Counters, Fault, Latency, Outcome, Signal, Strains};

/// What a run says beyond its counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Requests or attempts left when they were due, whatever became of them.
    Schedule,
    /// So long did answers take; the next request waited for them.
    ClosedLatency,
    /// Connections were there.
    Hold,
}

impl Claim {
    /// The claim of a load model.
    pub const fn of(load: &Load) -> Self {
        match load {
            Load::Closed => Self::ClosedLatency,
            Load::Hold => Self::Hold,
            Load::Open { .. } | Load::Overload { .. } => Self::Schedule,
        }
    }
}

/// What is judged. Times are in nanoseconds, shares from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What the run claims.
    pub claim: Claim,
    /// What a schedule wanted to begin, by now where the run goes on; none without a schedule, or where it is
    /// drawn.
    pub planned_starts: Option<u64>,
    /// What it began of that, late or not. A request that waits for a connection has begun to.
    pub starts: u64,
    /// Lateness of sending that 1 % exceed, while a connection was free.
    pub send_lag_p99: Option<u64>,
    /// What samples of departures said of the schedule's law; nothing without a schedule.
    pub departures: ArrivalChecks,
    /// The median answer, from send; of attempts, the time that each of them has.
    pub response_p50: Option<u64>,
    /// The turn of a worker's loop that 0.1 % exceed.
    pub loop_p999: Option<u64>,
    /// Workers spin: they use all of a processor on purpose.
    pub spins: bool,
    /// How each worker fared, with its slot.
    pub workers: Vec<(u32, Strains)>,
    /// Connections that it held at one time.
    pub connections: u64,
    /// How the host fared.
    pub host: HostStrain,
}

impl Evidence {
    /// What `summary` holds.
    pub fn of(summary: &Summary) -> Self {
        let config = &summary.plan.config;
        let counters = summary.counters();
        let (starts, response) = match config.load {
            Load::Overload { .. } => {
                let lost = counters.of(Counter::AttemptsLost);
                let attempted = counters.of(Counter::ConnectionsAttempted) + lost;
                let time = config.connect_timeout.as_nanos() as u64;
                (attempted - refused_by_this_host(&counters), Some(time))
            }
            _ => (
                counters.of(Counter::RequestsDue) - counters.of(Counter::RequestsFurther),
                summary.fold.histogram(Latency::FromSend).quantile(0.5),
            ),
        };
        let quantile = |latency, q| summary.fold.histogram(latency).quantile(q);
        let part = |child| Some(summary.part(child)?.strains);
        Self {
            claim: Claim::of(&config.load),
            planned_starts: summary.ticks_due(),
            starts,
            send_lag_p99: quantile(summary.send_lag(), 0.99),
            departures: summary.departures(),
            response_p50: response,
            loop_p999: quantile(Latency::LoopLag, 0.999),
            spins: config.spin,
            workers: summary
                .workers()
                .filter_map(|child| Some((child.slot, part(child)?)))
                .collect(),
            connections: summary.plan.connections,
            host: summary.course.host.clone(),
        }
    }
}

/// Attempts that never became a packet.
fn refused_by_this_host(counters: &Counters) -> u64 {
    let ours = |(outcome, _): &(&Outcome, &u64)| outcome.fault() == Fault::Tester;
    let failed = Outcome::ALL.iter().zip(&counters.connections_failed);
    failed.filter(ours).map(|(_, count)| count).sum()
}

/// What the audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it makes of the claim; of one that stays valid it is a note.
    pub state: State,
    /// Value, limit and remedy, in words.
    pub text: String,
}

/// Inner and outer limit; a value has to exceed it.
type Limits = (f64, f64);

const STARTS_MISSING: Limits = (0.001, 0.01);
const SEND_LAG_OF_RESPONSE: Limits = (0.05, 0.25);
/// Clean runs at 1,000/s on a shared virtual machine of two processors had 70 to 230 µs, and beside a
/// busy process 2 ms and more.
const SEND_LAG_FLOOR_NANOS: Limits = (500_000.0, 1_000_000.0);
/// Departures of a worker that are on average closer together than so many times the lateness of the
/// latest hundredth have no law that could be told.
const GAP_OF_LAG: f64 = 4.0;
const LOOP_OF_RESPONSE: Limits = (0.1, 1.0);
/// Ending an interval is a turn too: 0.2 to 0.3 ms on that machine.
const LOOP_FLOOR_NANOS: Limits = (1_000_000.0, 5_000_000.0);
/// A process alone on its processor was measured to wait for 1 to 7 % of a second, and beside one that
/// spins for 50 %.
const RUN_QUEUE_SHARE: Limits = (0.15, 0.25);
const CPU_SHARE: Limits = (0.7, 0.9);
/// A stop of this many seconds is in nobody's plan.
const STOP_SECONDS: Limits = (0.05, 0.1);
const STEAL_SHARE: Limits = (0.01, 0.05);
const THROTTLED_SHARE: Limits = (0.0, 0.01);
/// A target that is silent for so many seconds, and for so many median answers, stalled.
const SILENCE_SECONDS: f64 = 0.5;
const SILENCE_OF_RESPONSE: f64 = 10.0;
/// Of the pages from which on the kernel shrinks buffers.
const TCP_MEMORY_SHARE: f64 = 0.8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breach {
    Inner,
    Outer,
}

impl Breach {
    /// How a rule that only doubts weighs for `claim`.
    fn doubted(self, claim: Claim) -> Self {
        if claim == Claim::Schedule { Self::Inner } else { self }
    }
}

/// Which of `limits` `value` exceeds, and that limit.
fn breach(value: f64, limits: Limits) -> Option<(Breach, f64)> {
    if value > limits.1 {
        Some((Breach::Outer, limits.1))
    } else if value > limits.0 {
        Some((Breach::Inner, limits.0))
    } else {
        None
    }
}

/// All that speaks against the claim of a run, and what it should know besides; the worst first.
pub fn judge(evidence: &Evidence) -> Vec<Finding> {
    let breaches = CONVICTING.iter().filter_map(|rule| rule(evidence));
    let doubts = DOUBTING.iter().filter_map(|rule| rule(evidence));
    let doubts = doubts.map(|(breach, text)| (breach.doubted(evidence.claim), text));
    let breaches = breaches.chain(doubts);
    let mut findings: Vec<Finding> =
        breaches.filter_map(|(breach, text)| weigh(evidence.claim, breach, text)).collect();
    findings.extend(stalled_target(evidence).map(note));
    findings.extend(blurred(evidence).map(note));
    findings.extend(clock(evidence).map(note));
    findings.extend(tcp_memory(evidence).map(note));
    findings.extend(suspension(evidence));
    findings.extend(tracking(evidence));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.state));
    findings
}

fn note(text: String) -> Finding {
    Finding { state: State::Valid, text }
}

/// What a breach makes of a claim: the table of the module head.
fn weigh(claim: Claim, breach: Breach, text: String) -> Option<Finding> {
    let (state, text) = match (claim, breach) {
        (Claim::Schedule, Breach::Outer) => (State::Invalid, text),
        (Claim::Schedule, Breach::Inner) => (State::Suspect, text),
        (Claim::ClosedLatency, Breach::Outer) => {
            (State::Suspect, format!("generator-limited: {text}"))
        }
        (Claim::Hold, Breach::Outer) => (State::Valid, text),
        (Claim::ClosedLatency | Claim::Hold, Breach::Inner) => return None,
    };
    Some(Finding { state, text })
}

type Rule = fn(&Evidence) -> Option<(Breach, String)>;

/// A schedule is invalid by these alone: what should have begun did not, or began late, or the worker
/// could not have begun it.
const CONVICTING: [Rule; 4] = [starts, send_lag, run_queue, stops];
/// What may be the cause of that, or make times of arrival untrue: a schedule that was kept all the
/// same is suspect by them.
const DOUBTING: [Rule; 6] = [law, processor, busy_loop, steal, throttling, drops];

fn starts(evidence: &Evidence) -> Option<(Breach, String)> {
    let planned = evidence.planned_starts.filter(|planned| *planned > 0)?;
    let missing = planned.saturating_sub(evidence.starts) as f64 / planned as f64;
    let (breach, limit) = breach(missing, STARTS_MISSING)?;
    let (begun, least) = (percent(1.0 - missing), percent(1.0 - limit));
    let starts = evidence.starts;
    let text = format!(
        "{starts} of {planned} planned starts took place, {begun} (limit {least}): ask for a lower rate, or give it more connections or workers"
    );
    Some((breach, text))
}

fn send_lag(evidence: &Evidence) -> Option<(Breach, String)> {
    let lag = evidence.send_lag_p99? as f64;
    let (breach, limit) =
        relative(lag, evidence.response_p50?, SEND_LAG_OF_RESPONSE, SEND_LAG_FLOOR_NANOS)?;
    let (lag, limit) = (duration(lag), duration(limit));
    let text = format!(
        "1 % of the sends left {lag} late or more (limit {limit}): ask for a lower rate, or use more workers and processors"
    );
    Some((breach, text))
}

/// Most samples of the departures speak against the schedule's law, though they left on time: how far
/// apart the law had them is more than what lateness blurs.
fn law(evidence: &Evidence) -> Option<(Breach, String)> {
    let failing = Some(evidence.departures).filter(ArrivalChecks::fail)?;
    let text = format!(
        "{} as its law says: compare with another seed, and with fewer requests to each worker",
        unlawful(&failing)
    );
    (!is_blurred(evidence)).then_some((Breach::Inner, text))
}

/// As [`law`], where lateness alone explains it.
fn blurred(evidence: &Evidence) -> Option<String> {
    let failing = Some(evidence.departures).filter(ArrivalChecks::fail)?;
    let gap = duration(failing.gap_mean_nanos()?);
    let text = format!(
        "{} as its law says: with {gap} between those of a worker, what lateness there is blurs it",
        unlawful(&failing)
    );
    is_blurred(evidence).then_some(text)
}

fn unlawful(checks: &ArrivalChecks) -> String {
    let failed = checks.samples.saturating_sub(checks.passed);
    format!("{failed} of {} samples of the schedule did not leave", checks.samples)
}

fn is_blurred(evidence: &Evidence) -> bool {
    let (gap, lag) = (evidence.departures.gap_mean_nanos(), evidence.send_lag_p99);
    gap.zip(lag).is_some_and(|(gap, lag)| gap < GAP_OF_LAG * lag as f64)
}

fn busy_loop(evidence: &Evidence) -> Option<(Breach, String)> {
    let turn = evidence.loop_p999? as f64;
    let (breach, limit) =
        relative(turn, evidence.response_p50?, LOOP_OF_RESPONSE, LOOP_FLOOR_NANOS)?;
    let (turn, limit) = (duration(turn), duration(limit));
    let text = format!(
        "0.1 % of the loop's turns took {turn} or more (limit {limit}), and answers waited for them: use more workers with fewer connections each"
    );
    Some((breach, text))
}

/// A breach of shares of the median answer, which do not go below floors; the limit in nanoseconds.
fn relative(value: f64, response: u64, shares: Limits, floors: Limits) -> Option<(Breach, f64)> {
    let limit = |share: f64, floor: f64| (share * response as f64).max(floor);
    let (inner, outer) = (limit(shares.0, floors.0), limit(shares.1, floors.1));
    breach(value, (inner, outer.max(inner)))
}

fn run_queue(evidence: &Evidence) -> Option<(Breach, String)> {
    worst(evidence, Signal::RunQueue, RUN_QUEUE_SHARE, |value, limit, second| {
        let (value, limit) = (percent(value), percent(limit));
        format!(
            "waited {value} of second {second} for a processor (limit {limit}): run fewer workers, or pin them with --cpus to processors that nobody else uses"
        )
    })
}

fn processor(evidence: &Evidence) -> Option<(Breach, String)> {
    if evidence.spins {
        return None;
    }
    worst(evidence, Signal::Cpu, CPU_SHARE, |value, limit, second| {
        let (value, limit) = (percent(value), percent(limit));
        format!(
            "used {value} of a processor in second {second} (limit {limit}): use more workers on more processors, or ask for less"
        )
    })
}

fn stops(evidence: &Evidence) -> Option<(Breach, String)> {
    worst(evidence, Signal::Stop, STOP_SECONDS, |value, limit, second| {
        let (value, limit) = (duration(value * 1e9), duration(limit * 1e9));
        format!(
            "stood still for {value} in second {second} (limit {limit}): it was stopped, starved of a processor, or had too many connections ready at once"
        )
    })
}

/// The worker with the worst `signal`, and how many others exceed the same limit.
fn worst(
    evidence: &Evidence,
    signal: Signal,
    limits: Limits,
    text: impl FnOnce(f64, f64, u64) -> String,
) -> Option<(Breach, String)> {
    let value = |strains: &Strains| strains.worst(signal).value;
    let all = || evidence.workers.iter();
    let (slot, strains) = all().max_by(|one, next| value(&one.1).total_cmp(&value(&next.1)))?;
    let worst = strains.worst(signal);
    let (breach, limit) = breach(worst.value, limits)?;
    let others = all().filter(|(_, strains)| value(strains) > limit).count() - 1;
    let who = match others {
        0 => format!("worker {slot}"),
        _ => format!("worker {slot}, worst of {},", others + 1),
    };
    Some((breach, format!("{who} {}", text(worst.value, limit, worst.second))))
}

/// The whole measurement is judged; a single second may have an outlier of a tick or two.
fn steal(evidence: &Evidence) -> Option<(Breach, String)> {
    let share = evidence.host.steal_share?;
    let (breach, limit) = breach(share, STEAL_SHARE)?;
    let (share, limit) = (percent(share), percent(limit));
    let text = format!(
        "the hypervisor gave {share} of this host's processors to others (limit {limit}): use a host of your own, or measure at another time"
    );
    Some((breach, text))
}

fn throttling(evidence: &Evidence) -> Option<(Breach, String)> {
    let periods = evidence.host.periods?;
    let share = periods.throttled as f64 / periods.all.max(1) as f64;
    let (breach, limit) = breach(share, THROTTLED_SHARE)?;
    let (throttled, all, limit) = (periods.throttled, periods.all, percent(limit));
    let text = format!(
        "the control group's quota stopped this program in {throttled} of {all} periods (limit {limit}): raise cpu.max"
    );
    Some((breach, text))
}

fn drops(evidence: &Evidence) -> Option<(Breach, String)> {
    let dropped = evidence.host.softnet?.dropped;
    let text = format!(
        "this host dropped {dropped} received packets before anybody saw them (limit 0): raise net.core.netdev_max_backlog, or ask for less"
    );
    (dropped > 0).then_some((Breach::Inner, text))
}

/// While the loop of a worker ran, its requests were in flight, and none was answered.
fn stalled_target(evidence: &Evidence) -> Option<String> {
    let response = evidence.response_p50? as f64 / 1e9;
    let silence = |(_, strains): &(u32, Strains)| strains.worst(Signal::Silence);
    let all = evidence.workers.iter().map(silence);
    let worst = all.max_by(|one, next| one.value.total_cmp(&next.value))?;
    let stalled = worst.value >= SILENCE_SECONDS && worst.value >= SILENCE_OF_RESPONSE * response;
    let (silent, second) = (duration(worst.value * 1e9), worst.second);
    stalled.then(|| {
        format!("the target stalled: it answered nothing for {silent} up to second {second}, while the worker ran")
    })
}

fn clock(evidence: &Evidence) -> Option<String> {
    let jumps = evidence.host.clock_jumps;
    (jumps > 0).then(|| {
        format!("the wall clock was set {jumps} times during the run; no time of this report depends on it")
    })
}

fn tcp_memory(evidence: &Evidence) -> Option<String> {
    let share = evidence.host.tcp_memory.filter(|share| *share >= TCP_MEMORY_SHARE)?;
    let (share, limit) = (percent(share), percent(TCP_MEMORY_SHARE));
    Some(format!(
        "TCP had {share} of the memory from which on the kernel saves (limit {limit}): raise net.ipv4.tcp_mem, or ask for less data at a time"
    ))
}

/// No clock of a run goes on while the host sleeps, but that of its peers does.
fn suspension(evidence: &Evidence) -> Option<Finding> {
    let slept = evidence.host.suspended;
    let state = if evidence.claim == Claim::Hold { State::Valid } else { State::Suspect };
    let text = format!(
        "the host slept for {} during the run, which is in none of its times: keep it awake",
        duration(slept.as_nanos() as f64)
    );
    (!slept.is_zero()).then_some(Finding { state, text })
}

/// The firewall tracks what it sees: where the run's connections are among that, a full table drops SYNs,
/// which looks as if the target did.
fn tracking(evidence: &Evidence) -> Option<Finding> {
    let tracked = evidence.host.tracked?;
    let need = evidence.connections.saturating_add(evidence.connections.div_ceil(10));
    let ours = tracked.count > 0 && tracked.count >= evidence.connections.min(tracked.max) / 2;
    let (grown, max) = (grouped(tracked.count), grouped(tracked.max));
    let text = format!(
        "conntrack: the firewall tracked {grown} more connections once the run had opened its own, and has room for {max}: set sysctl net.netfilter.nf_conntrack_max={need} or exempt them"
    );
    (ours && tracked.max < need).then_some(Finding { state: State::Suspect, text })
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let whole = (percent - percent.round()).abs() < 0.05 || (10.0..99.0).contains(&percent);
    if whole { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::parse::{Periods, Softnet, Tracked};
    use stats::Strain;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;
    const MILLI: u64 = 1_000_000;

    /// A clean run at 1,000/s: 30 µs per answer.
    fn clean(claim: Claim) -> Evidence {
        Evidence {
            claim,
            planned_starts: Some(10_000),
            starts: 10_000,
            send_lag_p99: Some(100_000),
            departures: departures(10, MILLI),
            response_p50: Some(30_000),
            loop_p999: Some(60_000),
            spins: false,
            workers: vec![(0, strains(|_| {})), (3, strains(|_| {}))],
            connections: 1_000,
            host: HostStrain::default(),
        }
    }

    /// Ten samples, of which so many passed, with such gaps.
    fn departures(passed: u64, gap: u64) -> ArrivalChecks {
        ArrivalChecks::from_array([10, passed, 10, 10 * gap, 0])
    }

    /// Three seconds, of which the second is changed.
    fn strains(change: impl FnOnce(&mut Strain)) -> Strains {
        let quiet = Strain { wall: SECOND, cpu: 30 * MILLI, wait: 5 * MILLI, ..Strain::default() };
        let mut changed = quiet;
        change(&mut changed);
        let mut strains = Strains::default();
        [quiet, changed, quiet].iter().for_each(|strain| strains.add(strain));
        strains
    }

    fn worker(change: impl FnOnce(&mut Strain)) -> impl FnOnce(&mut Evidence) {
        let strains = strains(change);
        move |evidence| evidence.workers[1].1 = strains
    }

    fn state(claim: Claim, change: impl FnOnce(&mut Evidence)) -> State {
        let mut evidence = clean(claim);
        change(&mut evidence);
        judge(&evidence).iter().map(|finding| finding.state).max().unwrap_or(State::Valid)
    }

    #[test]
    fn clean_runs_have_no_findings() {
        for claim in [Claim::Schedule, Claim::ClosedLatency, Claim::Hold] {
            assert_eq!(judge(&clean(claim)), [], "{claim:?}");
        }
    }

    type Change = Box<dyn Fn(&mut Evidence)>;

    fn of_worker(change: impl Fn(&mut Strain) + 'static) -> Change {
        Box::new(move |evidence| worker(&change)(evidence))
    }

    fn of_run(change: impl Fn(&mut Evidence) + 'static) -> Change {
        Box::new(change)
    }

    /// What a schedule makes of a change; doubted is suspect, though the outer limit is exceeded.
    #[derive(Clone, Copy, Debug)]
    enum Weight {
        Valid,
        Suspect,
        Doubted,
        Invalid,
    }

    #[test]
    fn every_limit_weighs_as_its_claim_says() {
        use Weight::{Doubted, Invalid, Suspect, Valid};
        let periods = |throttled| Some(Periods { all: 1000, throttled });
        let cases: Vec<(&str, Change, Weight)> = vec![
            ("99.95 % of starts", of_run(|e| e.starts = 9_995), Valid),
            ("99.8 % of starts", of_run(|e| e.starts = 9_980), Suspect),
            ("98.9 % of starts", of_run(|e| e.starts = 9_890), Invalid),
            ("no schedule", of_run(|e| (e.planned_starts, e.starts) = (None, 0)), Valid),
            ("lag under the floor", of_run(|e| e.send_lag_p99 = Some(490_000)), Valid),
            ("lag over the inner floor", of_run(|e| e.send_lag_p99 = Some(600_000)), Suspect),
            ("lag over the outer floor", of_run(|e| e.send_lag_p99 = Some(2 * MILLI)), Invalid),
            ("lag small beside slow answers", slow(8 * MILLI, 60_000), Valid),
            ("lag over 5 % of slow answers", slow(12 * MILLI, 60_000), Suspect),
            ("lag over 25 % of slow answers", slow(60 * MILLI, 60_000), Invalid),
            ("turns over 10 % of slow answers", slow(0, 30 * MILLI), Suspect),
            ("turns over slow answers", slow(0, 230 * MILLI), Doubted),
            ("half of the samples", of_run(|e| e.departures = departures(5, MILLI)), Valid),
            ("most samples", of_run(|e| e.departures = departures(4, MILLI)), Suspect),
            ("most of blurred samples", of_run(|e| e.departures = departures(0, 300_000)), Valid),
            ("14 % of wait", of_worker(|s| s.wait = 140 * MILLI), Valid),
            ("18 % of wait", of_worker(|s| s.wait = 180 * MILLI), Suspect),
            ("31 % of wait", of_worker(|s| s.wait = 310 * MILLI), Invalid),
            ("75 % of CPU", of_worker(|s| s.cpu = 750 * MILLI), Suspect),
            ("95 % of CPU", of_worker(|s| s.cpu = 950 * MILLI), Doubted),
            ("a gap of 40 ms", of_worker(|s| s.gap_max = 40 * MILLI), Valid),
            ("a gap of 60 ms", of_worker(|s| s.gap_max = 60 * MILLI), Suspect),
            ("a gap of 500 ms", of_worker(|s| s.gap_max = 500 * MILLI), Invalid),
            ("a turn of 500 ms", of_worker(|s| s.turn_max = 500 * MILLI), Invalid),
            ("many switches", of_worker(|s| s.switches = 5_000), Valid),
            ("a silence of 2 s", of_worker(|s| s.silence_max = 2 * SECOND), Valid),
            ("2 % of steal", of_run(|e| e.host.steal_share = Some(0.02)), Suspect),
            ("6 % of steal", of_run(|e| e.host.steal_share = Some(0.06)), Doubted),
            ("pressure", of_run(|e| e.host.cpu_pressure = Some(90.0)), Valid),
            ("no throttling", of_run(move |e| e.host.periods = periods(0)), Valid),
            ("throttled once", of_run(move |e| e.host.periods = periods(1)), Suspect),
            ("throttled often", of_run(move |e| e.host.periods = periods(11)), Doubted),
            (
                "drops",
                of_run(|e| e.host.softnet = Some(Softnet { dropped: 1, squeezed: 0 })),
                Suspect,
            ),
            (
                "squeezes",
                of_run(|e| e.host.softnet = Some(Softnet { dropped: 0, squeezed: 9 })),
                Valid,
            ),
        ];
        for (what, change, expected) in cases {
            let schedule = match expected {
                Valid => State::Valid,
                Suspect | Doubted => State::Suspect,
                Invalid => State::Invalid,
            };
            assert_eq!(state(Claim::Schedule, &change), schedule, "{what}, schedule");
            let outer = matches!(expected, Invalid | Doubted);
            let closed = if outer { State::Suspect } else { State::Valid };
            assert_eq!(state(Claim::ClosedLatency, &change), closed, "{what}, closed");
            assert_eq!(state(Claim::Hold, &change), State::Valid, "{what}, hold");
        }
    }

    /// Answers of 200 ms.
    fn slow(lag: u64, turn: u64) -> Change {
        of_run(move |evidence| {
            evidence.response_p50 = Some(200 * MILLI);
            (evidence.send_lag_p99, evidence.loop_p999) = (Some(lag), Some(turn));
        })
    }

    #[test]
    fn a_finding_names_who_when_limit_and_remedy() {
        let mut evidence = clean(Claim::Schedule);
        worker(|strain| strain.wait = 310 * MILLI)(&mut evidence);
        let text = &judge(&evidence)[0].text;
        let expected = "worker 3 waited 31 % of second 2 for a processor (limit 25 %): run fewer";
        assert!(text.starts_with(expected), "{text}");
        evidence.workers[0].1 = strains(|strain| strain.wait = 270 * MILLI);
        let text = &judge(&evidence)[0].text;
        assert!(text.starts_with("worker 3, worst of 2, waited 31 %"), "{text}");
    }

    #[test]
    fn a_closed_loop_says_that_its_generator_was_the_limit() {
        let mut evidence = clean(Claim::ClosedLatency);
        worker(|strain| strain.gap_max = 500 * MILLI)(&mut evidence);
        let finding = &judge(&evidence)[0];
        assert_eq!(finding.state, State::Suspect);
        assert!(finding.text.starts_with("generator-limited: worker 3 stood still for 500"));
    }

    #[test]
    fn a_stall_of_the_target_is_a_note_and_a_slow_target_is_none() {
        let mut evidence = clean(Claim::Schedule);
        worker(|strain| strain.silence_max = 2 * SECOND)(&mut evidence);
        let findings = judge(&evidence);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].state, State::Valid);
        assert!(findings[0].text.starts_with("the target stalled"), "{}", findings[0].text);
        evidence.response_p50 = Some(SECOND);
        assert_eq!(judge(&evidence), []);
    }

    #[test]
    fn departures_that_lateness_blurs_are_told_and_not_doubted() {
        let mut evidence = clean(Claim::Schedule);
        evidence.departures = departures(3, 200_000);
        let told = judge(&evidence);
        assert_eq!(told.len(), 1);
        assert!(told[0].text.starts_with("7 of 10 samples"), "{}", told[0].text);
        assert!(told[0].text.contains("200 µs between"), "{}", told[0].text);
    }

    #[test]
    fn a_host_that_slept_makes_times_suspect_and_not_what_was_held() {
        for (claim, state) in [
            (Claim::Schedule, State::Suspect),
            (Claim::ClosedLatency, State::Suspect),
            (Claim::Hold, State::Valid),
        ] {
            let mut evidence = clean(claim);
            evidence.host.suspended = Duration::from_millis(2_500);
            let told = judge(&evidence);
            assert_eq!((told.len(), told[0].state), (1, state), "{claim:?}");
            assert!(told[0].text.starts_with("the host slept for 2.50 s"), "{}", told[0].text);
        }
    }

    #[test]
    fn tcp_memory_is_told_from_four_fifths_on() {
        for (share, told) in [(0.79, 0), (0.8, 1), (1.3, 1)] {
            let mut evidence = clean(Claim::Schedule);
            evidence.host.tcp_memory = Some(share);
            let findings = judge(&evidence);
            assert_eq!(findings.len(), told, "{share}");
            assert!(findings.iter().all(|finding| finding.state == State::Valid));
        }
    }

    #[test]
    fn a_table_of_tracked_connections_is_told_where_ours_are_in_it_and_fill_it() {
        // The run holds 1,000, and wants room for 1,100.
        let cases = [
            ((1_000, 1_100), 0),
            ((1_000, 1_099), 1),
            ((3, 1_099), 0),
            ((60, 100), 1),
            ((0, 0), 0),
        ];
        for ((count, max), told) in cases {
            let mut evidence = clean(Claim::ClosedLatency);
            evidence.host.tracked = Some(Tracked { count, max });
            let findings = judge(&evidence);
            assert_eq!(findings.len(), told, "{count} of {max}");
            assert!(findings.iter().all(|finding| finding.state == State::Suspect));
        }
    }

    #[test]
    fn the_worst_comes_first() {
        let mut evidence = clean(Claim::Schedule);
        evidence.starts = 9_980;
        evidence.host.clock_jumps = 1;
        worker(|strain| strain.wait = 310 * MILLI)(&mut evidence);
        let states: Vec<State> = judge(&evidence).iter().map(|finding| finding.state).collect();
        assert_eq!(states, [State::Invalid, State::Suspect, State::Valid]);
    }

    #[test]
    fn a_run_that_measured_nothing_is_not_judged() {
        let nothing = Evidence {
            planned_starts: Some(0),
            starts: 0,
            send_lag_p99: None,
            departures: ArrivalChecks::default(),
            response_p50: None,
            loop_p999: None,
            workers: vec![(0, Strains::default())],
            ..clean(Claim::Schedule)
        };
        assert_eq!(judge(&nothing), []);
        assert_eq!(judge(&Evidence { workers: Vec::new(), ..nothing }), []);
    }
}
