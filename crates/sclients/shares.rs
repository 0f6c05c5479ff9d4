//! The plan's parts as they travel: `Plan` → one `wire` share per child.

use crate::config::{Config, Load, Protocol, ServeConfig};
use crate::plan::{Plan, share_of};
use std::net::SocketAddr;
use std::time::Duration;
use wire::{LoadKind, ProtocolKind, SourceRange, TargetShare, WorkerShare};

/// The part of worker `slot`.
pub fn of_worker(plan: &Plan, slot: u32) -> WorkerShare {
    let config = &plan.config;
    let protocol = protocol(config);
    WorkerShare {
        slot,
        workers: config.procs,
        generation: 0,
        seed: plan.seed_of(slot),
        connections: config.conns,
        load: match config.load {
            Load::Closed => LoadKind::Closed,
            Load::Hold => LoadKind::Hold,
        },
        peer: plan.peer,
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
        requests: config.requests.map(|total| share_of(total, slot, config.procs)),
        request_rate_ceiling: plan.request_rate_ceiling,
        think_nanos: nanos(config.think),
        heartbeat_nanos: config.heartbeat.map(nanos),
        reopen: config.reopen,
        stagger_nanos: nanos(plan.stagger),
        timeout_nanos: nanos(config.timeout),
        connect_timeout_nanos: nanos(config.connect_timeout),
        open_timeout_nanos: nanos(config.open_timeout),
        warmup_nanos: nanos(config.warmup),
        duration_nanos: config.duration.map(nanos),
        drain_nanos: nanos(config.drain),
        interval_nanos: nanos(config.interval),
        cpu: plan.cpu_of(slot),
    }
}

/// The part of process `slot` of the embedded target.
pub fn of_target(plan: &Plan, slot: u32) -> TargetShare {
    let embedded = &plan.config.embedded;
    TargetShare {
        slot,
        seed: !plan.seed_of(slot),
        listen: plan.peer,
        protocol: kind(embedded.protocol),
        body_bytes: embedded.body_bytes,
        delay_nanos: nanos(embedded.delay),
        service_nanos: embedded.service.map_or(0, |service| nanos(service.mean)),
        service_exponential: embedded.service.is_some_and(|service| service.exponential),
        connections: u32::try_from(plan.connections / u64::from(plan.targets.max(1))).unwrap_or(0),
        interval_nanos: nanos(plan.config.interval),
        cpu: None,
    }
}

/// The part of process `slot` of a target that serves alone.
pub fn of_server(config: &ServeConfig, listen: SocketAddr, slot: u32) -> TargetShare {
    let embedded = &config.embedded;
    TargetShare {
        slot,
        seed: config.seed.wrapping_add(u64::from(slot)),
        listen,
        protocol: kind(embedded.protocol),
        body_bytes: embedded.body_bytes,
        delay_nanos: nanos(embedded.delay),
        service_nanos: embedded.service.map_or(0, |service| nanos(service.mean)),
        service_exponential: embedded.service.is_some_and(|service| service.exponential),
        connections: config.conns,
        interval_nanos: nanos(config.interval),
        cpu: config.cpus.get(slot as usize % config.cpus.len().max(1)).copied(),
    }
}

fn protocol(config: &Config) -> Protocol {
    config.target.as_ref().map_or(config.embedded.protocol, |target| target.protocol)
}

const fn kind(protocol: Protocol) -> ProtocolKind {
    match protocol {
        Protocol::Http => ProtocolKind::Http,
        Protocol::Echo => ProtocolKind::Echo,
    }
}

fn authority(plan: &Plan) -> String {
    let target = plan.config.target.as_ref();
    target.map_or_else(|| plan.peer.to_string(), |target| target.authority.clone())
}

fn body(config: &Config, protocol: Protocol) -> Vec<u8> {
    match protocol {
        Protocol::Http => config.body.clone(),
        Protocol::Echo => (b'a'..=b'z').cycle().take(config.message_bytes).collect(),
    }
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

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
