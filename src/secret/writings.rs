//! The encodings of a secret: as it is, and as programs print it.
//!
//! Each is searched as bytes. Hex and base64 are searched without white space (`packed`), because
//! programs wrap them into lines and columns.

use std::fmt::Write as _;

use super::SHORTEST;
use crate::quote;

/// Shortest line of a secret of several lines that is searched on its own, in bytes.
const SHORTEST_LINE: usize = 12;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Writing {
    pub(super) bytes: Vec<u8>,
    /// Whether the character before belongs to it in part.
    pub(super) before: bool,
    /// Whether the character after belongs to it in part.
    pub(super) behind: bool,
}

impl Writing {
    fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), before: false, behind: false }
    }
}

/// Returns a secret without the white space around it.
pub(super) fn trimmed(secret: &[u8]) -> &[u8] {
    std::str::from_utf8(secret).map_or(secret, |text| text.trim().as_bytes())
}

/// Returns the encodings that are searched in unchanged text, without repetitions.
pub(super) fn plain(secret: &[u8]) -> Vec<Writing> {
    let Ok(whole) = std::str::from_utf8(trimmed(secret)) else {
        // It is not text: nothing quotes it, and it has no lines.
        return done(std::iter::once(Writing::whole(secret)));
    };
    let mut all: Vec<String> = Vec::new();
    for text in std::iter::once(whole).chain(lines(whole)) {
        all.push(text.to_owned());
        all.extend(quoted(text));
        all.extend(percent(text));
    }
    done(all.into_iter().map(Writing::whole))
}

/// Returns the lines of a secret of several lines that are searched on their own.
fn lines(whole: &str) -> impl Iterator<Item = &str> {
    let long = |line: &&str| line.len() >= SHORTEST_LINE && !is_frame(line);
    whole.lines().map(str::trim).filter(long)
}

/// Whether a line is the first or the last of a PEM block: it is the same in all of its kind.
fn is_frame(line: &str) -> bool {
    (line.starts_with("-----BEGIN ") || line.starts_with("-----END ")) && line.ends_with("-----")
}

/// Returns the encodings that are searched in text without white space.
pub(super) fn packed(secret: &[u8]) -> Vec<Writing> {
    let mut all = Vec::new();
    let whole = trimmed(secret);
    let lines = std::str::from_utf8(whole).into_iter().flat_map(lines).map(str::as_bytes);
    for part in std::iter::once(whole).chain(lines) {
        all.extend([::hex::encode(part), ::hex::encode_upper(part)].map(Writing::whole));
        all.extend((0..3).flat_map(|shift| [false, true].map(|url| base64(part, shift, url))));
    }
    done(all.into_iter())
}

fn done(all: impl Iterator<Item = Writing>) -> Vec<Writing> {
    let mut all: Vec<Writing> = all.filter(|one| one.bytes.len() >= SHORTEST).collect();
    all.sort();
    all.dedup();
    all
}

/// JSON, shells, C, HTML: the text between the quotes.
fn quoted(text: &str) -> Vec<String> {
    let inner = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
    let json = inner(serde_json::Value::from(text).to_string());
    let debug = inner(format!("{text:?}"));
    let ascii = escape(
        &json,
        |c| !c.is_ascii(),
        |c, out| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _written = write!(out, "\\u{unit:04x}");
            }
        },
    );
    let slashes = json.replace('/', "\\/");
    let special = |c: char| !c.is_alphanumeric() && !"_-./:@%+=,".contains(c);
    let html = |quote: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('"', "&quot;").replace('\'', quote)
    };
    vec![
        json,
        ascii,
        slashes,
        debug,
        text.replace('\'', r"'\''"),
        text.replace('\'', r#"'"'"'"#),
        escape(text, special, |c, out| out.extend(['\\', c])),
        escape(text, |c| "\\\"$`".contains(c), |c, out| out.extend(['\\', c])),
        escape(
            text,
            |c| "\\'\n\t\r".contains(c),
            |c, out| {
                let letter = match c {
                    '\n' => 'n',
                    '\t' => 't',
                    '\r' => 'r',
                    other => other,
                };
                out.extend(['\\', letter]);
            },
        ),
        html("&#39;"),
        html("&#x27;"),
    ]
}

fn escape(text: &str, is: impl Fn(char) -> bool, write: impl Fn(char, &mut String)) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if is(c) {
            write(c, &mut out);
        } else {
            out.push(c);
        }
    }
    out
}

/// As in URLs: only what must be escaped, with a few variations, and every byte.
fn percent(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for upper in [true, false] {
        for kept in ["-_.~", "-_.~/", "-_.!~*'()", "-_.!~*'();/?:@&=+$,#"] {
            let encoded = quote::percent(text.as_bytes(), kept, upper);
            all.push(encoded.replace("%20", "+"));
            all.push(encoded);
        }
        // Byte by byte, with a character before or between.
        all.push(hex(text, upper, ":"));
        for before in ["%", "\\x"] {
            all.push(format!("{before}{}", hex(text, upper, before)));
        }
    }
    all
}

fn hex(text: &str, upper: bool, glue: &str) -> String {
    let digits = |byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
    text.bytes().map(digits).collect::<Vec<String>>().join(glue)
}

/// The characters of base64 that the text alone determines, if `shift` bytes precede it.
fn base64(text: &[u8], shift: usize, url: bool) -> Writing {
    let (last, end) = if url { (b'-', b'_') } else { (b'+', b'/') };
    let sign = |value: u8| match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        62 => last,
        _ => end,
    };
    let bits = (shift + text.len()) * 8;
    let bit = |at: usize| {
        let byte = (at / 8).checked_sub(shift).and_then(|index| text.get(index));
        byte.map_or(0, |byte| byte >> (7 - at % 8) & 1)
    };
    let first = (shift * 8).div_ceil(6);
    let bytes = (first..bits / 6)
        .map(|index| sign((0..6).fold(0, |value, at| value << 1 | bit(index * 6 + at))))
        .collect();
    Writing { bytes, before: shift > 0, behind: !bits.is_multiple_of(6) }
}
