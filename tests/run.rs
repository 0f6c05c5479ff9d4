//! Whole runs: what is reported equals what the target saw, and reads as promised.

mod driver;

use driver::{Report, Server, sclients};
use serde_json::{Value, json};
use std::fs;

/// The whole of a short run in JSON, which ended well.
#[track_caller]
fn report(words: &str) -> Report {
    let report = sclients("--format json").words(words).run().expect(0).json();
    report.assert_ledger();
    report.assert_sound();
    report
}

#[test]
fn a_closed_loop_counts_what_the_target_saw() {
    let report = report("--procs 3 --conns 100 --duration 1s");
    report.assert_equals_target();
    assert_eq!(report.count("connections.planned"), 300);
    assert_eq!(report.count("connections.peak_live"), 300);
    assert_eq!(report.count("connections.unserved"), 0);
    assert!(report.count("requests.completed") >= 300);
    assert_eq!(report.count("requests.in_flight"), 0);
    assert_eq!(report.count("requests.completed"), report.count("requests.sent"));
    assert_eq!(report.at("statuses"), &json!({ "200": report.count("requests.completed") }));
    assert_eq!(report.number("requests.failed_share"), 0.0);
    assert_eq!(report.list("workers").len(), 3);
}

#[test]
fn hold_keeps_every_connection_and_sends_nothing() {
    let report = report("--procs 2 --conns 1000 --load hold --duration 1s");
    report.assert_equals_target();
    assert_eq!(report.count("connections.peak_live"), 2000);
    assert_eq!(report.count("connections.established"), 2000);
    assert_eq!(report.at("connections.failed"), &json!({}));
    assert_eq!(report.count("connections.reopened"), 0);
    assert_eq!(report.count("requests.due"), 0);
    assert_eq!(report.at("requests.failed_share"), &Value::Null);
}

#[test]
fn user_memory_per_connection_is_small_and_printed() {
    let report = report("--conns 2000 --load hold --duration 1s");
    let bytes = report.number("generator.user_bytes_per_connection");
    assert!(bytes > 0.0 && bytes < 1024.0, "{bytes}");
    let text = sclients("--conns 2000 --load hold --duration 1s").run().expect(0).stdout;
    assert!(
        text.contains("B of user memory per connection"),
        "in the units of other bytes: {text}"
    );
}

#[test]
fn a_heartbeat_sends_on_each_connection_so_often() {
    let report = report("--conns 100 --load hold --heartbeat 200ms --duration 2s");
    report.assert_equals_target();
    let sent = report.count("requests.sent");
    assert!((500..=1100).contains(&sent), "{sent} of about 1,000");
}

#[test]
fn a_number_of_requests_is_exact_over_workers_that_do_not_divide_it() {
    let report = report("--procs 3 --conns 10 --requests 1000");
    report.assert_equals_target();
    for path in ["requests.due", "requests.sent", "requests.completed", "latency_us.from_due.count"]
    {
        assert_eq!(report.count(path), 1000, "{path}");
    }
}

#[test]
fn fewer_requests_than_connections_are_exact_too() {
    let report = report("--procs 3 --conns 10 --requests 7");
    report.assert_equals_target();
    assert_eq!(report.count("requests.completed"), 7);
    assert_eq!(report.count("connections.established"), 30);
    assert_eq!(report.count("connections.unserved"), 23);
}

#[test]
fn think_time_bounds_what_a_connection_sends() {
    let report = report("--conns 20 --think 100ms --duration 1s");
    report.assert_equals_target();
    let sent = report.count("requests.sent");
    assert!((60..=220).contains(&sent), "{sent} of at most 11 per connection");
}

#[test]
fn a_connect_rate_is_kept_in_total() {
    let report = report("--procs 2 --conns 25 --connect-rate 100 --load hold --duration 1s");
    assert_eq!(report.count("connections.established"), 50);
    let seconds = report.number("connections.open_seconds");
    assert!(seconds >= 0.45, "{seconds}");
    assert!(report.number("phases.0.seconds") >= seconds);
}

#[test]
fn the_four_phases_come_in_order_and_add_up() {
    let report = report("--procs 2 --conns 50 --warmup 500ms --duration 1s");
    let names: Vec<&Value> = report.list("phases").iter().map(|phase| &phase["name"]).collect();
    assert_eq!(names, ["open", "warm-up", "measurement", "drain"]);
    let total = |of: &dyn Fn(&Value) -> u64| report.list("phases").iter().map(of).sum::<u64>();
    for counter in ["attempted", "established", "reopened"] {
        let sum = total(&|phase| phase["connections"][counter].as_u64().unwrap());
        assert_eq!(sum, report.count(&format!("connections.{counter}")), "{counter}");
    }
    for counter in ["due", "sent", "completed", "unexpected_status"] {
        let sum = total(&|phase| phase["requests"][counter].as_u64().unwrap());
        assert_eq!(sum, report.count(&format!("requests.{counter}")), "{counter}");
    }
    let bytes = |name: &'static str| total(&|phase| phase[name].as_u64().unwrap());
    assert_eq!(bytes("bytes_read"), report.count("target.bytes_written"));
    assert_eq!(bytes("bytes_written"), report.count("target.bytes_read"));
    assert_eq!(report.number("phases.1.seconds"), 0.5);
    assert_eq!(report.number("phases.2.seconds"), 1.0);
    assert_eq!(report.count("phases.0.connections.established"), 100);
}

#[test]
fn no_request_leaves_in_the_open_phase() {
    let report = report("--procs 2 --conns 1000 --duration 1s");
    assert_eq!(report.count("phases.0.requests.sent"), 0);
    assert_eq!(report.count("phases.0.bytes_written"), 0);
}

#[test]
fn latencies_are_of_the_requests_due_in_measurement() {
    let report = report("--conns 50 --warmup 500ms --duration 1s");
    assert!(report.count("phases.1.requests.due") > 0);
    let measured = report.count("latency_us.from_due.count");
    assert_eq!(report.count("latency_us.from_send.count"), measured);
    // Throughput is of the answers in that second, whenever they were asked for.
    let answered = report.number("throughput.requests_per_s").round() as u64;
    assert!(answered.abs_diff(measured) <= 2 * 50, "{answered} answered, {measured} measured");
    assert!(measured < report.count("requests.due"));
    // A phase's counters end with a turn of the loop, in which a connection sends once at most.
    let due = report.count("phases.2.requests.due");
    assert!(due.abs_diff(measured) <= 2 * 50, "{due} due, {measured} measured");
}

#[test]
fn without_warm_up_the_first_requests_are_measured() {
    let report = report("--conns 50 --duration 1s");
    assert_eq!(report.count("phases.2.requests.due"), report.count("requests.due"));
    assert_eq!(report.count("latency_us.from_due.count"), report.count("requests.due"));
}

#[test]
fn the_keys_of_the_json_contract_are_there() {
    let report = report("--conns 5 --duration 1s");
    let paths = "
        schema verdict.state verdict.reasons verdict.notes plan.procs plan.conns plan.connections plan.load
        plan.seed phases.0.name phases.0.seconds connections.planned connections.attempted
        connections.established connections.live connections.peak_live connections.unserved
        connections.reopened connections.closed.by_us connections.closed.by_server
        connections.failed connections.lost connections.ports_skipped connections.open_seconds
        requests.due requests.not_sent requests.sent requests.completed requests.unexpected_status
        requests.failed requests.in_flight requests.censored requests.lost requests.unknown_ms
        requests.failed_share throughput.requests_per_s throughput.bytes_read_per_s
        throughput.bytes_written_per_s statuses workers.0.slot workers.0.generation workers.0.pid
        workers.0.exit workers.0.cpu_seconds workers.0.rss_peak_bytes generator.cpu_seconds
        generator.cpu_us_per_request generator.user_bytes_per_connection generator.send_lag_us
        generator.loop_lag_us generator.strain.runqueue_share generator.strain.cpu_share
        generator.strain.involuntary_switches_per_s generator.strain.longest_stop_ms
        workers.0.runqueue_share workers.0.cpu_share host.steal_share host.cpu_pressure
        host.throttled_periods host.packets_dropped host.clock_jumps host.tcp host.tcp_before
        host.suspended_seconds host.tcp_memory_share host.tracked_connections
        host.baseline.seconds
        host.baseline.steal_share host.baseline.cpu_pressure host.baseline.packets_dropped
        host.baseline.tcp generator.departures supervisor.cpu_seconds supervisor.rss_peak_bytes
        supervisor.loop_gap_us target.connections_seen target.requests_seen";
    for path in paths.split_whitespace() {
        report.at(path);
    }
    for latency in ["from_due", "from_send", "connect", "sched_lag"] {
        for figure in ["count", "mean", "p50", "p90", "p95", "p99", "p999", "p9999", "max"] {
            report.at(&format!("latency_us.{latency}.{figure}"));
        }
    }
}

#[test]
fn percentiles_rise_and_from_due_is_never_below_from_send() {
    let report = report("--conns 50 --duration 1s");
    for latency in ["from_due", "from_send", "connect"] {
        let at = |figure: &&str| report.at(&format!("latency_us.{latency}.{figure}")).as_f64();
        let figures = ["p50", "p90", "p95", "p99", "p999", "p9999", "max"];
        // What too few samples cannot tell is null.
        let figures: Vec<f64> = figures.iter().filter_map(at).collect();
        assert!(figures.len() > 2 && figures.is_sorted(), "{latency} {figures:?}");
        assert!(figures[0] > 0.0, "{latency} {figures:?}");
    }
    let mean = |latency| report.number(&format!("latency_us.{latency}.mean"));
    assert!(mean("from_due") >= mean("from_send"));
}

#[test]
fn a_delayed_answer_is_measured_as_late() {
    let report = report("--conns 10 --duration 1s --target-delay 50ms");
    report.assert_equals_target();
    assert!(report.number("latency_us.from_send.p50") >= 49_900.0);
    assert!(report.count("requests.completed") <= 10 * 21);
}

#[test]
fn a_service_time_is_the_targets_capacity() {
    let server = Server::start("--service 10ms");
    let report = report(&format!("--conns 1 --duration 1s {}", server.url()));
    let completed = report.count("requests.completed");
    assert!((40..=101).contains(&completed), "{completed} of at most 1/T");
    assert_eq!(server.stop().count("target.requests_seen"), completed);
}

#[test]
fn a_stall_is_as_long_as_asked_and_loses_nothing() {
    let report = report("--conns 20 --duration 1500ms --target-stall 300ms:500ms");
    report.assert_equals_target();
    let max = report.number("latency_us.from_send.max");
    assert!(max >= 495_000.0, "{max} us");
    assert_eq!(report.count("requests.completed"), report.count("requests.sent"));
    assert_eq!(report.count("connections.reopened"), 0);
    let p50 = report.number("latency_us.from_send.p50");
    assert!(p50 < 400_000.0, "it goes on before and after: {p50} us");
}

#[test]
fn stalls_repeat_and_a_serving_target_keeps_its_capacity() {
    let words = "--target-stall 700ms:300ms,200ms:300ms --target-service 10ms";
    let report = report(&format!("--conns 4 --duration 1500ms {words}"));
    report.assert_equals_target();
    // 10 ms each, in all but 600 ms; those in flight at the end are drained.
    let completed = report.count("requests.completed");
    assert!(completed <= 90 + 4, "{completed} answers");
    assert!(report.number("latency_us.from_send.max") >= 300_000.0);
}

#[test]
fn a_stall_without_end_leaves_requests_in_flight_and_ends_with_the_run() {
    let words = "--conns 10 --duration 600ms --drain 200ms --target-stall 200ms:end";
    let done = sclients("--format json").words(words).run().expect(0);
    assert!(done.waited.as_secs() < 10, "{:?}", done.waited);
    let report = done.json();
    report.assert_ledger();
    report.assert_equals_target();
    assert_eq!(report.count("requests.in_flight"), 10);
    assert_eq!(report.count("requests.censored"), 10);
    assert_eq!(report.count("target.arrivals.0.count"), report.count("requests.sent"));
}

#[test]
fn who_connects_in_a_stall_is_accepted_after_it() {
    let words = "--conns 10 --duration 1s --timeout 300ms --target-stall 200ms:500ms";
    let report = sclients("--format json").words(words).run().expect(0).json();
    report.assert_ledger();
    assert_eq!(report.at("requests.failed")["timeout.first_byte"], 10);
    report.assert_equals_target();
}

#[test]
fn the_target_tells_how_evenly_requests_came() {
    let report = report("--conns 1 --think 20ms --duration 1s");
    let arrivals = report.list("target.arrivals");
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0]["count"], report.count("requests.sent"));
    let number = |key: &str| arrivals[0][key].as_f64().unwrap();
    assert!(number("gap_mean_us") >= 20e3 && number("gap_cv") >= 0.0, "{arrivals:#?}");
    assert_eq!(arrivals[0]["max_in_1ms"], 1);
    let stalled = self::report("--conns 20 --duration 1s --target-stall 200ms:400ms");
    assert!(stalled.number("target.arrivals.0.gap_cv") > 3.0);
    assert!(stalled.count("target.arrivals.0.max_in_1ms") > 1);
    let echo = "--format json --target-protocol echo --conns 5 --requests 500";
    let echoed = sclients(echo).run().expect(0).json();
    assert_eq!(echoed.count("target.arrivals.0.count"), 500);
}

#[test]
fn each_process_of_a_target_tells_its_own_arrivals() {
    let server = Server::start("--procs 2");
    let report = report(&format!("--conns 50 --requests 1000 {}", server.url()));
    let seen = server.stop();
    let arrivals = seen.list("target.arrivals");
    let counts = arrivals.iter().map(|process| process["count"].as_u64().unwrap());
    assert_eq!((arrivals.len(), counts.sum::<u64>()), (2, report.count("requests.sent")));
}

#[test]
fn a_target_apart_saw_the_same() {
    let server = Server::start("--procs 2 --body-bytes 1KiB");
    let report = report(&format!("--procs 2 --conns 50 --duration 1s {}", server.url()));
    assert_eq!(report.0.get("target"), None);
    let seen = server.stop();
    assert_eq!(seen.count("target.requests_seen"), report.count("requests.sent"));
    assert_eq!(seen.count("target.connections_seen"), report.count("connections.established"));
    let bodies = 1024 * report.count("requests.completed");
    assert!(seen.count("target.bytes_written") > bodies);
}

#[test]
fn methods_and_bodies_go_out_as_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("body"), "x".repeat(1000)).unwrap();
    let bytes_per_request = |words: &str| {
        let server = Server::start("");
        let command = sclients("--format json --conns 5 --requests 100").words(words);
        let report = command.arg(server.url()).in_folder(folder.path()).run().expect(0).json();
        report.assert_ledger();
        assert_eq!(report.count("statuses.200"), 100, "{words}");
        let seen = server.stop();
        assert_eq!(seen.count("target.requests_seen"), 100, "{words}");
        assert_eq!(seen.count("target.bad_requests"), 0, "{words}");
        (seen.count("target.bytes_read") / 100, seen.count("target.bytes_written") / 100)
    };
    let (get_out, get_back) = bytes_per_request("");
    let (_, head_back) = bytes_per_request("-X HEAD");
    let (post_out, _) = bytes_per_request("-X POST");
    let (data_out, _) = bytes_per_request("-d 0123456789");
    let (file_out, _) = bytes_per_request("-d @body -H Content-Type:a/b");
    assert_eq!(get_back - head_back, 64, "the body is what HEAD leaves out");
    assert!(post_out > get_out && data_out > get_out + 10 && file_out > get_out + 1000);
}

#[test]
fn an_unexpected_status_is_completed_and_counted() {
    let done = sclients("--format json --conns 5 --requests 50 --expect-status 404").run();
    let report = done.expect(4).json();
    report.assert_ledger();
    assert_eq!(report.count("requests.completed"), 50);
    assert_eq!(report.count("requests.unexpected_status"), 50);
    assert_eq!(report.number("requests.failed_share"), 1.0);
}

#[test]
fn a_target_that_never_answers_is_not_as_expected() {
    let words = "--format json --conns 5 --duration 1s --timeout 300ms --target-delay 1h";
    let report = sclients(words).run().expect(4).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert_eq!(report.count("requests.completed"), 0);
    assert!(report.0["requests"]["failed"]["timeout.first_byte"].as_u64().unwrap() > 0);
}

#[test]
fn ipv6_loopback_is_loaded_as_well() {
    let server = Server::listen("[::1]:0", "");
    assert!(server.address.starts_with("[::1]:"));
    let report = report(&format!("--procs 2 --conns 20 --requests 500 {}", server.url()));
    assert_eq!(report.text("plan.peer"), server.address);
    assert_eq!(server.stop().count("target.requests_seen"), 500);
    assert_eq!(report.count("connections.established"), 40);
}

#[test]
fn an_embedded_target_listens_where_it_is_told() {
    let report = report("--conns 5 --requests 50 --target-listen [::1]:0");
    report.assert_equals_target();
    assert!(report.text("plan.peer").starts_with("[::1]:"));
}

#[test]
fn resolve_stands_in_for_a_look_up() {
    let server = Server::start("");
    let port = server.port();
    let words = format!(
        "--conns 5 --requests 50 --resolve example.test:{port}:127.0.0.1 http://example.test:{port}/"
    );
    assert_eq!(report(&words).text("plan.peer"), server.address);
    assert_eq!(server.stop().count("target.requests_seen"), 50);
}

#[test]
fn echoes_come_back_whole() {
    let server = Server::start("--protocol echo");
    let words = format!("--conns 20 --requests 500 --message-bytes 10KiB tcp://{}", server.address);
    let apart = sclients("--format json").words(&words).run().expect(0).json();
    assert_eq!(apart.count("requests.completed"), 500);
    assert_eq!(apart.at("requests.failed"), &json!({}));
    let seen = server.stop();
    assert_eq!(seen.count("target.bytes_read"), 500 * 10 * 1024);
    assert_eq!(seen.count("target.bytes_written"), 500 * 10 * 1024);
    let words = "--format json --procs 2 --conns 20 --duration 1s --target-protocol echo";
    let embedded = sclients(words).run().expect(0).json();
    assert_eq!(embedded.count("requests.completed"), embedded.count("requests.sent"));
    assert_eq!(embedded.count("target.bytes_read"), 64 * embedded.count("requests.sent"));
}

#[test]
fn progress_is_plain_lines_on_standard_error_and_the_result_alone_on_standard_output() {
    let done = sclients("--format json --conns 5 --duration 1500ms --progress 500ms").run();
    let done = done.expect(0);
    assert!(done.json().0.is_object());
    let stderr = done.stderr.join("\n");
    assert!(done.stderr.len() >= 2 && stderr.contains("measurement"), "{stderr}");
    assert!(stderr.contains("5 live") && stderr.contains("req/s"), "{stderr}");
    assert!(!stderr.contains(['\r', '\x1b']), "a live view is for a terminal");
}

#[test]
fn the_text_for_a_person_says_what_the_target_saw() {
    let done = sclients("--procs 2 --conns 5 --requests 1200 --seed 77").run().expect(0);
    let parts = [
        "closed loop, 2 workers × 5 connections = 10",
        "verdict",
        "1,200 completed",
        "200: 1,200",
        "from due",
        "from send",
        "10 connections, 1,200 requests: exactly what was sent",
        "seed         77",
    ];
    for part in parts {
        assert!(done.stdout.contains(part), "no {part:?} in\n{}", done.stdout);
    }
    assert!(!done.stdout.contains('\x1b'));
    let coloured = sclients("--conns 5 --requests 5 --color always").run().expect(0);
    assert!(coloured.stdout.contains('\x1b'));
}

#[test]
fn a_seed_is_drawn_and_printed_or_taken() {
    assert_eq!(report("--conns 5 --requests 5 --seed 12345").count("plan.seed"), 12345);
    let drawn = || report("--conns 5 --requests 5").count("plan.seed");
    assert_ne!(drawn(), drawn());
}

#[test]
fn standard_output_closed_by_its_reader_is_silent_and_the_run_goes_on() {
    for format in ["text", "json"] {
        let server = Server::start("");
        let words = format!("--conns 5 --requests 500 --format {format} {}", server.url());
        let done = sclients(&words).spawn_unread().wait().expect(0);
        assert!(done.stderr.is_empty(), "{:?}", done.stderr);
        assert_eq!(server.stop().count("target.requests_seen"), 500);
    }
    for words in ["--help", "man", "completions bash", "doctor", "doctor --format json"] {
        let done = sclients(words).spawn_unread().wait().expect(0);
        assert!(done.stderr.is_empty(), "{words}: {:?}", done.stderr);
    }
}

#[test]
fn options_come_from_a_file_and_the_command_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    fs::write(&path, "procs = 2\nconns = 10\nrequests = 300\nformat = \"json\"\n").unwrap();
    let report = sclients("--conns 5 --config").arg(path).run().expect(0).json();
    assert_eq!(report.count("plan.procs"), 2);
    assert_eq!(report.count("plan.conns"), 5);
    assert_eq!(report.count("requests.completed"), 300);
}

#[test]
fn quantiles_say_how_sure_they_are() {
    let report = report("--conns 20 --duration 2s");
    for latency in ["from_due", "from_send"] {
        let of = |key: &str| report.at(&format!("latency_us.{latency}.{key}"));
        let quantiles = ["p50", "p90", "p95", "p99", "p999", "p9999"];
        for quantile in quantiles {
            let value = report.number(&format!("latency_us.{latency}.{quantile}"));
            match &of("ci")[quantile] {
                Value::Array(ends) => {
                    let (low, high) = (ends[0].as_f64().unwrap(), ends[1].as_f64().unwrap());
                    assert!(low <= value && value <= high * 1.001, "{low} {value} {high}");
                }
                told => assert_eq!(told, "insufficient"),
            }
        }
    }
    let few = sclients("--conns 3 --requests 3 --format json").run().expect(0).json();
    assert!(
        few.number("latency_us.from_due.p50") > 0.0
            && few.number("latency_us.from_due.p9999") > 0.0
    );
    assert_eq!(few.at("latency_us.from_due.ci.p50"), "insufficient");
    assert!(few.number("latency_us.from_due.max") > 0.0);
}

#[test]
fn an_interval_log_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.hlog");
    let words = "--conns 5 --duration 1s --hlog";
    sclients(words).arg(&path).run().expect(0);
    let log = fs::read_to_string(&path).unwrap();
    assert!(log.starts_with("#[Histogram log format version 1.3]\n"), "{log}");
    for tag in ["Tag=from_due,", "Tag=from_send,"] {
        let lines = log.lines().filter(|line| line.starts_with(tag)).count();
        assert!((15..=25).contains(&lines), "{lines} of {tag}");
    }
    let again = sclients(words).arg(&path).run().expect(2);
    assert!(again.stderr[0].contains("there is such a file"), "{:?}", again.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), log);
    let nowhere = sclients(words).arg(folder.path().join("no/run.hlog")).run().expect(2);
    assert_eq!(nowhere.stderr.len(), 1, "{:?}", nowhere.stderr);
}

#[test]
fn every_file_in_configs_runs() {
    let files = fs::read_dir(driver::root().join("configs")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let text = fs::read_to_string(&path).unwrap();
        let (attempts, curve) = (text.contains("attempt-rate"), text.contains("curve ="));
        if curve || text.contains("[[") {
            continue;
        }
        let conns = if attempts { "" } else { "--conns 10" };
        let shrunk = format!("--procs 2 {conns} --duration 200ms --format json --config");
        let done = sclients(&shrunk).arg(&path).run();
        let report = done.expect_or_late(0).json();
        report.assert_ledger();
        match attempts {
            true => assert_eq!(report.count("attempts.offered"), 4_000),
            false => assert_eq!(report.count("connections.peak_live"), 20, "{}", path.display()),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let curve = driver::root().join("configs/overload-curve.toml");
    let words = "--curve 100..200/2 --step 1s --format json --config";
    let words = format!("{words} {} --out {}/curve", curve.display(), folder.path().display());
    sclients(&words).run().expect(0);
}

#[test]
fn doctor_says_whether_a_plan_fits_and_opens_nothing() {
    let fits = sclients("doctor --conns 100").run().expect(0);
    assert!(fits.stdout.contains("1 × 100 = 100 connections"), "{}", fits.stdout);
    let fits = sclients("doctor --conns 100 --format json").run().expect(0).json();
    assert_eq!(fits.count("plan.connections"), 100);
    assert!(fits.list("findings").iter().all(|finding| finding["level"] != "refuse"));
    let refused = sclients("doctor --conns 30000").run().expect(3);
    assert!(refused.stdout.contains("refuse") && refused.stdout.contains("--procs"));
    let refused = sclients("doctor --conns 30000 --format json").run().expect(3).json();
    assert!(refused.list("findings").iter().any(|finding| finding["level"] == "refuse"));
}

#[test]
fn help_version_man_page_and_completions_are_printed() {
    let table = [
        ("--help", "Exit codes:"),
        ("serve --help", "--body-bytes"),
        ("doctor --help", "--procs"),
        ("--version", env!("CARGO_PKG_VERSION")),
        ("man", ".TH sclients"),
        ("completions bash", "_sclients"),
        ("completions zsh", "#compdef sclients"),
        ("completions fish", "complete -c sclients"),
    ];
    for (words, part) in table {
        let done = sclients(words).run().expect(0);
        assert!(done.stdout.contains(part), "{words}: no {part:?} in\n{}", done.stdout);
        assert!(done.stderr.is_empty(), "{words}");
    }
}

#[test]
fn places_that_we_close_and_open_again_find_a_source_port() {
    let words = "--format json --conns 50 --duration 2s --timeout 20ms --target-delay 50ms";
    let report = sclients(words).run().expect(4).json();
    report.assert_ledger();
    report.assert_equals_target();
    assert!(report.count("connections.reopened") > 50);
    assert_eq!(report.at("connections.failed"), &json!({}));
}
