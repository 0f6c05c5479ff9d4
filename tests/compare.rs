//! `sclients compare`: groups of real runs, kept and compared.

mod driver;

use driver::{Report, sclients};
use std::path::{Path, PathBuf};

const USAGE: i32 = 2;
const WORSE: i32 = 4;
const CANNOT_TELL: i32 = 5;

/// A short closed loop whose answers take as long as the target is told to.
const SHORT: &str = "--conns 4 --duration 300ms";

/// As many runs of these words, kept in `folder`.
fn kept(folder: &Path, name: &str, count: usize, words: &str) -> Vec<PathBuf> {
    let run = |index| {
        let dir = folder.join(format!("{name}{index}"));
        sclients(words).arg("--out").arg(&dir).run().expect_or_late(0);
        dir
    };
    (0..count).map(run).collect()
}

fn compared(words: &str, a: &[PathBuf], b: &[PathBuf]) -> driver::Done {
    let line = a.iter().fold(sclients("compare").words(words), |line, dir| line.arg(dir));
    b.iter().fold(line.arg("--"), |line, dir| line.arg(dir)).run()
}

fn figure<'a>(report: &'a Report, name: &str) -> &'a serde_json::Value {
    report.list("figures").iter().find(|row| row["figure"] == name).unwrap()
}

#[test]
fn slower_runs_are_worse_and_the_same_are_not() {
    let home = tempfile::tempdir().unwrap();
    let fast = kept(home.path(), "fast", 4, &format!("{SHORT} --target-delay 20ms"));
    let slow = kept(home.path(), "slow", 4, &format!("{SHORT} --target-delay 40ms"));

    let report =
        compared("--format json --figures p50,throughput", &fast, &slow).expect(WORSE).json();
    assert_eq!(report.text("verdict"), "worse");
    let p50 = figure(&report, "p50");
    let shift = p50["shift"].as_f64().unwrap();
    assert!((0.7..1.1).contains(&shift), "{p50:#}");
    assert_eq!(p50["verdict"], "worse");
    // 2/70 where no two values are equal; where all of a group are, the normal stands in and says 0.013.
    assert!((0.012..0.035).contains(&p50["p"].as_f64().unwrap()), "{p50:#}");
    assert!(figure(&report, "throughput")["shift"].as_f64().unwrap() < -0.3);
    report.assert_told("notes", "take turns, ABAB");

    let text = compared("--figures p50", &slow, &fast).expect(0);
    assert!(text.stdout.contains("verdict: B is better (p50)"), "{}", text.stdout);

    // The same value in all of them is no difference, and within half of it neither.
    let halves = compared("--margin 60% --figures failed,p50", &fast, &slow);
    assert!(halves.stdout.contains("no difference"), "{}", halves.stdout);

    let few = compared("", &fast[..3], &slow[..3]).expect(USAGE);
    assert!(few.stderr[0].contains("3 and 3 runs can never show a difference"), "{:?}", few.stderr);
    let twice = compared("", &fast, &[&slow[..3], &fast[..1]].concat()).expect(USAGE);
    assert!(twice.stderr[0].contains("is named twice"), "{:?}", twice.stderr);
    let none = compared("", &fast, &[&slow[..3], &[home.path().join("no")]].concat()).expect(USAGE);
    assert!(
        none.stderr[0].ends_with("holds no run; name a folder that --out made"),
        "{:?}",
        none.stderr
    );

    let open = kept(home.path(), "open", 1, "--rate 100 --conns 4 --duration 300ms");
    let models = compared("", &fast, &[&slow[..3], &open].concat()).expect(USAGE);
    assert!(models.stderr[0].contains("compare runs of one load model"), "{:?}", models.stderr);
    let other = kept(home.path(), "other", 1, "--conns 5 --duration 300ms");
    let loads = compared("", &fast, &[&slow[..3], &other].concat()).expect(USAGE);
    assert!(
        loads.stderr[0].contains("conns is 4 and 5; compare runs of one load"),
        "{:?}",
        loads.stderr
    );
}

#[test]
fn runs_that_did_not_end_or_mean_nothing_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let sound = kept(home.path(), "sound", 7, &format!("{SHORT} --target-delay 20ms"));
    let cut = home.path().join("cut");
    let words = "--format json --progress 100ms --conns 4 --duration 30s --target-delay 20ms";
    let mut running = sclients(words).arg("--out").arg(&cut).spawn();
    running.await_measurement();
    running.signal(nix::sys::signal::Signal::SIGINT);
    running.wait().expect(130);
    let refused = compared("", &sound[..4], &[&sound[4..], &[cut]].concat()).expect(USAGE);
    assert!(refused.stderr[0].contains("is unfinished; compare runs"), "{:?}", refused.stderr);

    for (words, mistake) in [
        ("compare a b c d", "required"),
        ("compare --margin 5 a -- b", "--margin `5` is not a margin; write a share above 0"),
        ("compare --figures p51 a -- b", "--figures `p51` is not known; write p50, p99"),
    ] {
        let done = sclients(words).run().expect(USAGE);
        assert_eq!(done.stderr.len(), 1, "{:?}", done.stderr);
        assert!(done.stderr[0].contains(mistake), "{:?}", done.stderr);
    }
}

#[test]
fn what_varies_too_much_cannot_be_told() {
    let home = tempfile::tempdir().unwrap();
    // Each group has a fast and three slow ones; they are of one load all the same.
    let group = |name: &str| {
        let delays = ["5ms", "20ms", "40ms", "80ms"].iter().enumerate();
        delays
            .flat_map(|(k, delay)| {
                kept(
                    home.path(),
                    &format!("{name}{k}"),
                    1,
                    &format!("{SHORT} --target-delay {delay}"),
                )
            })
            .collect::<Vec<_>>()
    };
    let done = compared("--figures p50", &group("a"), &group("b")).expect(CANNOT_TELL);
    assert!(done.stdout.contains("verdict: cannot tell (p50)"), "{}", done.stdout);
    assert!(done.stdout.contains("runs a side would tell"), "{}", done.stdout);
}
