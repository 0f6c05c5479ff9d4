//! Scenarios: what a server of the test saw of sessions is what the run reports, step by step.

mod driver;

use driver::{Done, Report, sclients};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;

/// What the shop saw.
#[derive(Default)]
struct Seen {
    logins: u64,
    items: u64,
    orders: u64,
    /// Requests whose token was never handed out.
    strangers: u64,
    tokens: HashSet<String>,
    users: BTreeSet<String>,
    heads: Vec<String>,
}

/// A shop that hands out tokens and verifies them, as long as the test lasts.
struct Shop {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

/// How a shop misbehaves.
#[derive(Clone, Copy, Default)]
struct Manner {
    /// Each answer ends its connection.
    closes: bool,
    /// Tokens hold a line end and a header behind it.
    evil: bool,
    /// Every so manyth login has no token; 0 is none.
    forgets: u64,
    /// Every so manyth item breaks its connection; 0 is none.
    breaks: u64,
}

struct Asked {
    line: String,
    head: String,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default().trim()
    }
}

impl Shop {
    fn open(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let own = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&own);
                thread::spawn(move || serve(&stream, manner, &seen));
            }
        });
        Self { port, seen }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

/// The next request; none where the connection has ended.
fn asked(reader: &mut impl BufRead) -> Option<Asked> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let (line, head) = head.split_once("\r\n").unwrap();
    let mut asked = Asked { line: line.into(), head: head.into(), body: String::new() };
    let mut body = vec![0; asked.header("Content-Length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

fn serve(mut stream: &TcpStream, manner: Manner, seen: &Mutex<Seen>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(asked) = asked(&mut reader) {
        let Some((status, body)) = answer(&asked, manner, &mut seen.lock().unwrap()) else {
            return;
        };
        let token =
            body.split("token\": \"").nth(1).and_then(|rest| rest.split(['"', '\\']).next());
        let cookie = token.map(|token| format!("Set-Cookie: sid={token}; Path=/\r\n"));
        let cookie = cookie.unwrap_or_default();
        let close = if manner.closes { "Connection: close\r\n" } else { "" };
        let kind = if body.starts_with('{') { "application/json" } else { "text/html" };
        // Orders are answered whole, the others in chunks.
        let framed = match status {
            201 => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
            _ => {
                format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
            }
        };
        let text =
            format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{cookie}{close}{framed}");
        if stream.write_all(text.as_bytes()).is_err() || manner.closes {
            return;
        }
    }
}

fn answer(asked: &Asked, manner: Manner, seen: &mut Seen) -> Option<(u16, String)> {
    seen.heads.push(format!("{}\r\n{}", asked.line, asked.head));
    let path = asked.line.split(' ').nth(1).unwrap();
    if path.starts_with("/login") {
        if let (Some((_, query)), false) = (path.split_once('?'), asked.body.is_empty()) {
            let one = query == asked.body && query == asked.header("X-Number");
            seen.strangers += u64::from(!one);
        }
        seen.logins += 1;
        seen.users.insert(asked.body.clone());
        if manner.forgets > 0 && seen.logins.is_multiple_of(manner.forgets) {
            return Some((200, "{\"error\": true}".into()));
        }
        let token = format!("t{}", seen.logins);
        let sent = if manner.evil { format!("{token}\\r\\nX-Evil: 1") } else { token.clone() };
        seen.tokens.insert(token);
        return Some((
            200,
            format!("{{\"session\": {{\"token\": \"{sent}\"}}, \"id\": {}}}", seen.logins),
        ));
    }
    let known = seen.tokens.contains(asked.header("X-Token"));
    seen.strangers += u64::from(!known);
    if path.starts_with("/items/") {
        seen.items += 1;
        if manner.breaks > 0 && seen.items.is_multiple_of(manner.breaks) {
            return None;
        }
        return Some((
            if known { 200 } else { 403 },
            format!("<a href=\"/cart/{}\">welcome</a>", seen.items),
        ));
    }
    seen.orders += 1;
    Some((201, format!("ordered at {path}")))
}

/// A session of three requests that uses what it was given.
const BUY: &str = r#"
[[session]]
name = "buy"
[[session.step]]
name = "login"
request = "POST /login?n={{counter}}"
headers = { X-Number = "n={{counter}}" }
body = "n={{counter}}"
expect = { status = "200", header = { content-type = "json" } }
extract = { token = { json = "/session/token" }, id = { regex = '"id": (\d+)' }, code = { status = true } }
[[session.step]]
think = "1ms..3ms"
[[session.step]]
loop = 2
[[session.step.steps]]
name = "item"
request = "GET /items/{{id}}?c={{code}}"
headers = { X-Token = "{{token}}" }
expect = { status = "200", contains = "welcome", matches = 'cart/\d+"' }
extract = { cart = { between = ['href="', '"'] }, kind = { header = "content-type" } }
[[session.step]]
name = "order"
request = "POST {{cart}}"
headers = { X-Token = "{{token}}", X-Kind = "{{kind}}" }
expect = { status = "200-299", bytes = "1..1KiB", contains = "ordered at /cart/", within = "20s" }
"#;

fn written(text: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("s.toml"), text).unwrap();
    folder
}

fn run(folder: &TempDir, words: &str) -> Done {
    sclients("run s.toml --format json").words(words).in_folder(folder.path()).run()
}

fn step<'a>(report: &'a Report, session: usize, name: &str) -> &'a Value {
    let steps = report.at(&format!("sessions.{session}.steps")).as_array().unwrap();
    steps.iter().find(|step| step["name"] == name).unwrap()
}

fn count(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} of {value}"))
}

/// What holds of any run: requests of steps are requests sent, and sessions add up.
fn assert_sessions(report: &Report) {
    report.assert_ledger();
    let mut requests = 0;
    for session in report.list("sessions") {
        let ended = ["completed", "broken", "extract_failed"].map(|key| count(session, key));
        let unfinished = count(session, "unfinished");
        assert_eq!(count(session, "begun"), ended.iter().sum::<u64>() + unfinished, "{session}");
        assert!(unfinished <= report.count("connections.planned"), "{session}");
        requests += session["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| count(step, "requests"))
            .sum::<u64>();
    }
    assert_eq!(requests, report.count("requests.sent"));
}

#[test]
fn what_the_server_saw_is_what_is_reported_step_by_step() {
    let shop = Shop::open(Manner::default());
    let folder = written(BUY);
    let report = run(&folder, &format!("--procs 2 --conns 3 --duration 1500ms {}", shop.url()))
        .expect(0)
        .json();
    assert_sessions(&report);
    let seen = shop.seen.lock().unwrap();
    assert_eq!(seen.strangers, 0, "every token was one that was handed out");
    for (name, saw) in [("login", seen.logins), ("item", seen.items), ("order", seen.orders)] {
        let step = step(&report, 0, name);
        assert_eq!((count(step, "requests"), count(step, "completed")), (saw, saw), "{name}");
        assert_eq!(count(&step["latency_us"], "count"), saw);
    }
    let answered = seen.logins + seen.items + seen.orders;
    assert_eq!(report.count("latency_us.from_send.count"), answered, "each step once");
    assert_eq!(seen.users.len() as u64, seen.logins, "no counter twice");
    let session = report.at("sessions.0");
    assert_eq!((count(session, "begun"), count(session, "completed")), (seen.logins, seen.orders));
    assert!(seen.orders > 5, "{session}");
    assert!(
        seen.heads
            .iter()
            .any(|head| head.contains("POST /cart/") && head.contains("X-Kind: text/html"))
    );
    assert_eq!(report.count("requests.checks_failed"), 0);
}

#[test]
fn no_two_phases_give_the_same_number() {
    let shop = Shop::open(Manner::default());
    let phase = |name: &str, more: &str| {
        format!("[[phase]]\nname = '{name}'\nconns = 2\nduration = '500ms'\n{more}\n")
    };
    let phases = phase("one", "") + &phase("with", "with = 'one'\nprocs = 2") + &phase("last", "");
    let folder = written(&format!("{BUY}{phases}"));
    let report = run(&folder, &shop.url()).expect(0).json();
    assert_sessions(&report);
    let seen = shop.seen.lock().unwrap();
    assert_eq!(seen.users.len() as u64, seen.logins);
    assert!(seen.logins > 20, "{}", seen.logins);
}

#[test]
fn a_session_goes_on_over_a_connection_that_is_opened_again() {
    let shop = Shop::open(Manner { closes: true, ..Manner::default() });
    let folder = written(BUY);
    let report = run(&folder, &format!("--conns 4 --duration 1s {}", shop.url())).json();
    assert_sessions(&report);
    let seen = shop.seen.lock().unwrap();
    assert!(seen.orders > 0 && seen.strangers == 0);
    assert_eq!(count(report.at("sessions.0"), "completed"), seen.orders);
    assert!(report.count("connections.reopened") + 4 >= report.count("requests.completed"));
}

#[test]
fn an_open_loop_begins_sessions_by_its_schedule() {
    let shop = Shop::open(Manner::default());
    let folder = written(BUY);
    let words = format!("--rate 40 --conns 20 --duration 2s --procs 2 {}", shop.url());
    let report = run(&folder, &words).json();
    assert_sessions(&report);
    assert_eq!(report.count("requests.planned"), 80);
    let session = report.at("sessions.0");
    assert_eq!(count(session, "begun"), 80, "a session for each tick");
    let seen = shop.seen.lock().unwrap();
    assert_eq!((seen.logins, seen.orders), (80, count(session, "completed")));
    assert!(seen.orders >= 70, "{session}");
}

#[test]
fn a_pause_behind_the_last_step_is_waited_out_whatever_becomes_of_the_connection() {
    let steps = "[[session]]\nname = \"a\"\n[[session.step]]\nrequest = \"GET /order\"\n[[session.step]]\npause = \"300ms\"\n";
    let closed = "--conns 2 --duration 1s --think 100ms";
    let open = "--conns 2 --duration 1s --rate 200 --on-busy drop";
    for (manner, words, most) in [
        (Manner::default(), closed, 2 * 3),
        (Manner { closes: true, ..Manner::default() }, closed, 2 * 3),
        (Manner::default(), open, 2 * 4),
    ] {
        let shop = Shop::open(manner);
        let report = run(&written(steps), &format!("{words} {}", shop.url())).json();
        assert_sessions(&report);
        let orders = shop.seen.lock().unwrap().orders;
        assert!((2..=most).contains(&orders), "{orders} with {words}");
        assert!(count(report.at("sessions.0"), "completed") <= orders);
    }
}

#[test]
fn what_is_not_found_ends_the_session_and_what_breaks_is_counted() {
    let shop = Shop::open(Manner { forgets: 5, breaks: 7, ..Manner::default() });
    let folder = written(BUY);
    let report = run(&folder, &format!("--conns 4 --duration 1s {}", shop.url())).json();
    assert_sessions(&report);
    let seen = shop.seen.lock().unwrap();
    let session = report.at("sessions.0");
    assert_eq!(count(step(&report, 0, "login"), "extract_failed"), seen.logins / 5);
    assert_eq!(count(session, "extract_failed"), seen.logins / 5);
    assert_eq!(count(step(&report, 0, "item"), "failed"), seen.items / 7);
    assert_eq!(count(session, "broken"), seen.items / 7);
    assert!(seen.items / 7 > 0 && seen.logins / 5 > 0);
    assert_eq!(report.count("requests.checks_failed"), seen.logins / 5);
    let failed = (seen.items / 7 + seen.logins / 5) as f64 / report.count("requests.due") as f64;
    assert!((report.number("requests.failed_share") - failed).abs() < 1e-9);
}

#[test]
fn a_value_of_a_server_cannot_break_a_request() {
    let shop = Shop::open(Manner { evil: true, ..Manner::default() });
    let folder = written(BUY);
    let report = run(&folder, &format!("--conns 2 --duration 600ms {}", shop.url())).json();
    assert_sessions(&report);
    let seen = shop.seen.lock().unwrap();
    assert!(seen.logins > 0 && seen.items == 0);
    assert!(seen.heads.iter().all(|head| !head.contains("X-Evil")));
    assert_eq!(
        count(step(&report, 0, "item"), "bad_value"),
        report.count("requests.not_sent.bad_value")
    );
    assert_eq!(
        count(report.at("sessions.0"), "broken"),
        count(step(&report, 0, "item"), "bad_value")
    );
    let in_path =
        BUY.replace("X-Token = \"{{token}}\"", "X-A = \"b\"").replace("c={{code}}", "c={{token}}");
    drop(seen);
    run(&written(&in_path), &format!("--conns 2 --duration 600ms {}", shop.url()));
    let seen = shop.seen.lock().unwrap();
    assert!(
        seen.items > 0
            && seen.heads.iter().any(|head| head.contains("%0D%0AX-Evil%3A%201 HTTP/1.1"))
    );
}

#[test]
fn each_failed_check_is_counted_and_a_request_once() {
    let shop = Shop::open(Manner::default());
    let folder = written(
        "[[session]]\nname = \"a\"\n[[session.step]]\nname = \"x\"\nrequest = \"POST /order\"\n\
         expect = { status = \"201\", contains = \"nothing\", bytes = \"1\", within = \"1h\", header = { x = \"\" } }\n\
         [[session.step]]\nname = \"y\"\nrequest = \"POST /order\"\nexpect = { status = \"200\", contains = \"nothing\" }\n",
    );
    let report = run(&folder, &format!("--conns 1 --requests 20 {}", shop.url())).json();
    assert_sessions(&report);
    let failed = |name: &str| -> Vec<u64> {
        let checks = step(&report, 0, name)["checks"].as_array().unwrap();
        checks.iter().map(|check| count(check, "failed")).collect()
    };
    // Contains, header, bytes, within: in the order in which they are written, texts first.
    let mut of_x = failed("x");
    of_x.sort_unstable();
    assert_eq!((of_x, failed("y")), (vec![0, 10, 10, 10], vec![10]));
    assert_eq!(count(step(&report, 0, "y"), "unexpected_status"), 10);
    assert_eq!(report.count("requests.checks_failed"), 10);
    assert_eq!(report.count("requests.unexpected_status"), 10);
    assert_eq!(report.number("requests.failed_share"), 1.0);
}

#[test]
fn sessions_are_drawn_by_weight_and_rows_of_a_unique_feed_are_nobody_elses() {
    let shop = Shop::open(Manner::default());
    let session = |name: &str, weight: u32| {
        format!(
            "[[session]]\nname = \"{name}\"\nweight = {weight}\n[[session.step]]\nname = \"login\"\nrequest = \"POST /login/{name}\"\nbody = \"{{{{users.id}}}}\"\n"
        )
    };
    let feed = "[[feed]]\nname = \"users\"\nfile = \"users.csv\"\norder = \"unique\"\n";
    let folder = written(&format!("{feed}{}{}", session("often", 9), session("seldom", 1)));
    fs::write(folder.path().join("users.csv"), "id\na\nb\nc\nd\ne\nf\n").unwrap();
    let words = format!("--procs 2 --conns 3 --requests 600 --seed 1 {}", shop.url());
    let report = run(&folder, &words).expect(0).json();
    assert_sessions(&report);
    let begun: Vec<u64> =
        report.list("sessions").iter().map(|session| count(session, "begun")).collect();
    assert_eq!(begun.iter().sum::<u64>(), 600);
    assert!((500..580).contains(&begun[0]), "{begun:?}");
    let seen = shop.seen.lock().unwrap();
    assert!(seen.users.iter().all(|user| ["a", "b", "c", "d", "e", "f"].contains(&user.as_str())));
    drop(seen);
    let done = run(&folder, &format!("--procs 2 --conns 4 --requests 9 {}", shop.url())).expect(2);
    assert!(
        done.stderr[0]
            .contains("s.toml:3:8: feed `users` has 6 rows, but 2 workers of 4 connections need 8"),
        "{:?}",
        done.stderr
    );
}

/// What no number of a report has by chance.
const SECRET: &str = "hush-4711";

#[test]
fn a_kept_run_of_sessions_reports_byte_for_byte_and_holds_no_secret() {
    let shop = Shop::open(Manner { forgets: 3, ..Manner::default() });
    let folder =
        written(&BUY.replace("X-Kind", &format!("Authorization = \"Bearer {SECRET}\", X-Kind")));
    let words = format!("--procs 2 --conns 3 --duration 1500ms --out kept {}", shop.url());
    let live = run(&folder, &words);
    let again = sclients("report --format json kept").in_folder(folder.path()).run();
    assert_eq!((live.stdout.clone(), live.code()), (again.stdout.clone(), again.code()));
    assert!(live.json().count("sessions.0.extract_failed") > 0);
    assert!(
        shop.seen
            .lock()
            .unwrap()
            .heads
            .iter()
            .any(|head| head.contains(&format!("Bearer {SECRET}")))
    );
    for file in files(&folder.path().join("kept")) {
        let bytes = fs::read(&file).unwrap();
        assert!(
            !bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()),
            "{}",
            file.display()
        );
    }
    let text = sclients("report kept").in_folder(folder.path()).run();
    assert!(
        text.stdout.contains("sessions     buy: ")
            && text.stdout.contains("held nothing to extract: token")
    );
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn what_cannot_be_meant_is_shown_where_it_stands_before_load() {
    let request = |line: &str| {
        format!("conns = 2\n[[session]]\nname = \"a\"\n[[session.step]]\nrequest = \"{line}\"\n")
    };
    let get = request("GET /");
    for (text, said) in [
        (
            "cons = 2\n".into(),
            "s.toml:1:1: key `cons` is not an option; the nearest one is `conns`",
        ),
        ("conns = 0\n".into(), "s.toml:1:9: --conns `0` is out of range"),
        ("conns = true\n".into(), "s.toml:1:9: key `conns` cannot be true"),
        ("conns = \n".into(), "s.toml:1:9: "),
        ("target = \"doctor\"\n".into(), "s.toml:1:10: TARGET `doctor` is no target"),
        (request("GET /{{id}}"), "s.toml:5:11: variable `id` is not extracted before this step"),
        (request("GET /{{users.id}}"), "s.toml:5:11: feed `users` is not there; write a [[feed]]"),
        (request("GET /a b"), "s.toml:5:11: path `/a b` is empty or holds blanks"),
        (
            format!("{get}body-file = \"../x\"\n"),
            "s.toml:6:13: body-file `../x` is not in the scenario's folder",
        ),
        (
            format!("{get}headers = {{ Transfer-Encoding = \"chunked\" }}\n"),
            "s.toml:6:13: header `Transfer-Encoding: chunked` cannot be sent",
        ),
        (
            format!("{get}headers = {{ Content-Length = \"5\" }}\n"),
            "s.toml:6:13: header `Content-Length` is counted from the body",
        ),
        (
            format!("{get}headers = {{ \"X Y\" = \"5\" }}\n"),
            "s.toml:6:13: header name `X Y` is not a token",
        ),
        (
            format!("{get}headers = {{ X = \"a\\r\\nb\" }}\n"),
            "s.toml:6:17: header `X` has the value `a\\r\\nb` with control characters",
        ),
        (
            format!("{get}headers = {{ X = \"{{{{id}}}}\" }}\n"),
            "s.toml:6:17: variable `id` is not extracted before this step",
        ),
        (
            format!("{get}body = \"{{{{id}}}}\"\n"),
            "s.toml:6:8: variable `id` is not extracted before this step",
        ),
        (
            format!("header = \"Content-Length: 5\"\n{get}"),
            "s.toml:4:8: header `Content-Length` is counted from each step's body",
        ),
        (
            format!("header = [\"Transfer-Encoding: chunked\"]\n{get}"),
            "s.toml:4:8: header `Transfer-Encoding: chunked` cannot be sent",
        ),
        (
            format!("target = \"http://127.0.0.1:1/base\"\n{get}"),
            "s.toml:4:8: sessions cannot be used with a path of the target",
        ),
        (
            format!("{get}[[feed]]\nname = \"f\"\nfile = \"none.csv\"\n"),
            "s.toml:8:8: file `none.csv` cannot be read",
        ),
        (
            format!("load = \"hold\"\n{get}"),
            "s.toml:4:8: sessions work only with load closed or open",
        ),
        (
            format!("early-answer = \"finish\"\n{get}"),
            "s.toml:4:8: sessions cannot be used with early-answer finish",
        ),
        (
            format!("{get}expect = {{ matches = \"[a-z]{{1000}}{{1000}}\" }}\n"),
            "s.toml:6:22: `[a-z]{1000}{1000}` is larger than 1 MiB",
        ),
    ] {
        let text: String = text;
        for command in ["run", "check"] {
            let done =
                sclients(command).arg("s.toml").in_folder(written(&text).path()).run().expect(2);
            let first = done.stderr.first().cloned().unwrap_or_default();
            assert!(first.starts_with(&format!("sclients: {said}")), "{first}\n{said}");
            assert_eq!(done.stderr.len(), 3, "{:?}", done.stderr);
            assert!(done.stderr[2].trim_start_matches([' ', '|']).starts_with('^'));
        }
    }
}

/// A unique feed of so few rows, and a session that takes none of it.
const SPARSE: &str = "[[feed]]\nname = 'users'\nfile = 'users.csv'\norder = 'unique'\n\
    [[session]]\nname = 'plain'\n[[session.step]]\nrequest = 'GET /order'\n";

#[test]
fn rows_are_wanted_of_those_alone_who_draw_them() {
    let shop = Shop::open(Manner::default());
    let draws = "[[session]]\nname = 'draws'\n[[session.step]]\nrequest = 'POST /login'\nbody = '{{users.id}}'\n";
    let phase = |name: &str, more: &str| {
        format!("[[phase]]\nname = '{name}'\nduration = '300ms'\n{more}\n")
    };
    let rows = "id\na\nb\nc\nd\n";
    let phases = phase("first", "procs = 2\nconns = 9\nsessions = ['plain']")
        + &phase("held", "load = 'hold'\nconns = 9")
        + &phase("drawing", "conns = 4\nsessions = ['draws']");
    for (text, sessions) in
        [(format!("conns = 9\n{SPARSE}"), 1), (format!("{SPARSE}{draws}{phases}"), 2)]
    {
        let folder = written(&text);
        fs::write(folder.path().join("users.csv"), rows).unwrap();
        let words = format!("--duration 300ms {}", shop.url());
        let report = run(&folder, &words).json();
        assert_eq!(report.list("sessions").len(), sessions);
    }
    let seen = shop.seen.lock().unwrap();
    assert_eq!(seen.users.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn sessions_are_played_by_the_phases_that_can() {
    let manual = fs::read_to_string(driver::root().join("MANUAL.md")).unwrap();
    let snippet = |begin: &str| {
        let from = manual.find(begin).expect("the snippet is there");
        manual[from..].split("```").next().unwrap().to_owned()
    };
    let shop = Shop::open(Manner::default());
    let text =
        snippet("target = \"http://127.0.0.1:8080/\"") + &snippet("[[phase]]\nname = \"idle\"");
    let folder = written(&text.replace("http://127.0.0.1:8080/", &shop.url()));
    let users: String = (0..2_000).map(|user| format!("{user}\n")).collect();
    fs::write(folder.path().join("users.csv"), format!("id\n{users}")).unwrap();
    let checked = sclients("check s.toml").in_folder(folder.path()).run().expect(0);
    assert!(checked.stdout.contains("plays no session") && checked.stdout.contains("plays buy"));
    let phased = "[[phase]]\nname = 'idle'\nload = 'hold'\nduration = '1s'\n\
        [[phase]]\nname = 'flood'\nload = 'overload'\nattempt-rate = 20\nduration = '500ms'\n\
        [[phase]]\nname = 'peak'\nrate = 50\nduration = '1s'\n";
    let report = run(&written(&format!("{BUY}{phased}")), &shop.url()).json();
    let peak = report.list("scenario.phases").iter().find(|phase| phase["name"] == "peak").unwrap();
    assert_eq!(count(&report.list("sessions")[0], "begun"), 50, "{peak}");
    let named = phased.replace("load = 'hold'", "load = 'hold'\nsessions = ['buy']");
    let done = run(&written(&format!("{BUY}{named}")), &shop.url()).expect(2);
    assert!(done.stderr[0].contains("sessions work only with load closed or open"));
}

#[test]
fn a_cookie_is_handed_back_without_its_attributes() {
    let shop = Shop::open(Manner::default());
    let folder = written(
        "[[session]]\nname = 'a'\n[[session.step]]\nrequest = 'POST /login'\n\
         extract = { sid = { cookie = 'sid' } }\n\
         [[session.step]]\nrequest = 'GET /items/1'\n\
         headers = { X-Token = '{{sid}}', Cookie = 'sid={{sid}}' }\nexpect = { status = 200 }\n",
    );
    let report = run(&folder, &format!("--conns 2 --requests 20 {}", shop.url())).expect(0).json();
    assert_sessions(&report);
    assert_eq!(shop.seen.lock().unwrap().strangers, 0);
}

#[test]
fn check_says_what_it_would_do() {
    let done =
        sclients("check configs/browse-and-buy.toml").in_folder(&driver::root()).run().expect(0);
    for part in [
        "load      closed, 1 × 50 connections",
        "timeouts  5s to answer, 10s to connect",
        "seed      another in each run",
        "session   browse (75.0 % of sessions)",
        "       1  front page: GET /\n          expects status 200, header content-type: text, within 1s",
        "          loop 3 times\n       2    list: GET /items?page={{random 1 9}}\n",
        "            think 100ms..300ms",
        "headers Content-Type; body of 28 bytes with {{users.id}}, {{users.password}}\n",
        "          extracts token by header server\n",
        "       2  order: POST /orders/{{counter}}?user={{users.id}}",
        "expected  status 200-399, where a step names none",
        "users: 100 rows of id, password",
    ] {
        assert!(done.stdout.contains(part), "{part}\n{}", done.stdout);
    }
    let overridden = "check configs/browse-and-buy.toml --rate 5 --seed 7 --idle-timeout 1s";
    let done = sclients(overridden).in_folder(&driver::root()).run().expect(0);
    for part in ["load      open, 5 per second", "seed      7", "10s to connect, 1s idle"] {
        assert!(done.stdout.contains(part), "{part}\n{}", done.stdout);
    }
    let series = sclients("check configs/overload-curve.toml").in_folder(&driver::root()).run();
    let series = series.expect(0).stdout;
    assert!(series.contains("overload, 1000..16000 per second in 5 steps, each a run"), "{series}");
    let idle = "check configs/soak.toml --target-leak 1MB/min";
    let idle = sclients(idle).in_folder(&driver::root()).run().expect(0).stdout;
    for part in ["a heartbeat every 1m", "an embedded target, leaks 977 KiB a minute"] {
        assert!(idle.contains(part), "{part}\n{idle}");
    }
    let schema = sclients("check --schema").run().expect(0);
    assert_eq!(
        schema.stdout,
        fs::read_to_string(driver::root().join("configs/scenario.schema.json")).unwrap()
    );
}

#[test]
fn the_example_runs_against_the_embedded_target() {
    let words = "run configs/browse-and-buy.toml --format json --duration 2s --conns 10";
    let report = sclients(words).in_folder(&driver::root()).run().expect(0).json();
    assert_sessions(&report);
    report.assert_equals_target();
    assert_eq!(report.count("requests.checks_failed"), 0);
    assert!(report.list("sessions").iter().all(|session| count(session, "completed") > 0));
}
