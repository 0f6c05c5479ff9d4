//! The house itself: which room may know which, where `unsafe` may stand, which names are not used,
//! that documents point at files which exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below `folder` with this ending, build output left out.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let ours = path.ends_with("crates/sclients/target");
                if ours || (name != "target" && name != ".git") {
                    walk(&path, ending, found);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    assert!(!found.is_empty(), "no {ending} below {folder}");
    found
}

/// The lines of a source file that are not its tests.
fn production(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("\n#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}

/// Production sources of every crate and of the program.
fn sources() -> Vec<PathBuf> {
    let is_production = |path: &PathBuf| {
        let relative = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        ["/tests/", "/examples/", "/benches/", "/fuzz/"].iter().all(|part| !relative.contains(part))
    };
    files("crates", ".rs").into_iter().filter(is_production).collect()
}

/// Who may depend on whom. A new edge is a decision: write it here with the commit that needs it.
const EDGES: [(&str, &[&str]); 8] = [
    ("dispatch", &["mio", "nix"]),
    ("tcpsocket", &["dispatch", "nix"]),
    ("protocols", &["httparse"]),
    ("stats", &["hdrhistogram"]),
    ("wire", &["stats", "bincode"]),
    ("servicemodel", &["dispatch", "tcpsocket", "protocols"]),
    ("bench", &["dispatch", "tcpsocket", "protocols"]),
    ("fuzz", &["protocols", "wire", "stats", "httparse", "hdrhistogram"]),
];

#[test]
fn every_crate_depends_on_its_table_row_alone() {
    for (room, edges) in EDGES {
        let manifest: toml::Table = read(format!("crates/{room}/Cargo.toml")).parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        let actual: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
        assert_eq!(actual, edges.iter().copied().collect(), "dependencies of {room}");
    }
}

#[test]
fn workers_and_supervisor_never_import_each_other() {
    let import = |from: &str, of: &str| {
        let inside = files(&format!("crates/sclients/{from}"), ".rs");
        let named = format!("crate::{of}");
        inside.into_iter().find(|path| production(path).contains(&named))
    };
    for (from, of) in [
        ("worker", "supervisor"),
        ("supervisor", "worker"),
        ("target", "supervisor"),
        ("supervisor", "target"),
        ("child", "supervisor"),
    ] {
        assert_eq!(import(from, of), None, "{from} imports {of}");
    }
}

#[test]
fn bincode_is_named_in_wire_alone() {
    for path in sources() {
        let inside = path.starts_with(root().join("crates/wire"));
        let named = production(&path).contains("bincode::");
        assert!(inside || !named, "{} names bincode", path.display());
    }
}

#[test]
fn what_a_server_sent_is_taken_raw_by_the_codec_alone() {
    for path in sources() {
        let room = ["crates/wire", "crates/stats"].map(|room| path.starts_with(root().join(room)));
        let taken = production(&path).contains(".raw()");
        assert!(room.contains(&true) || !taken, "{} shows raw bytes", path.display());
    }
}

/// Whoever sets the wall clock moves no figure: it is read in one place, and every length of time is of
/// `dispatch::Instant` or `std::time::Instant`, which are monotonic.
#[test]
fn the_wall_clock_is_read_in_one_place() {
    let reads = |path: &PathBuf| {
        let text = production(path);
        let names = ["SystemTime::now", "CLOCK_REALTIME", "UNIX_EPOCH.elapsed", "Timestamp::now"];
        names.iter().any(|name| text.contains(name))
    };
    let found: Vec<PathBuf> = sources().into_iter().filter(reads).collect();
    assert_eq!(found, [root().join("crates/sclients/wall.rs")]);
}

/// The addresses that consent was given for are those connected to, since there is no second look-up.
#[test]
fn names_are_looked_up_in_one_place() {
    let of_program = |path: &PathBuf| !path.starts_with(root().join("crates/bench"));
    let looks_up = |path: &PathBuf| production(path).contains("to_socket_addrs");
    let found: Vec<PathBuf> = sources().into_iter().filter(of_program).filter(looks_up).collect();
    assert_eq!(found, [root().join("crates/sclients/config/target.rs")]);
}

#[test]
fn unsafe_stands_in_sys_alone_with_its_reason() {
    for path in sources() {
        let text = production(&path);
        let blocks = text.matches("unsafe {").count();
        if path.ends_with("sys.rs") {
            assert_eq!(blocks, text.matches("// SAFETY:").count(), "{}", path.display());
        } else {
            assert_eq!(blocks, 0, "{} holds unsafe", path.display());
        }
    }
}

#[test]
fn no_file_is_named_for_nothing_and_no_function_gets() {
    for path in sources() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let hollow = ["util", "utils", "common", "helper", "helpers", "misc", "manager"];
        assert!(!hollow.contains(&stem.as_str()), "{} says nothing", path.display());
        let text = production(&path);
        for hollow in ["fn get_", "_manager", "_helper"] {
            assert!(!text.contains(hollow), "{} has {hollow}", path.display());
        }
    }
}

#[test]
fn unwrap_and_stubs_belong_to_tests() {
    for path in sources() {
        let text = production(&path);
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for stub in [".unwrap()", "todo!(", "unimplemented!(", "dbg!("] {
                assert!(!line.contains(stub), "{} has {stub}: {line}", path.display());
            }
        }
    }
}

#[test]
fn every_source_file_opens_by_saying_what_it_is() {
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} has no head", path.display());
    }
}

#[test]
fn no_function_is_longer_than_a_screen() {
    const LINES: usize = 60;
    for path in sources() {
        let text = production(&path);
        let mut begun: Option<(usize, usize, &str)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let word = line.trim_start();
            let starts = word.starts_with("fn ")
                || (word.starts_with("pub") && word.contains(" fn "))
                || word.starts_with("const fn ");
            // What ends with a semicolon is declared here and has its body elsewhere.
            if begun.is_none() && starts && !word.ends_with(';') {
                begun = Some((number, indent, line));
            }
            if let Some((first, depth, head)) = begun
                && indent == depth
                && (word.starts_with('}') || word.ends_with("; ") || word.ends_with("{}"))
            {
                let length = number - first;
                assert!(length <= LINES, "{}: {head} has {length} lines", path.display());
                begun = None;
            }
        }
    }
}

#[test]
fn links_in_documents_exist() {
    for document in ["README.md", "MANUAL.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = read(document);
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(root().join(file).exists(), "{document} links to {file}");
        }
    }
}

#[test]
fn the_code_map_names_files_that_exist() {
    let text = read("ARCHITECTURE.md");
    let named = text.split('`').skip(1).step_by(2);
    let paths = named.filter(|name| name.starts_with("crates/") || name.starts_with("scripts/"));
    for path in paths {
        assert!(root().join(path).exists(), "ARCHITECTURE.md names {path}");
    }
}

#[test]
fn dependencies_of_the_program_have_a_reason_each() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let mut reasoned = false;
    for line in section.lines() {
        let ours = line.contains(".workspace = true");
        if line.starts_with('#') {
            reasoned = true;
        } else if line.contains('=') && !ours {
            assert!(reasoned, "`{line}` has no reason");
            reasoned = line.starts_with("clap");
        }
    }
}
