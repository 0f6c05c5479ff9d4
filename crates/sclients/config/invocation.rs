//! From words to what is to be done: the whole of this room in one function.

use super::cli::{CHILD, ChildArguments, Command, Options, RunOptions};
use super::error::ConfigError;
use super::file::{self, FileError};
use super::hostile::Asked;
use super::{Capacity, Color, Config, Format, ServeConfig, capacity, check, mistake, scenario};
use crate::compare::Figure;
use crate::scenario::Played;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The commands that are not the default one and take the options of a run.
const DOCTOR: &str = "doctor";
const CAPACITY: &str = "capacity";

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    /// Run it.
    Run(Box<Config>),
    /// Say what it would do.
    Check(Box<Checked>),
    /// Print the schema of scenarios.
    Schema,
    /// Say whether it would fit this host.
    Doctor(Box<Config>),
    /// Find what a target bears.
    Capacity(Box<Capacity>),
    /// Say whether this host measures right.
    Selftest {
        /// In short trials.
        quick: bool,
        /// What standard output gets.
        format: Format,
    },
    /// Go on with a run whose supervisor died.
    Resume(Resume),
    /// Report a run that was kept.
    Report(Wanted),
    /// Compare runs that were kept.
    Compare(Groups),
    /// Run the embedded target alone.
    Serve(Box<ServeConfig>),
    /// Be a child.
    Child(ChildArguments),
    /// Print the completion script for a shell.
    Completions(Shell),
    /// Print the cases of hostility.
    Cases,
    /// Print the man page.
    Man,
}

/// A scenario that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The run that it asks for.
    pub config: Config,
    /// Whether it repeats what is drawn: a seed was given.
    pub seeded: bool,
}

/// A run to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The folder of the run.
    pub dir: PathBuf,
    /// Headers whose values were not kept.
    pub headers: Vec<(String, String)>,
    /// The sessions, of which only names were kept; none where the run had none.
    pub sessions: Option<Played>,
    /// What standard output gets.
    pub format: Format,
    /// Time between progress lines where there is no terminal.
    pub progress: Duration,
    /// Whether to colour.
    pub color: Color,
    /// Where the latencies over time go; none is nowhere.
    pub hlog: Option<PathBuf>,
    /// Where limits and verdict go for other programs; none is nowhere.
    pub junit: Option<PathBuf>,
}

/// The options that `--resume` takes beside it.
const OF_RESUME: [&str; 8] =
    ["file", "resume", "header", "format", "progress", "color", "hlog", "junit"];

/// What is to be gone on with, which played `sessions`: all else is the plan's.
fn resume(
    options: RunOptions,
    sessions: Option<Played>,
    matches: &ArgMatches,
) -> Result<Resume, ConfigError> {
    let given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let others = matches.ids().map(clap::Id::as_str).filter(|id| !OF_RESUME.contains(id));
    let command = Options::command();
    let other = others.filter(given).find_map(|id| {
        let argument = command.get_arguments().find(|argument| argument.get_id() == id)?;
        Some(argument.get_long().map_or_else(|| "TARGET".to_owned(), |long| format!("--{long}")))
    });
    if let Some(other) = other {
        return Err(ConfigError::Words(format!(
            "--resume goes on with the plan of its run; leave {other} out"
        )));
    }
    let RunOptions { request, output, .. } = options;
    Ok(Resume {
        dir: output.resume.expect("it was asked for"),
        headers: request.header,
        sessions,
        format: output.format,
        progress: output.progress,
        color: output.color,
        hlog: output.hlog,
        junit: output.junit,
    })
}

/// Two groups of runs to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// Their folders.
    pub folders: [Vec<PathBuf>; 2],
    /// How much of a difference is none, as a share.
    pub margin: f64,
    /// What is compared.
    pub figures: Vec<Figure>,
    /// What standard output gets.
    pub format: Format,
}

/// A report of a run that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The folder of the run.
    pub dir: PathBuf,
    /// Whether to read on behind what is damaged.
    pub salvage: bool,
    /// What standard output gets.
    pub format: Format,
    /// Whether to colour.
    pub color: Color,
    /// Where the latencies over time go; none is nowhere.
    pub hlog: Option<PathBuf>,
    /// Where limits and verdict go for other programs; none is nowhere.
    pub junit: Option<PathBuf>,
}

/// What `words` ask for, the first being the program's own name.
///
/// # Errors
/// [`ConfigError::Display`] where help or version was asked for; else the first mistake found.
pub fn invocation(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, ConfigError> {
    let words: Vec<OsString> = words.into_iter().collect();
    if words.get(1).is_some_and(|word| word == CHILD) {
        let arguments = ChildArguments::try_parse_from(&words[1..]);
        return arguments.map(Invocation::Child).map_err(|error| mistake::of_words(&error));
    }
    let matches = matches(&words)?;
    let options = options(&matches)?;
    Ok(match options.command {
        None if options.run.output.resume.is_some() => {
            Invocation::Resume(resume(options.run, None, &matches)?)
        }
        None => Invocation::Run(configured(options.run, &words, &matches)?),
        Some(Command::Run(options)) if options.run.output.resume.is_some() => {
            let sessions = scenario::sessions_of(&options.file)?;
            let (_, matches) = matches.subcommand().expect("the words have a command");
            Invocation::Resume(resume(options.run, sessions, matches)?)
        }
        Some(Command::Run(options)) => {
            Invocation::Run(Box::new(scenario::of_run(*options, &words)?))
        }
        Some(Command::Check(options)) => match options.file {
            Some(file) => Invocation::Check(Box::new(scenario::checked(&file, &words)?)),
            None => Invocation::Schema,
        },
        Some(Command::Doctor(run)) => {
            let matches = matches.subcommand_matches(DOCTOR).unwrap_or(&matches);
            Invocation::Doctor(configured(*run, &words, matches)?)
        }
        Some(Command::Capacity(mut asked)) => {
            let matches = matches.subcommand_matches(CAPACITY).unwrap_or(&matches);
            if let Some(path) = asked.run.config.clone() {
                asked.run = with_file(&path, &words, matches)?;
            }
            Invocation::Capacity(Box::new(capacity::checked(*asked)?))
        }
        Some(Command::Selftest { quick, format }) => Invocation::Selftest { quick, format },
        Some(Command::Report { dir, salvage, format, color, hlog, junit }) => {
            Invocation::Report(Wanted { dir, salvage, format, color, hlog, junit })
        }
        Some(Command::Compare { a, b, margin, figures, format }) => {
            let named = if figures.is_empty() { Figure::OF_TARGET.to_vec() } else { figures };
            let mut figures: Vec<Figure> = Vec::new();
            named.into_iter().for_each(|figure| {
                if !figures.contains(&figure) {
                    figures.push(figure);
                }
            });
            Invocation::Compare(Groups { folders: [a, b], margin, figures, format })
        }
        Some(Command::Serve(serve)) if serve.hostile == [Asked::List] => Invocation::Cases,
        Some(Command::Serve(serve)) => Invocation::Serve(Box::new(check::serve(*serve)?)),
        Some(Command::Completions { shell }) => Invocation::Completions(shell),
        Some(Command::Man) => Invocation::Man,
    })
}

pub(super) fn matches(words: &[OsString]) -> Result<ArgMatches, ConfigError> {
    Options::command().try_get_matches_from(words).map_err(|error| mistake::of_words(&error))
}

pub(super) fn options(matches: &ArgMatches) -> Result<Options, ConfigError> {
    Options::from_arg_matches(matches).map_err(|error| mistake::of_words(&error))
}

/// The config of a run, its file read where one is named.
fn configured(
    run: RunOptions,
    words: &[OsString],
    matches: &ArgMatches,
) -> Result<Box<Config>, ConfigError> {
    let run = match run.config.clone() {
        Some(path) => with_file(&path, words, matches)?,
        None => run,
    };
    check::run(run).map(Box::new)
}

/// The options of `words` once more, with those of the file at `path` that `words` leave open.
fn with_file(
    path: &Path,
    words: &[OsString],
    matches: &ArgMatches,
) -> Result<RunOptions, ConfigError> {
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let from_file = file::words(path, &Options::command(), given)?;
    let is_command = words.get(1).is_some_and(|word| word == DOCTOR || word == CAPACITY);
    let (before, after) = words.split_at(if is_command { 2 } else { 1 });
    let all = [before, &from_file, after].concat();
    // The user's own words were understood above, so a mistake is the file's.
    let blamed = |error: ConfigError| FileError::Words {
        path: path.display().to_string(),
        message: error.to_string(),
    };
    let options = self::matches(&all).and_then(|matches| options(&matches)).map_err(blamed)?;
    Ok(match options.command {
        Some(Command::Doctor(run)) => *run,
        Some(Command::Capacity(asked)) => asked.run,
        _ => options.run,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ChildRole, Load, Protocol};

    fn said(words: &str) -> Result<Invocation, String> {
        let words = format!("sclients {words}");
        invocation(words.split_whitespace().map(Into::into)).map_err(|error| error.to_string())
    }

    fn config(words: &str) -> Config {
        match said(words) {
            Ok(Invocation::Run(config) | Invocation::Doctor(config)) => *config,
            other => panic!("{words}: {other:?}"),
        }
    }

    #[test]
    fn each_command_is_known() {
        assert!(matches!(said(""), Ok(Invocation::Run(_))));
        assert!(matches!(said("http://[::1]/"), Ok(Invocation::Run(_))));
        assert!(matches!(said("doctor --procs 3 http://[::1]/"), Ok(Invocation::Doctor(_))));
        assert_eq!(config("doctor --procs 3").procs, 3);
        assert!(matches!(said("completions bash"), Ok(Invocation::Completions(Shell::Bash))));
        assert!(matches!(said("man"), Ok(Invocation::Man)));
        let child = "__child --role target --slot 3 --supervisor 77 --control 5 --report 6";
        let Ok(Invocation::Child(child)) = said(child) else { panic!("no child") };
        assert_eq!((child.role, child.slot, child.supervisor), (ChildRole::Target, 3, 77));
        assert_eq!((child.control, child.report), (5, 6));
    }

    #[test]
    fn serve_has_options_of_its_own() {
        let Ok(Invocation::Serve(serve)) = said("serve") else { panic!("no serve") };
        assert_eq!(serve.embedded.listen, ([127, 0, 0, 1], 8_080).into());
        assert_eq!((serve.conns, serve.embedded.procs), (19_000, Some(1)));
        let words =
            "serve --listen 0.0.0.0:0 --procs 2 --protocol echo --service 2ms,exp --cpus 0,1";
        let Ok(Invocation::Serve(serve)) = said(words) else { panic!("no serve") };
        assert_eq!((serve.embedded.procs, serve.embedded.protocol), (Some(2), Protocol::Echo));
        assert!(serve.embedded.service.unwrap().exponential);
        assert_eq!(serve.cpus, [0, 1]);
        assert!(said("serve --load hold").is_err());
    }

    #[test]
    fn the_later_occurrence_wins() {
        assert_eq!(config("--procs 2 --procs 3").procs, 3);
        assert_eq!(config("doctor --procs 2 --procs 3").procs, 3);
        assert!(!config("--load hold --no-reopen --no-reopen").reopen);
        let Ok(Invocation::Serve(serve)) = said("serve --conns 2 --conns 3") else { panic!() };
        assert_eq!(serve.conns, 3);
    }

    #[test]
    fn every_mistake_is_one_line_with_value_and_remedy() {
        for (words, mistake) in [
            (
                "--conn 5",
                "unexpected argument '--conn'; a similar one exists: '--conns'; try --help",
            ),
            ("--zzzzz", "unexpected argument '--zzzzz'; try --help"),
            ("--connect-rate 10kk", "--connect-rate `10kk` is not a number; write 10k or 10_000"),
            ("--procs 0", "--procs `0` is out of range; write a number from 1 to 1024"),
            ("--conns 2M", "--conns `2M` is out of range; write a number from 1 to 1000000"),
            ("--duration 10", "--duration `10` has no unit; write 10s or 10ms"),
            ("--interval 1ms", "--interval `1ms` is too short; write at least 100ms"),
            (
                "--load open",
                "--load open works only with --rate; add that or leave --load open out",
            ),
            (
                "--load overload",
                "--load overload works only with --attempt-rate; add that or leave --load overload out",
            ),
            ("--load opne", "--load `opne` is not known; write closed, open, hold or overload"),
            ("--rate 0", "--rate `0` would send nothing; give at least 0.000001"),
            ("--rate 5k..5k/10s", "--rate ramp `5k..5k/10s` goes nowhere; write 5k"),
            (
                "--rate 3 --procs 4",
                "--rate 3 is below one per second for each of 4 workers; lower --procs",
            ),
            (
                "--attempt-rate 5M --procs 2",
                "--attempt-rate 5M is over 1,000,000 per second for each of 2 workers; use --procs 5 or lower it",
            ),
            (
                "--attempt-rate 1k --conns 5",
                "--conns works only with --load closed, open or hold; add that or leave --conns out",
            ),
            (
                "--rate 1k --think 1s",
                "--think works only with --load closed; add that or leave --think out",
            ),
            (
                "--arrivals poisson",
                "--arrivals works only with --load open or overload; add that or leave --arrivals out",
            ),
            (
                "--rate 1k --arrivals normal",
                "--arrivals `normal` is not known; write constant, poisson or jitter",
            ),
            (
                "--rate 1k --on-busy grow --max-conns 99",
                "--max-conns 99 is below --conns 100; raise it to that at least",
            ),
            (
                "--rate 1k --max-conns 200",
                "--max-conns works only with --on-busy grow; add that or leave --max-conns out",
            ),
            (
                "--reset-close",
                "--reset-close works only with --requests-per-connection or --load overload; add that or leave --reset-close out",
            ),
            (
                "--on-worker-death ignore",
                "--on-worker-death `ignore` is not known; write replace, fail or continue",
            ),
            ("--restart-limit 30", "--restart-limit `30` is not a limit; write N/T as in 30/60s"),
            ("--restart-limit 3/60", "--restart-limit `60` has no unit; write 60s or 60ms"),
            ("--restart-limit x/60s", "--restart-limit `x` is not a number; write 10k or 10_000"),
            (
                "--restart-limit 3/60s --on-worker-death continue",
                "--restart-limit works only with --on-worker-death replace; add that or leave --restart-limit out",
            ),
            (
                "--allow-lost 1s --on-worker-death fail",
                "--allow-lost cannot be used with --on-worker-death fail; leave one of them out",
            ),
            (
                "--allow-lost 0s",
                "--allow-lost `0s` is too short; write more than zero, such as 10ms",
            ),
            ("--format xml", "--format `xml` is not known; write text or json"),
            ("--format", "--format has no value; write text or json"),
            ("--procs", "--procs has no value; give one or leave it out"),
            ("https://a/", "TARGET https is not available yet; use http://a/"),
            ("a:80", "TARGET `a:80` has no scheme; write http://a:80"),
            ("-H Accept", "--header `Accept` is not a header; write 'Name: value'"),
            (
                "serve --listen 80",
                "--listen `80` is not ADDR:PORT; write 127.0.0.1:8080 or [::1]:8080",
            ),
            ("doctor --zzzzz", "unexpected argument '--zzzzz'; try --help"),
        ] {
            assert_eq!(said(words).unwrap_err(), mistake);
        }
        for words in ["http://a/ http://b/", "--procs 3 doctor", "completions", "completions dos"] {
            let mistake = said(words).unwrap_err();
            assert!(!mistake.contains('\n') && !mistake.contains("Usage"), "{words}: {mistake}");
        }
    }

    #[test]
    fn help_and_version_are_no_mistakes() {
        for words in ["--help", "-h", "--version", "help", "serve --help", "doctor -h"] {
            let shown = invocation(format!("sclients {words}").split(' ').map(Into::into));
            assert!(matches!(shown, Err(ConfigError::Display(_))), "{words}");
        }
    }

    fn written(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        (folder, path)
    }

    #[test]
    fn a_file_gives_options_and_the_command_line_wins() {
        let text = "target = 'http://127.0.0.1:81/x'\nprocs = 4\nconns = '10k'\nload = 'hold'\n\
                    no-reopen = true\nheader = ['A: 1', 'B: 2']\ncpus = [0, 1]\n";
        let (_folder, path) = written(text);
        let plain = config(&format!("--config {path}"));
        assert_eq!((plain.procs, plain.conns, plain.load), (4, 10_000, Load::Hold));
        assert_eq!((plain.headers.len(), plain.reopen, plain.cpus.len()), (2, false, 2));
        assert_eq!(plain.target.unwrap().port, 81);
        let ruled = config(&format!("--procs 5 --config {path} -H C:3 http://127.0.0.1:82/"));
        assert_eq!((ruled.procs, ruled.conns), (5, 10_000));
        assert_eq!(ruled.headers, [("C".to_owned(), "3".to_owned())]);
        assert_eq!(ruled.target.unwrap().port, 82);
        assert_eq!(config(&format!("doctor --config {path}")).procs, 4);
        let (_folder, path) = written("no-reopen = false\nduration = false\n");
        let off = config(&format!("--config {path}"));
        assert_eq!((off.reopen, off.duration), (true, Some(Duration::from_secs(10))));
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_named_with_its_mistake() {
        for (text, mistake) in [
            ("prosc = 4", "key `prosc` is not an option; the nearest one is `procs`"),
            (
                "zzzzz = 4",
                "key `zzzzz` is not an option; write long options without their dashes, see --help",
            ),
            ("config = 'x'", "key `config` is not an option;"),
            ("help = true", "key `help` is not an option;"),
            ("[load]\nprocs = 1", "key `load` cannot be a table; write a string or a number"),
            ("procs = [1, 2]", "key `procs` cannot be an array; write one value"),
            ("procs = true", "key `procs` cannot be true; write a string or a number"),
            (
                "no-reopen = 1",
                "key `no-reopen` cannot be a string or a number; write true or false",
            ),
            (
                "duration = 2026-01-01",
                "key `duration` cannot be a date; write a string or a number",
            ),
            ("procs = 0", "--procs `0` is out of range; write a number from 1 to 1024"),
            ("procs = -1", "--procs `-1` is not a number; write 10k or 10_000"),
            ("target = 'doctor'", "TARGET `doctor` is no target"),
            ("procs = ", "TOML parse error at line 1, column 9: "),
        ] {
            let (_folder, path) = written(text);
            let said = said(&format!("--config {path}")).unwrap_err();
            let expected = format!("--config: {path}: {mistake}");
            assert!(said.starts_with(&expected) && !said.contains('\n'), "{said}\n{expected}");
        }
    }

    #[test]
    fn every_file_in_configs_loads() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let tomls: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
        for path in &tomls {
            let text = std::fs::read_to_string(path).unwrap();
            if !text.contains("\n[[") {
                config(&format!("--config {}", path.display()));
            }
            let checked = said(&format!("check {}", path.display()));
            assert!(matches!(checked, Ok(Invocation::Check(_))), "{checked:?}");
        }
        assert!(tomls.len() >= 2);
    }

    #[test]
    fn the_main_job_and_the_million_are_as_measured() {
        let file = |name: &str| format!("--config {}/configs/{name}", env!("CARGO_MANIFEST_DIR"));
        let main_job = config(&file("main-job.toml"));
        assert_eq!((main_job.procs, main_job.conns), (32, 10_000));
        let million = config(&file("million-idle.toml"));
        assert_eq!((million.procs, million.conns, million.load), (53, 19_000, Load::Hold));
        assert_eq!(million.duration, Some(Duration::from_secs(60)));
    }
}
