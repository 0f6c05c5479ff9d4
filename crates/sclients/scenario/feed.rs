//! Feeds: rows of values for sessions, from CSV with a head line or from JSON lines.

use super::located::{Mistake, Placed};
use super::table::{Node, Table, nearest};
use crate::config::quoted::quoted;
use crate::config::regular;
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

const KEYS: [&str; 3] = ["name", "file", "order"];
const ORDERS: [&str; 3] = ["sequential", "random", "unique"];

/// The largest file, and the most rows and columns.
const BYTES_MAX: u64 = 40 << 20;
const ROWS_MAX: usize = 1_000_000;
const COLUMNS_MAX: usize = 256;

/// One `[[feed]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedTable {
    /// Its name.
    pub name: Placed<String>,
    /// The file, relative to the scenario's folder.
    pub file: Placed<String>,
    /// Which row comes next.
    pub order: Order,
}

/// Which row a session gets. Each worker who draws has its own rows, every so manyth of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The next one, and after the last the first.
    Sequential,
    /// One drawn by seed.
    Random,
    /// One that no other session of the run has at that time.
    Unique,
}

impl FeedTable {
    pub(super) fn read(node: Node<'_>) -> Result<Self, Mistake> {
        let table = Table::of(node, "a feed")?;
        table.only("a feed", &KEYS)?;
        Ok(Self {
            name: table.needs_text("a feed", "name", "users")?,
            file: table.needs_text("a feed", "file", "users.csv")?,
            order: table.read("order", order)?.map_or(Order::Sequential, |order| order.it),
        })
    }
}

fn order(text: &str) -> Result<Order, String> {
    match text {
        "sequential" => Ok(Order::Sequential),
        "random" => Ok(Order::Random),
        "unique" => Ok(Order::Unique),
        other => {
            let near = nearest(other, &ORDERS).map(|near| format!("the nearest one is `{near}`"));
            let remedy = near.unwrap_or_else(|| "write sequential, random or unique".into());
            Err(format!("{} is not known; {remedy}", quoted(other)))
        }
    }
}

/// A feed that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name.
    pub name: String,
    /// Which row comes next.
    pub order: Order,
    /// The names of the values of a row.
    pub columns: Vec<String>,
    /// All values, one behind the other, row by row.
    text: Vec<u8>,
    /// Where each value ends in it.
    ends: Vec<u32>,
}

impl Feed {
    /// Reads what `table` names, relative to `folder`.
    ///
    /// # Errors
    /// The file cannot be read, is outside of the folder, or its rows are none, ragged, or too many; or not
    /// different from each other, where they have to be.
    pub(super) fn read(table: &FeedTable, folder: &Path) -> Result<Self, Mistake> {
        let mistake = |why: String| table.file.mistake(format!("file {why}"));
        let path = inside(folder, &table.file.it).map_err(mistake)?;
        let bytes =
            regular::read(&path, BYTES_MAX).map_err(|e| table.file.mistake(e.to_string()))?;
        let mut feed = Self {
            name: table.name.it.clone(),
            order: table.order,
            columns: Vec::new(),
            text: Vec::new(),
            ends: Vec::new(),
        };
        let is =
            |ending: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending));
        let filled = match () {
            () if is("csv") => feed.fill_from_csv(&bytes),
            () if is("jsonl") || is("ndjson") => feed.fill_from_json(&bytes),
            () => Err("is of no known kind; name it .csv or .jsonl".into()),
        };
        filled.map_err(|why| mistake(format!("{} {why}", quoted(&table.file.it))))?;
        if feed.rows() == 0 {
            return Err(mistake(format!(
                "{} has no rows; add some below the head line",
                quoted(&table.file.it)
            )));
        }
        feed.check_unique().map_err(|why| mistake(format!("{} {why}", quoted(&table.file.it))))?;
        Ok(feed)
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.ends.len() / self.columns.len().max(1)
    }

    /// The values of row `row`, one behind the other, and where each ends among all.
    fn row(&self, row: usize) -> (&[u8], &[u32]) {
        let ends = &self.ends[row * self.columns.len()..(row + 1) * self.columns.len()];
        let begin = match row * self.columns.len() {
            0 => 0,
            first => self.ends[first - 1],
        };
        let end = ends.last().copied().unwrap_or(begin);
        (&self.text[begin as usize..end as usize], ends)
    }

    /// Every `count`-th row from the `number`-th on, as text and ends of its own; all rows where there are
    /// fewer than workers who draw.
    pub(super) fn part(&self, number: u32, count: u32) -> (Vec<u8>, Vec<u32>) {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        let few = self.rows() < count as usize;
        let (first, every) = if few { (0, 1) } else { (number as usize, count as usize) };
        for row in (first..self.rows()).step_by(every) {
            let (values, own) = self.row(row);
            let begin = own.last().copied().unwrap_or_default() - values.len() as u32;
            ends.extend(own.iter().map(|end| end - begin + text.len() as u32));
            text.extend_from_slice(values);
        }
        (text, ends)
    }

    fn check_unique(&self) -> Result<(), String> {
        if self.order != Order::Unique {
            return Ok(());
        }
        let mut seen = HashSet::new();
        let lengths = |row: usize| self.row(row).1.iter().map(move |end| end - self.row(row).1[0]);
        let twice = (0..self.rows())
            .find(|row| !seen.insert((self.row(*row).0, lengths(*row).collect::<Vec<_>>())));
        twice.map_or(Ok(()), |row| {
            Err(format!(
                "has row {} twice, but order = \"unique\" needs different ones; remove it",
                row + 1
            ))
        })
    }

    fn push(&mut self, value: &[u8]) {
        self.text.extend_from_slice(value);
        self.ends.push(self.text.len() as u32);
    }

    fn head(&mut self, columns: Vec<String>) -> Result<(), String> {
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
            return Err(format!("has the column {} twice; rename one", quoted(twice)));
        }
        if columns.len() > COLUMNS_MAX || columns.iter().any(String::is_empty) {
            return Err(format!(
                "has a column without a name, or more than {COLUMNS_MAX}; name each in the first line"
            ));
        }
        self.columns = columns;
        Ok(())
    }

    fn check_row(&self, line: usize, values: usize) -> Result<(), String> {
        if values != self.columns.len() {
            return Err(format!(
                "line {line} has {values} values, but there are {} columns; make them equal",
                self.columns.len()
            ));
        }
        if self.rows() == ROWS_MAX {
            return Err(format!("has more than {ROWS_MAX} rows; leave some out"));
        }
        Ok(())
    }

    /// CSV as RFC 4180 has it; blank lines are none.
    fn fill_from_csv(&mut self, bytes: &[u8]) -> Result<(), String> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let (mut at, mut line) = (0, 1);
        while at < bytes.len() {
            let row = csv_row(&bytes[at..], line)?;
            if row.values != [b""] || self.columns.len() == 1 {
                if self.columns.is_empty() {
                    let name = |value: &Vec<u8>| String::from_utf8_lossy(value).trim().to_owned();
                    self.head(row.values.iter().map(name).collect())?;
                } else if row.values != [b""] {
                    self.check_row(line, row.values.len())?;
                    row.values.iter().for_each(|value| self.push(value));
                }
            }
            at += row.bytes;
            line += row.lines;
        }
        Ok(())
    }

    /// One JSON object a line, all with the names of the first.
    fn fill_from_json(&mut self, bytes: &[u8]) -> Result<(), String> {
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line)
                .map_err(|_| {
                format!("line {} is no JSON object; write {{\"name\": \"value\"}}", index + 1)
            })?;
            if self.columns.is_empty() {
                self.head(object.keys().cloned().collect())?;
            }
            self.check_row(index + 1, object.len())?;
            for column in self.columns.clone() {
                let value = object.get(&column).and_then(scalar);
                let value = value.ok_or_else(|| {
                    format!(
                        "line {} has no text or number {}; give it one",
                        index + 1,
                        quoted(&column)
                    )
                })?;
                self.push(value.as_bytes());
            }
        }
        Ok(())
    }
}

/// A value that is put into a request as text.
pub fn scalar(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A row of CSV, and how much of the input it was.
struct CsvRow {
    values: Vec<Vec<u8>>,
    bytes: usize,
    lines: usize,
}

fn csv_row(input: &[u8], line: usize) -> Result<CsvRow, String> {
    let (mut values, mut value) = (Vec::new(), Vec::new());
    let (mut at, mut lines, mut quoted) = (0, 1, false);
    while let Some(&byte) = input.get(at) {
        at += 1;
        match byte {
            b'"' if quoted && input.get(at) == Some(&b'"') => {
                value.push(b'"');
                at += 1;
            }
            b'"' if quoted => {
                quoted = false;
                if !matches!(input.get(at), None | Some(b',' | b'\r' | b'\n')) {
                    return Err(format!(
                        "line {line} goes on behind a quoted value; write \" twice within one, and a comma behind it"
                    ));
                }
            }
            b'"' if value.is_empty() => quoted = true,
            b'\n' if !quoted => break,
            b'\r' if !quoted && matches!(input.get(at), Some(b'\n') | None) => {}
            b',' if !quoted => values.push(std::mem::take(&mut value)),
            byte => {
                lines += usize::from(byte == b'\n');
                value.push(byte);
            }
        }
    }
    if quoted {
        return Err(format!("line {line} begins a quoted value that never ends; close it with \""));
    }
    values.push(value);
    Ok(CsvRow { values, bytes: at, lines })
}

/// The file `name` in `folder`, wherever links lead not outside of it.
///
/// # Errors
/// It is not there, or elsewhere.
pub fn inside(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let relative = Path::new(name);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    let outside = || {
        format!(
            "{} is not in the scenario's folder; put it there and name it without ..",
            quoted(name)
        )
    };
    if name.is_empty() || !relative.components().all(plain) {
        return Err(outside());
    }
    let missing = |error: std::io::Error| {
        format!("{} cannot be read ({error}); check the name and its permissions", quoted(name))
    };
    let whole = folder.join(relative).canonicalize().map_err(missing)?;
    let folder = folder.canonicalize().map_err(missing)?;
    if whole.starts_with(folder) { Ok(whole) } else { Err(outside()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    fn read(name: &str, bytes: &[u8], order: Order) -> Result<Feed, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        let placed = |text: &str| Placed::new(text.to_owned(), 0..0);
        let table = FeedTable { name: placed("users"), file: placed(name), order };
        Feed::read(&table, folder.path()).map_err(|mistake| mistake.message)
    }

    fn rows(feed: &Feed) -> Vec<Vec<String>> {
        let (text, ends) = feed.part(0, 1);
        let mut begin = 0;
        let mut value = |end: &u32| {
            let value = String::from_utf8(text[begin..*end as usize].to_vec()).unwrap();
            begin = *end as usize;
            value
        };
        let values: Vec<String> = ends.iter().map(&mut value).collect();
        values.chunks(feed.columns.len()).map(<[String]>::to_vec).collect()
    }

    #[test]
    fn csv_and_json_lines_give_the_same_rows() {
        let csv = b"id,name\r\n1,\"a, \"\"b\"\"\nc\"\r\n\r\n2,\r\n3,x";
        let json = b"{\"id\": 1, \"name\": \"a, \\\"b\\\"\\nc\"}\n\n{\"id\":2,\"name\":\"\"}\n{\"name\":\"x\",\"id\":3}\n";
        let csv = read("a.csv", csv, Order::Unique).unwrap();
        let json = read("a.jsonl", json, Order::Unique).unwrap();
        assert_eq!(csv.columns, ["id", "name"]);
        assert_eq!(rows(&csv), [["1", "a, \"b\"\nc"], ["2", ""], ["3", "x"]]);
        assert_eq!(rows(&csv), rows(&json));
    }

    #[test]
    fn workers_share_all_rows_and_none_twice() {
        let text: String = (0..10).map(|id| format!("{id}\n")).collect();
        let feed = read("a.csv", format!("id\n{text}").as_bytes(), Order::Sequential).unwrap();
        let mut all: Vec<u8> = (0..3).flat_map(|slot| feed.part(slot, 3).0).collect();
        all.sort_unstable();
        assert_eq!(all, b"0123456789");
        assert_eq!(feed.part(1, 3).0, b"147");
        assert_eq!(feed.part(11, 20).0, b"0123456789");
    }

    #[test]
    fn what_is_no_feed_is_named_with_its_remedy() {
        for (name, bytes, said) in [
            ("a.csv", &b""[..], "file `a.csv` has no rows"),
            ("a.csv", b"id\n", "file `a.csv` has no rows"),
            ("a.csv", b"id,b\n1\n", "file `a.csv` line 2 has 1 values, but there are 2 columns"),
            ("a.csv", b"id,id\n1,2\n", "file `a.csv` has the column `id` twice"),
            ("a.csv", b"id,\n1,2\n", "file `a.csv` has a column without a name"),
            ("a.csv", b"id\n\"1\n", "file `a.csv` line 2 begins a quoted value that never ends"),
            ("a.csv", b"id\n\"1\"junk\n", "file `a.csv` line 2 goes on behind a quoted value"),
            ("a.csv", b"id\n1\n2\n1\n", "file `a.csv` has row 3 twice"),
            ("a.txt", b"id\n1\n", "file `a.txt` is of no known kind"),
            ("a.jsonl", b"[1]\n", "file `a.jsonl` line 1 is no JSON object"),
            ("a.jsonl", b"{\"a\":[]}\n", "file `a.jsonl` line 1 has no text or number `a`"),
            ("a.jsonl", b"{\"a\":1}\n{\"b\":1}", "file `a.jsonl` line 2 has no text or number `a`"),
        ] {
            let why = read(name, bytes, Order::Unique).unwrap_err();
            assert!(why.starts_with(said) && !why.contains('\n'), "{why}\n{said}");
        }
    }

    #[test]
    fn nothing_outside_of_the_folder_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link.csv")).unwrap();
        for name in ["../a.csv", "/etc/passwd", "a/../../b", "link.csv", ""] {
            let why = inside(folder.path(), name).unwrap_err();
            assert!(why.contains("is not in the scenario's folder"), "{why}");
        }
        assert!(inside(folder.path(), "none.csv").unwrap_err().contains("cannot be read"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_refused(bytes in prop::collection::vec(prop::sample::select(b"a,\"\n\r{}:1\xff".to_vec()), 0..60)) {
            for name in ["a.csv", "a.jsonl"] {
                if let Ok(feed) = read(name, &bytes, Order::Unique) {
                    prop_assert!(feed.rows() > 0);
                }
            }
        }
    }
}
