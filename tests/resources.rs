//! What this host has too little of: named by its cause, never held against the target, tried again by
//! timer. Limits are those of the children alone, sysctls those of a network namespace, and what only a
//! whole host can lack is refused to the program by a filter of its system calls.

mod driver;

use driver::namespace::{active_opens, counter, in_namespace, set};
use driver::refusals::{Refusal, When};
use driver::{
    BINARY, Done, INVALID, Report, Running, Server, followed, limit_descriptors, sclients, send,
    shell, wait_until,
};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const NOT_AS_EXPECTED: i32 = 4;
/// A place that fails comes back within 100, 200, 400 and 800 ms, then a second, in the mean within half
/// of it: some ten attempts in the time of these tests. One without pauses makes a hundred thousand.
const ATTEMPTS_OF_A_PLACE: u64 = 40;

/// All attempts that failed did so for `class`, and so often that each place was tried by timer.
#[track_caller]
fn assert_parked(report: &Report, class: &str, places: u64) {
    report.assert_ledger();
    let failed = report.at("connections.failed").as_object().unwrap();
    assert_eq!(failed.keys().collect::<Vec<_>>(), [class], "{:#}", report.0);
    let attempts = report.sum("connections.failed");
    assert!((1..=places * ATTEMPTS_OF_A_PLACE).contains(&attempts), "{attempts} attempts");
    assert_eq!(report.count("requests.faults.target"), 0);
}

/// The verdict says that this host's own limits did it.
#[track_caller]
fn assert_own_limit(report: &Report, class: &str) {
    let own = |reason: &str| reason.contains("this host's own limits") && reason.contains(class);
    let reasons = report.list("verdict.reasons");
    assert!(reasons.iter().any(|reason| own(reason.as_str().unwrap())), "{reasons:#?}");
}

#[track_caller]
fn assert_one_line(done: &Done, parts: &[&str]) {
    assert_eq!((done.stdout.as_str(), done.stderr.len()), ("", 1), "{:#?}", done.stderr);
    for part in parts {
        assert!(done.stderr[0].contains(part), "{part:?} is not in {:?}", done.stderr);
    }
}

/// B1: the soft limit is ours to raise.
#[test]
fn a_soft_limit_on_files_is_raised_to_the_hard_one() {
    let words = "--format json --conns 200 --load hold --duration 300ms";
    let report = shell(&format!("ulimit -Sn 64; exec {BINARY} {words}")).run().expect(0).json();
    report.assert_ledger();
    assert_eq!(report.count("connections.peak_live"), 200);
    assert_eq!(report.at("connections.failed"), &json!({}));
    let raised =
        |text: &str| text.contains("the soft limit of 64 is raised to the hard one, since");
    let findings = report.list("plan.findings");
    let told = findings.iter().find(|finding| finding["code"] == "soft_nofile").unwrap();
    assert!(raised(told["text"].as_str().unwrap()), "{told}");
    let words = "--conns 200 --load hold --duration 300ms";
    let done = shell(&format!("ulimit -Sn 64; exec {BINARY} {words}")).run().expect(0);
    assert!(done.stdout.lines().any(|line| line.starts_with("note") && raised(line)));
    assert!(!done.stderr.iter().any(|line| line.contains("soft limit")), "{:?}", done.stderr);
}

/// B2: the hard one is planned for: refused where a worker is asked for more, and the target spread.
#[test]
fn a_hard_limit_on_files_is_planned_for() {
    let limited = |words: &str| shell(&format!("ulimit -n 300; exec {BINARY} {words}")).run();
    let parts = ["needs 364 (300 connections + 64)", "limit is 300", "--procs 2 --conns 150"];
    assert_one_line(&limited("--conns 300").expect(REFUSED), &parts);
    let words = "--format json --procs 3 --conns 200 --load hold --duration 300ms";
    let report = limited(words).expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert_eq!(report.count("connections.peak_live"), 600);
    assert_eq!(report.at("connections.failed"), &json!({}));
}

fn descriptors(pid: i32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64
}

/// Waits until some attempts have failed.
fn await_failures(run: &mut Running) {
    while run.await_line(" failed").contains(" 0 failed") {}
}

/// B3: no descriptors are left to a worker that opens. What it has it holds, what it cannot open waits.
#[test]
fn a_worker_without_descriptors_opens_the_rest_when_it_has_some() {
    let server = Server::start("");
    let words = "--conns 60 --connect-rate 60 --load hold --duration 300ms";
    let mut run = followed(words).arg(server.url()).spawn();
    run.await_line(" live");
    let worker = run.child("sclients: worker 0");
    limit_descriptors(worker, descriptors(worker) + 10);
    await_failures(&mut run);
    thread::sleep(Duration::from_secs(1));
    limit_descriptors(worker, 10_000);
    let report = run.wait().expect(0).json();
    assert_parked(&report, "local.fd_limit", 60);
    assert_own_limit(&report, "local.fd_limit");
    assert_eq!(report.count("connections.live"), 60);
    assert_eq!(report.count("connections.established"), 60);
    assert_eq!(server.stop().count("target.connections_seen"), 60);
}

/// B3: the same under load, which goes on with the connections that there are.
#[test]
fn a_worker_without_descriptors_under_load_lives_and_goes_on() {
    let server = Server::start("");
    let words = "--conns 40 --requests-per-connection 5 --think 10ms --duration 3s";
    let mut run = followed(words).arg(server.url()).spawn();
    run.await_measurement();
    let worker = run.child("sclients: worker 0");
    limit_descriptors(worker, descriptors(worker) - 20);
    await_failures(&mut run);
    thread::sleep(Duration::from_secs(1));
    limit_descriptors(worker, 10_000);
    let report = run.wait().expect(0).json();
    assert_parked(&report, "local.fd_limit", 40);
    assert_own_limit(&report, "local.fd_limit");
    assert_eq!(report.text("verdict.state"), "suspect");
    assert_eq!(report.at("requests.failed"), &json!({}));
    assert_eq!(report.count("workers.0.pid"), worker as u64, "it lived");
    let seen = server.stop();
    assert_eq!(seen.count("target.connections_seen"), report.count("connections.established"));
    assert_eq!(seen.count("target.requests_seen"), report.count("requests.sent"));
}

/// B5: no descriptors are left to a target. Who waits is in the accept queue, and nothing is lost.
#[test]
fn a_target_without_descriptors_keeps_its_listener_and_accepts_by_timer() {
    let server = Server::start("");
    let target = server.child("sclients: target 0");
    limit_descriptors(target, 40);
    let begun = Instant::now();
    let words = "--format json --conns 100 --load hold --duration 2s";
    let report = sclients(words).arg(server.url()).run().expect(0).json();
    report.assert_ledger();
    assert_eq!(report.at("connections.failed"), &json!({}));
    // Twice a second, and once for each event of its one listener at the start.
    let most = 2 * begun.elapsed().as_secs() + 10;
    limit_descriptors(target, 10_000);
    let again = format!("--conns 10 --requests 100 {}", server.url());
    sclients(&again).run().expect(0);
    let seen = server.stop();
    assert_eq!(seen.count("target.connections_seen"), 100 + 10);
    assert_eq!(seen.count("target.requests_seen"), 100);
    let refused = seen.at("target.accepts_refused").as_object().unwrap();
    assert_eq!(refused.keys().collect::<Vec<_>>(), ["local.fd_limit"]);
    let times = refused["local.fd_limit"].as_u64().unwrap();
    assert!((1..=most).contains(&times), "{times} of at most {most}");
}

/// B5: where the target is the embedded one, its trouble is a doubt about the run.
#[test]
fn an_embedded_target_that_cannot_accept_makes_the_run_suspect() {
    let words = "--conns 40 --requests-per-connection 5 --think 10ms --duration 3s";
    let mut run = followed(words).spawn();
    run.await_measurement();
    let target = run.child("sclients: target 0");
    limit_descriptors(target, 25);
    thread::sleep(Duration::from_secs(1));
    limit_descriptors(target, 10_000);
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert_eq!(report.at("requests.failed"), &json!({}));
    assert_eq!(report.text("verdict.state"), "suspect");
    let reasons = report.list("verdict.reasons");
    let told = "the embedded target could not always accept: local.fd_limit";
    assert!(reasons.iter().any(|reason| reason == told), "{reasons:#?}");
}

/// B6, B7: of 61 ports 57 serve at once; none that another program holds does, until it lets go.
#[test]
fn source_ports_run_out_by_name_and_are_used_when_they_are_free() {
    in_namespace("source_ports_run_out_by_name_and_are_used_when_they_are_free", || {
        let server = Server::listen("127.0.0.1:39000", "");
        set("ipv4/ip_local_port_range", "40000 40063");
        let run = |words: &str| followed(words).words("--source 127.0.0.2").arg(server.url());
        let refused = sclients("--conns 100 --source 127.0.0.2").arg(server.url()).run();
        let parts = ["2 source addresses of 61 ports, 1 given", "name 1 more with --source"];
        assert_one_line(&refused.expect(REFUSED), &parts);
        let report = run("--conns 57 --load hold --duration 300ms").run().expect(0).json();
        assert_eq!(report.count("connections.peak_live"), 57);
        assert_eq!(report.count("connections.attempted"), 57, "no port costs a second try");

        let listen = |port: u16| TcpListener::bind(("127.0.0.2", port)).unwrap();
        let held: Vec<TcpListener> = (40_000..=40_063).map(listen).collect();
        let mut run = run("--conns 20 --load hold --duration 300ms").spawn();
        await_failures(&mut run);
        thread::sleep(Duration::from_millis(500));
        drop(held);
        let report = run.wait().expect(0).json();
        assert_parked(&report, "local.ports", 20);
        assert_own_limit(&report, "local.ports");
        assert_eq!(report.count("connections.live"), 20);
        assert!(report.count("connections.ports_skipped") > 0);
    });
}

/// B8, B9: ports in TIME_WAIT are used again at once, and buckets that are skipped are told.
#[test]
fn what_is_in_time_wait_holds_nobody_up() {
    in_namespace("what_is_in_time_wait_holds_nobody_up", || {
        let server = Server::listen("127.0.0.1:39000", "");
        set("ipv4/ip_local_port_range", "40000 40063");
        set("ipv4/tcp_tw_reuse", "0");
        let words = "--format json --conns 20 --source 127.0.0.2 --requests-per-connection 5";
        let churn = || {
            let command = sclients(words).words("--requests 5000").arg(server.url());
            let report = command.run().expect(0).json();
            report.assert_ledger();
            assert_eq!(report.count("requests.completed"), 5000);
            assert_eq!(report.at("connections.failed"), &json!({}));
            assert!(report.count("connections.established") >= 1000, "of 61 ports");
            report
        };
        assert_eq!(churn().at("host.tcp").get("TCPTimeWaitOverflow"), None);
        set("ipv4/tcp_max_tw_buckets", "4");
        assert!(churn().count("host.tcp.TCPTimeWaitOverflow") > 0);
    });
}

/// Connections of this namespace whose SYN is unanswered.
fn pending() -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().filter(|line| line.split_whitespace().nth(3) == Some("02")).count()
}

/// B10, B11, B12, B18: a target that accepts nobody fills its queues. That connects are late is no
/// failure, and told by its cause; no more are under way than allowed.
#[test]
fn full_queues_make_connects_late_and_are_told() {
    in_namespace("full_queues_make_connects_late_and_are_told", || {
        set("core/somaxconn", "8");
        set("ipv4/tcp_max_syn_backlog", "16");
        let doctor = sclients("doctor --format json --conns 100").run().expect(0).json();
        let queue = doctor.list("findings").iter().find(|found| found["code"] == "somaxconn");
        let text = queue.unwrap()["text"].as_str().unwrap();
        assert!(text.contains("8 places (it asks for 4,096, somaxconn is 8)"), "{text}");

        let report = through_full_queues("--format json").json();
        report.assert_ledger();
        assert_eq!(report.count("connections.peak_live"), 200);
        assert_eq!(report.at("connections.failed"), &json!({}));
        assert!(report.number("latency_us.connect.max") > 900_000.0);
        for name in ["ListenOverflows", "ListenDrops", "TCPReqQFullDoCookies", "TCPSynRetrans"] {
            assert!(report.count(&format!("host.tcp_before.{name}")) > 0, "{name}");
        }
        let text = through_full_queues("").stdout;
        let line = text.lines().find(|line| line.starts_with("SYN retries"));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains("accept queue full ") && line.contains("SYN queue full "), "{line}");
    });
}

/// A run against a target that begins to accept only when its queues have overflowed.
fn through_full_queues(words: &str) -> Done {
    let server = Server::start("");
    let target = server.child("sclients: target 0");
    send(target, Signal::SIGSTOP);
    let before = counter("netstat", "TcpExt:", "ListenOverflows");
    let words = format!("{words} --conns 200 --max-connecting 50 --load hold --duration 300ms");
    let run = sclients(&words).arg(server.url()).spawn();
    let overflowed = wait_until(Duration::from_secs(10), || {
        counter("netstat", "TcpExt:", "ListenOverflows") > before + 20
    });
    // While the table is read, who moves on may be counted with who comes after.
    let looks = (0..5).map(|_| {
        thread::sleep(Duration::from_millis(20));
        pending()
    });
    let least = looks.min().unwrap();
    send(target, Signal::SIGCONT);
    assert!(overflowed && (1..=50).contains(&least), "{overflowed}, {least} pending at one time");
    run.wait().expect(0)
}

/// From this descriptor on the filters of these tests refuse: a worker has some twelve beside its
/// connections.
const FIRST_REFUSED: i32 = 32;

/// B4, B15: what only a whole host can lack, or forbids.
#[test]
fn each_refusal_of_the_kernel_has_its_class_and_is_tried_again_by_timer() {
    const LATER: &[When] = &[When::AtLeast(0, FIRST_REFUSED)];
    let stream = [When::Is(0, libc::AF_INET), When::Is(1, stream_flags())];
    let watch = [When::Is(1, libc::EPOLL_CTL_ADD), When::AtLeast(2, FIRST_REFUSED)];
    let table: [(libc::c_long, &[When], Errno, &str); 6] = [
        (libc::SYS_socket, &stream, Errno::ENFILE, "local.file_table"),
        (libc::SYS_connect, LATER, Errno::ENOBUFS, "local.nobufs"),
        (libc::SYS_connect, LATER, Errno::ENOMEM, "local.nobufs"),
        (libc::SYS_connect, LATER, Errno::EPERM, "local.not_permitted"),
        (libc::SYS_bind, LATER, Errno::EINVAL, "local.other"),
        (libc::SYS_epoll_ctl, &watch, Errno::ENOSPC, "local.epoll_watches"),
    ];
    let server = Server::start("");
    let words = "--format json --conns 40 --think 50ms --open-timeout 1s --duration 1s";
    let begun = table.map(|(call, when, errno, class)| {
        let command = sclients(words).arg(server.url());
        (command.refused(&Refusal { call, when, errno }).spawn(), class)
    });
    for (run, class) in begun {
        let report = run.wait().expect(INVALID).json();
        assert_parked(&report, class, 40);
        assert_own_limit(&report, class);
        let live = report.count("connections.live");
        assert_eq!(live > 0, class != "local.file_table", "{class}: {live} live");
        assert_eq!(report.at("requests.failed"), &json!({}), "{class}");
    }
}

/// As the program asks for its sockets.
fn stream_flags() -> i32 {
    libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC
}

/// B15: nor may a target watch what it accepts. It costs one connection each time that it looks, and the
/// others wait.
#[test]
fn a_target_that_may_watch_no_more_accepts_by_timer() {
    let when = &[When::Is(1, libc::EPOLL_CTL_ADD), When::AtLeast(2, FIRST_REFUSED)];
    let refusal = Refusal { call: libc::SYS_epoll_ctl, when, errno: Errno::ENOSPC };
    let server = Server::refused(&refusal);
    let begun = Instant::now();
    let words = "--format json --conns 100 --load hold --duration 2s";
    let report = sclients(words).arg(server.url()).run().expect(0).json();
    report.assert_ledger();
    let seen = server.stop();
    let most = 2 * begun.elapsed().as_secs() + 10;
    let refused = of_class(&seen, "target.accepts_refused", "local.epoll_watches");
    assert!((1..=most).contains(&refused), "{refused} of at most {most}");
    assert!(report.count("connections.closed.by_server") <= refused);
}

/// B15: the kernel has no room for what is to be sent.
#[test]
fn a_send_that_the_kernel_has_no_memory_for_is_not_the_targets() {
    let server = Server::start("");
    let when = &[When::AtLeast(0, FIRST_REFUSED)];
    let refusal = Refusal { call: libc::SYS_sendto, when, errno: Errno::ENOBUFS };
    let words = "--format json --conns 40 --think 50ms --duration 1s";
    let run = sclients(words).arg(server.url()).refused(&refusal).run();
    let report = run.expect(0).json();
    report.assert_ledger();
    assert_own_limit(&report, "local.nobufs");
    let failed = report.at("requests.failed").as_object().unwrap();
    assert_eq!(failed.keys().collect::<Vec<_>>(), ["local.nobufs"]);
    let failures = report.sum("requests.failed");
    assert!((1..=40 * ATTEMPTS_OF_A_PLACE).contains(&failures), "{failures}");
    assert_eq!(report.count("requests.faults.tester"), failures);
    assert_eq!(report.count("requests.faults.target"), 0);
}

/// B17: a pipe that may not grow is smaller. Reports are merged in it, and none is lost.
#[test]
fn a_report_pipe_that_may_not_grow_loses_nothing() {
    let when = &[When::Is(1, libc::F_SETPIPE_SZ)];
    let refusal = Refusal { call: libc::SYS_fcntl, when, errno: Errno::EPERM };
    let words = "--procs 2 --conns 50 --think 5ms --duration 4s";
    let mut run = followed(words).refused(&refusal).spawn();
    run.await_measurement();
    run.signal(Signal::SIGSTOP);
    thread::sleep(Duration::from_secs(3));
    run.signal(Signal::SIGCONT);
    let report = run.wait().expect(0).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert!(report.count("workers.0.reports_merged") > 0, "it was full");
}

fn of_class(report: &Report, path: &str, class: &str) -> u64 {
    report.at(path).get(class).map_or(0, |count| count.as_u64().unwrap())
}

/// B19: a server dies under thousands of connections. All end in one class, and they come back by
/// timer, no sooner.
#[test]
fn a_server_that_dies_is_one_class_and_no_stampede() {
    in_namespace("a_server_that_dies_is_one_class_and_no_stampede", || {
        const CONNS: u64 = 3_000;
        let server = Server::listen("127.0.0.1:39000", "--delay 60s");
        let url = server.url();
        let words = "--conns 3000 --timeout 60s --duration 7s --drain 0s";
        let mut run = followed(words).arg(&url).spawn();
        run.await_measurement();
        thread::sleep(Duration::from_millis(500));
        server.kill();
        thread::sleep(Duration::from_millis(1500));
        let second = Server::listen("127.0.0.1:39000", "--delay 60s");
        let report = run.wait().expect(NOT_AS_EXPECTED).json();
        report.assert_ledger();
        // A dying process closes its listener last (Linux 6.18), and its backlog is reset: who was back
        // by then, which are the more the longer it waits for a processor to die on.
        let failures = report.sum("requests.failed");
        let back = failures - report.count("requests.failed.closed_before_response");
        assert_eq!(back, of_class(&report, "requests.failed", "reset"));
        assert_eq!(report.count("connections.closed.by_server"), failures);
        assert_eq!(failures - back, CONNS);
        let attempts = report.sum("connections.failed");
        let reset = of_class(&report, "connections.failed", "connect.reset");
        assert_eq!(of_class(&report, "connections.failed", "connect.refused"), attempts - reset);
        let tried = back + attempts;
        assert!(tried <= CONNS * ATTEMPTS_OF_A_PLACE, "{tried} attempts");
        assert_eq!(report.count("connections.live"), CONNS);
        assert_eq!(second.stop().count("target.connections_seen"), CONNS);
    });
}

/// A file in the place of another, in this mount namespace alone.
fn put_over(folder: &tempfile::TempDir, place: &str, text: &str) {
    let file = folder.path().join(place.replace('/', "_"));
    fs::write(&file, text).unwrap();
    assert!(Command::new("mount").arg("--bind").arg(&file).arg(place).status().unwrap().success());
}

/// Answers every question to a resolver with this code (RFC 1035, 4.1.1) and no address; none is no answer.
fn name_server(socket: &UdpSocket, code: Option<u8>) {
    let mut question = [0; 512];
    while let Ok((bytes, from)) = socket.recv_from(&mut question) {
        let Some(code) = code else { continue };
        (question[2], question[3]) = (0x81, 0x80 | code);
        let _ = socket.send_to(&question[..bytes], from);
    }
}

/// B20: a name without an address is one line, whatever the resolver does about it.
#[test]
fn a_name_that_no_resolver_knows_is_one_line() {
    in_namespace("a_name_that_no_resolver_knows_is_one_line", || {
        let folder = tempfile::tempdir().unwrap();
        let resolver = "nameserver 127.0.0.53\noptions timeout:1 attempts:1\n";
        put_over(&folder, "/etc/resolv.conf", resolver);
        let (empty, refused, unknown) = (Some(0), Some(5), Some(3));
        for code in [empty, unknown, refused, None] {
            let socket = UdpSocket::bind("127.0.0.53:53").unwrap();
            let longest = Duration::from_millis(100);
            socket.set_read_timeout(Some(longest)).unwrap();
            let run = sclients("--conns 1 http://target.example/").spawn();
            let over = std::sync::atomic::AtomicBool::new(false);
            let done = thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        name_server(&socket, code);
                    }
                });
                let done = run.wait();
                over.store(true, std::sync::atomic::Ordering::Relaxed);
                done
            });
            assert_one_line(&done.expect(USAGE), &["target.example"]);
        }
        assert_eq!(active_opens(), 0);
    });
}

/// B20: a name is looked up once; where it leads later is nothing to a run.
#[test]
fn a_name_is_looked_up_once() {
    in_namespace("a_name_is_looked_up_once", || {
        let folder = tempfile::tempdir().unwrap();
        put_over(&folder, "/etc/hosts", "127.0.0.1 target.example\n");
        let server = Server::start("");
        let words = "--conns 10 --requests-per-connection 5 --think 10ms --duration 1s";
        let url = format!("http://target.example:{}/", server.port());
        let mut run = followed(words).arg(&url).spawn();
        run.await_measurement();
        fs::write("/etc/hosts", "127.0.0.9 target.example\n").unwrap();
        let report = run.wait().expect(0).json();
        report.assert_ledger();
        assert_eq!(report.text("plan.peer"), server.address);
        assert_eq!(report.at("connections.failed"), &json!({}));
        assert!(report.count("connections.reopened") > 10);
        let seen = server.stop();
        assert_eq!(seen.count("target.connections_seen"), report.count("connections.established"));
    });
}

/// B21: a source that is another host's.
#[test]
fn a_source_that_is_not_of_this_host_is_refused_before_a_packet_leaves() {
    let name = "a_source_that_is_not_of_this_host_is_refused_before_a_packet_leaves";
    in_namespace(name, || {
        let server = Server::start("");
        let before = active_opens();
        let words = "--conns 5 --source 203.0.113.10,203.0.113.9";
        let done = sclients(words).arg(server.url()).run().expect(REFUSED);
        assert_one_line(&done, &["203.0.113.10 is not an address of this host", "ip addr add"]);
        assert_eq!(active_opens(), before);
    });
}
