//! What a server sent, on its way to an output.
//!
//! Bytes of a server reach an output through [`Untrusted`] alone. It has no `Display` and hands out
//! no string but those made for one kind of output each, so a place that forgot to choose does not
//! compile.
//!
//! All outputs show the same text. What prints stays as it is; control and format characters (those
//! that turn the direction of writing among them), line separators, and bytes that are no UTF-8
//! become `\r`, `\x1b`, `\u{202e}`, `\xff`. A backslash is doubled: no two contents look alike.

use std::fmt;

/// Bytes that are kept of one string; that there were more is remembered.
pub const UNTRUSTED_BYTES_MAX: usize = 64;

/// The longest text of any output, quotes and what they need left out: no byte needs more than
/// the four of `\xff`.
const SHOWN_BYTES_MAX: usize = 4 * UNTRUSTED_BYTES_MAX;

/// Stands where bytes were cut off.
const CUT_MARK: &str = "…";

/// Bytes that somebody else chose; at most [`UNTRUSTED_BYTES_MAX`] of them, without allocation.
///
/// ```
/// let title = stats::Untrusted::new(b"\x1b]0;owned\x07");
/// assert_eq!(title.terminal(), r"\x1b]0;owned\x07");
/// ```
///
/// It cannot be printed as it is:
///
/// ```compile_fail,E0277
/// println!("{}", stats::Untrusted::new(b"\x1b]0;owned\x07"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Untrusted {
    /// Zero behind the `kept` first ones, so that equal contents are equal arrays.
    bytes: [u8; UNTRUSTED_BYTES_MAX],
    kept: u8,
    cut: bool,
}

impl Untrusted {
    /// The first [`UNTRUSTED_BYTES_MAX`] of `sent`.
    pub fn new(sent: &[u8]) -> Self {
        let kept = sent.len().min(UNTRUSTED_BYTES_MAX);
        let mut bytes = [0; UNTRUSTED_BYTES_MAX];
        bytes[..kept].copy_from_slice(&sent[..kept]);
        Self { bytes, kept: kept as u8, cut: sent.len() > kept }
    }

    /// What a codec carried; none where that cannot be a [`raw`](Self::raw) with its
    /// [`is_cut`](Self::is_cut).
    pub fn from_raw(raw: &[u8], cut: bool) -> Option<Self> {
        let full = raw.len() == UNTRUSTED_BYTES_MAX;
        let possible = full || (!cut && raw.len() < UNTRUSTED_BYTES_MAX);
        possible.then(|| Self { cut, ..Self::new(raw) })
    }

    /// The bytes that are kept, for a codec; an output takes one of the texts below.
    pub fn raw(&self) -> &[u8] {
        &self.bytes[..usize::from(self.kept)]
    }

    /// Whether there were more bytes than are kept.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// For a terminal or a page of text: one line of at most 256 bytes.
    pub fn terminal(&self) -> String {
        self.shown(&[])
    }

    /// For a JSON string, whose own escaping follows. `<` is escaped as well, so the object may
    /// stand inside an HTML `script`.
    pub fn json(&self) -> String {
        self.shown(&['<'])
    }

    /// A cell of a CSV file: quoted, quotes doubled, and never a formula for a spreadsheet.
    pub fn csv(&self) -> String {
        let guard = if self.begins_formula() { "'" } else { "" };
        format!("\"{guard}{}\"", self.terminal().replace('"', "\"\""))
    }

    /// A value in a line of a log: quoted, without a quote inside.
    pub fn log(&self) -> String {
        format!("\"{}\"", self.shown(&['"']))
    }

    /// Between tags of XML, or in quotes there: what XML would read is an entity. No character is one that
    /// XML 1.0 has no place for.
    pub fn xml(&self) -> String {
        let entities =
            [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&apos;")];
        let shown = self.terminal();
        entities.iter().fold(shown, |text, (character, entity)| text.replace(character, entity))
    }

    /// The text of all outputs, with `also` escaped as well.
    fn shown(&self, also: &[char]) -> String {
        let room = SHOWN_BYTES_MAX - if self.cut { CUT_MARK.len() } else { 0 };
        let mut text = String::with_capacity(SHOWN_BYTES_MAX);
        for piece in self.pieces(also) {
            if text.len() + piece.len() > room {
                break;
            }
            text.push_str(&piece);
        }
        if self.cut {
            text.push_str(CUT_MARK);
        }
        text
    }

    /// Character by character, as it is shown.
    fn pieces(&self, also: &[char]) -> impl Iterator<Item = String> {
        self.raw().utf8_chunks().flat_map(move |chunk| {
            let characters = chunk.valid().chars().map(|character| visible(character, also));
            characters.chain(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")))
        })
    }

    /// Whether a spreadsheet might read it as a formula; the wide forms count in some locales.
    fn begins_formula(&self) -> bool {
        let text = String::from_utf8_lossy(self.raw());
        let beginnings = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
        text.trim_start_matches(' ').starts_with(beginnings)
    }
}

/// `character` as it is shown.
fn visible(character: char, also: &[char]) -> String {
    match character {
        '\n' | '\r' | '\t' | '\\' => character.escape_default().to_string(),
        _ if character.is_ascii_control() || also.contains(&character) => {
            format!("\\x{:02x}", u32::from(character))
        }
        _ if character.is_ascii() => character.to_string(),
        // Escapes all but what prints by itself: also C1, format and line separator characters,
        // other blanks, marks that sit on the character before, private and unassigned ones.
        _ => character.escape_debug().to_string(),
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted({})", self.log())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Unicode's category Cf, and with it Zl, Zp and C1: written down here, since the code asks std.
    const FORMAT: [(u32, u32); 24] = [
        (0x80, 0x9f),
        (0xad, 0xad),
        (0x600, 0x605),
        (0x61c, 0x61c),
        (0x6dd, 0x6dd),
        (0x70f, 0x70f),
        (0x890, 0x891),
        (0x8e2, 0x8e2),
        (0x180e, 0x180e),
        (0x200b, 0x200f),
        (0x2028, 0x2029),
        (0x202a, 0x202e),
        (0x2060, 0x2064),
        (0x2066, 0x206f),
        (0xfeff, 0xfeff),
        (0xfff9, 0xfffb),
        (0x110bd, 0x110bd),
        (0x110cd, 0x110cd),
        (0x13430, 0x1343f),
        (0x1bca0, 0x1bca3),
        (0x1d173, 0x1d17a),
        (0xe0001, 0xe0001),
        (0xe0020, 0xe007f),
        (0x7f, 0x7f),
    ];

    fn is_harmless(character: char) -> bool {
        let code = u32::from(character);
        code >= 0x20 && FORMAT.iter().all(|(first, last)| !(*first..=*last).contains(&code))
    }

    fn outputs(bytes: &[u8]) -> [String; 6] {
        let sent = Untrusted::new(bytes);
        [sent.terminal(), sent.json(), sent.csv(), sent.log(), sent.xml(), format!("{sent:?}")]
    }

    #[track_caller]
    fn assert_harmless(bytes: &[u8]) {
        for text in outputs(bytes) {
            assert!(text.chars().all(is_harmless), "{bytes:?} became {text:?}");
        }
        assert!(Untrusted::new(bytes).terminal().len() <= 256);
    }

    #[test]
    fn attacks_are_shown_and_do_nothing() {
        let table: [(&[u8], &str); 16] = [
            (b"\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
            (b"\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
            (b"\xc2\x9b31mred", r"\u{9b}31mred"),
            (b"\x9b31mred", r"\x9b31mred"),
            (b"all is well\rfailed\r\n", r"all is well\rfailed\r\n"),
            (b"a\x08\x7fb\x00\tc", r"a\x08\x7fb\x00\tc"),
            ("a\u{202e}gpj.exe\u{2066}".as_bytes(), r"a\u{202e}gpj.exe\u{2066}"),
            ("\u{feff}\u{200e}\u{2028}\u{2029}".as_bytes(), r"\u{feff}\u{200e}\u{2028}\u{2029}"),
            ("\u{ad}\u{200b}\u{e0041}".as_bytes(), r"\u{ad}\u{200b}\u{e0041}"),
            ("e\u{301}\u{a0}".as_bytes(), r"e\u{301}\u{a0}"),
            (b"\xff\xfe\xe2\x80", r"\xff\xfe\xe2\x80"),
            (b"\xed\xa0\x80 surrogate", r"\xed\xa0\x80 surrogate"),
            (br"\x1b is text", r"\\x1b is text"),
            ("naïve → 日本語".as_bytes(), "naïve → 日本語"),
            (b"<html>\n\"quoted\"", r#"<html>\n"quoted""#),
            (b"", ""),
        ];
        for (bytes, shown) in table {
            assert_eq!(Untrusted::new(bytes).terminal(), shown);
            assert_harmless(bytes);
        }
    }

    #[test]
    fn each_output_guards_what_it_needs_to() {
        let cells = [
            ("=cmd|'/c calc'!A0", r#""'=cmd|'/c calc'!A0""#),
            ("+1", r#""'+1""#),
            ("-1", r#""'-1""#),
            ("@SUM(1)", r#""'@SUM(1)""#),
            ("\t=1", r#""'\t=1""#),
            ("\r=1", r#""'\r=1""#),
            ("  =1", r#""'  =1""#),
            ("＝1", r#""'＝1""#),
            ("a\",=1", r#""a"",=1""#),
            ("a=1", r#""a=1""#),
        ];
        for (sent, cell) in cells {
            assert_eq!(Untrusted::new(sent.as_bytes()).csv(), cell);
        }
        let script = Untrusted::new(b"</script><!--\xe2\x80\xa8").json();
        assert_eq!(script, r"\x3c/script>\x3c!--\u{2028}");
        let markup = Untrusted::new(b"</failure>&lt;']]>\"\0").xml();
        assert_eq!(markup, r"&lt;/failure&gt;&amp;lt;&apos;]]&gt;&quot;\x00");
        let forged = Untrusted::new(b"x\" level=ok\nts=1");
        assert_eq!(forged.log(), r#""x\x22 level=ok\nts=1""#);
        assert_eq!(format!("{forged:?}"), r#"Untrusted("x\x22 level=ok\nts=1")"#);
    }

    #[test]
    fn what_is_cut_says_so_within_the_bound() {
        for (byte, shown) in [(b'a', 64), (0, 4 * 63)] {
            let whole = Untrusted::new(&[byte; 64]);
            assert!(!whole.is_cut() && !whole.terminal().ends_with(CUT_MARK));
            let cut = Untrusted::new(&[byte; 65]);
            assert!(cut.is_cut() && cut.terminal().ends_with(CUT_MARK) && cut != whole);
            assert_eq!(cut.terminal().len(), shown + CUT_MARK.len());
        }
    }

    #[test]
    fn a_codec_gives_back_what_it_took_and_nothing_that_cannot_be() {
        for sent in [&b""[..], b"\0", b"HTTP", &[7; 64], &[7; 65]] {
            let sent = Untrusted::new(sent);
            assert_eq!(Untrusted::from_raw(sent.raw(), sent.is_cut()), Some(sent));
        }
        assert_eq!(Untrusted::from_raw(&[7; 65], true), None);
        assert_eq!(Untrusted::from_raw(b"short", true), None);
    }

    #[test]
    fn every_character_there_is_comes_out_harmless() {
        let mut buffer = [0; 4];
        for character in '\0'..=char::MAX {
            let text = Untrusted::new(character.encode_utf8(&mut buffer).as_bytes()).terminal();
            assert!(text.chars().all(is_harmless), "{:x}", u32::from(character));
            assert!(!text.contains(['\u{fffe}', '\u{ffff}']), "{:x}", u32::from(character));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_come_out_as_control_or_format(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            assert_harmless(&bytes);
        }

        #[test]
        fn no_text_comes_out_as_control_or_format(text in prop::collection::vec(hostile(), 0..80)) {
            assert_harmless(String::from_iter(text).as_bytes());
        }

        #[test]
        fn no_two_contents_look_alike(
            one in prop::collection::vec(any::<u8>(), 0..4),
            other in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let alike = Untrusted::new(&one).terminal() == Untrusted::new(&other).terminal();
            prop_assert_eq!(alike, one == other);
        }
    }

    fn hostile() -> impl Strategy<Value = char> {
        let format = prop::sample::select(FORMAT.as_slice())
            .prop_flat_map(|(first, last)| first..=last)
            .prop_map(|code| char::from_u32(code).unwrap());
        prop_oneof![format, any::<char>(), prop::char::range('\0', '~')]
    }
}
