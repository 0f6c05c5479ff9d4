//! Configs and hosts that tests of this room and of `doctor` begin with.

use super::{Host, Plan, ProcessLimits, plan};
use crate::config::{
    Begins, Color, Config, Embedded, Format, Load, OnWorkerDeath, Phase, Protocol, RestartLimit,
    SlowClients,
};
use std::net::SocketAddr;
use std::time::Duration;

/// A closed loop against the embedded target, everything else at its default.
pub fn config(procs: u32, conns: u32) -> Config {
    Config {
        procs,
        conns,
        load: Load::Closed,
        duration: Some(Duration::from_secs(10)),
        requests: None,
        warmup: Duration::ZERO,
        first_byte_timeout: None,
        idle_timeout: None,
        lenient: false,
        finish_early: false,
        body_max: None,
        think: Duration::ZERO,
        requests_per_connection: None,
        reset_close: false,
        timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(10),
        open_timeout: Duration::from_secs(60),
        drain: Duration::from_secs(10),
        grace: Duration::from_secs(5),
        interval: Duration::from_secs(1),
        phases: vec![],
        curve: None,
        out: None,
        hlog: None,
        limits: vec![],
        junit: None,
        connect_rate: None,
        max_connecting: 256,
        storms: vec![],
        slow: SlowClients::default(),
        heartbeat: None,
        reopen: true,
        seed: 3,
        sources: vec![],
        target: None,
        resolve: vec![],
        authorized: vec![],
        authorization: vec![],
        method: "GET".into(),
        headers: vec![],
        body: vec![],
        message_bytes: 64,
        expected_statuses: vec![(200, 399)],
        on_worker_death: OnWorkerDeath::Replace,
        restart_limit: RestartLimit::default(),
        allow_lost: None,
        watch_pids: Vec::new(),
        embedded: embedded(),
        spin: false,
        sessions: None,
        cpus: vec![],
        format: Format::Text,
        progress: Duration::from_secs(10),
        color: Color::Never,
    }
}

fn embedded() -> Embedded {
    Embedded {
        procs: None,
        listen: ([127, 0, 0, 1], 0).into(),
        protocol: Protocol::Http,
        body_bytes: 0,
        delay: Duration::ZERO,
        service: None,
        stalls: vec![],
        hostile: None,
        leak_bytes_per_min: None,
    }
}

/// The 2-core, 24 GiB machine of `faults.md`.
pub fn ample_host() -> Host {
    Host {
        local_ports: Some((32_768, 60_999)),
        reserved_ports: Some(vec![]),
        tcp_mem_pages: Some([287_901, 383_869, 575_802]),
        tcp_pages_used: Some(0),
        somaxconn: Some(4096),
        receive_buffer_max: Some(212_992),
        file_max: Some(2_466_183),
        files_open: Some(495),
        epoll_watches: Some(5_491_533),
        memory_available_bytes: Some(24_367_152 * 1024),
        tracked_max: None,
        pid_max: Some(32_768),
        cgroup_pids_free: None,
    }
}

/// Its limits of a process.
pub fn ample_limits() -> ProcessLimits {
    ProcessLimits {
        open_files: Some(20_000),
        open_files_soft: Some(20_000),
        processes: Some(96_365),
    }
}

/// The plan of `config` on that machine, where every address is local.
pub fn plan_on_ample_host(config: Config, peer: Option<SocketAddr>) -> Plan {
    plan(config, peer, None, &ample_host(), &ample_limits(), &|_| Ok(()), 2)
}

/// The plan of these phases on that machine.
pub fn crews_on_ample_host(phases: Vec<(&str, Config, Begins)>) -> Plan {
    let mut asked = phases[0].1.clone();
    let phase = |(name, config, begins): (&str, Config, Begins)| Phase {
        name: name.into(),
        begins,
        config,
    };
    asked.phases = phases.into_iter().map(phase).collect();
    plan_on_ample_host(asked, None)
}
