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
    let special = |c: char| !c.is_alphanumeric() && !"_-./:@%+=,".contains(c);
    let mut all = vec![
        text.replace('\'', r"'\''"),
        text.replace('\'', r#"'"'"'"#),
        escape(text, special, |c, out| out.extend(['\\', c])),
        escape(text, |c| "\\\"$`".contains(c), |c, out| out.extend(['\\', c])),
    ];
    all.extend(json(text));
    all.extend(c(text));
    all.extend(html(text));
    all
}

/// JSON: each library has its own list of characters that it writes by their numbers.
fn json(text: &str) -> Vec<String> {
    let quoted = serde_json::Value::from(text).to_string();
    let json = &quoted[1..quoted.len() - 1];
    let by_number = |listed: &'static str, ascii: bool, upper: bool| {
        let is = move |c: char| listed.contains(c) || ascii && !c.is_ascii();
        escape(json, is, |c, out| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _written =
                    if upper { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
            }
        })
    };
    let mut all = vec![json.to_owned(), json.replace('/', "\\/")];
    // Python; Go; templates of Jinja; Gson. .NET writes a quote by its number, too.
    for listed in ["", "<>&\u{2028}\u{2029}", "<>&'", "<>&'="] {
        all.extend([false, true].map(|ascii| by_number(listed, ascii, false)));
    }
    all.push(by_number("", true, false).replace('/', "\\/"));
    all.push(by_number("<>&'+`", true, true).replace("\\\"", "\\u0022"));
    all
}

/// C, Rust and Python: with escapes of characters or of bytes.
fn c(text: &str) -> Vec<String> {
    let debug = format!("{text:?}");
    let mut all = vec![debug[1..debug.len() - 1].to_owned()];
    for quotes in ["", "'", "\""] {
        let short = escape(
            text,
            |c| "\\\n\t\r".contains(c) || quotes.contains(c),
            |c, out| {
                let letter = match c {
                    '\n' => 'n',
                    '\t' => 't',
                    '\r' => 'r',
                    other => other,
                };
                out.extend(['\\', letter]);
            },
        );
        for octal in [false, true] {
            let write = |c: char, out: &mut String| {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a text cannot fail.
                    let _written = if octal {
                        write!(out, "\\{byte:03o}")
                    } else {
                        write!(out, "\\x{byte:02x}")
                    };
                }
            };
            all.push(escape(&short, |c| !c.is_ascii(), write));
        }
        all.push(short);
    }
    all
}

/// HTML and XML: libraries differ in how they write quotes, and whether they do.
fn html(text: &str) -> Vec<String> {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let doubles = ["\"", "&quot;", "&#34;", "&#x22;"];
    let singles = ["'", "&#39;", "&#x27;", "&#039;", "&apos;"];
    let pairs = doubles.iter().flat_map(|double| singles.map(|single| (double, single)));
    pairs.map(|(double, single)| text.replace('"', double).replace('\'', single)).collect()
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
