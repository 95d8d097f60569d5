//! Text from elsewhere, made safe to show.
//!
//! Output of hosts, values, names and sentences of plans pass [`printable`] before they reach a
//! terminal, a log or a page: afterwards there is no control byte in them, nothing that moves a cursor,
//! changes a colour, hides or reverses what follows. The one place that knows these characters.

use std::fmt::Write as _;

/// Returns a text with everything escaped that must not reach a terminal: C0 (line ends and tabs
/// included), DEL, C1, controls of writing direction, invisible separators.
pub fn printable(text: &str) -> String {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_printable(&mut out, c);
    }
    out
}

fn push_printable(out: &mut String, c: char) {
    match c {
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        c if c.is_ascii_control() => escape(out, format_args!("\\x{:02x}", u32::from(c))),
        c if is_hidden(c) => escape(out, format_args!("\\u{{{:x}}}", u32::from(c))),
        c => out.push(c),
    }
}

fn escape(out: &mut String, escaped: std::fmt::Arguments<'_>) {
    out.write_fmt(escaped).expect("a string takes what is written to it");
}

/// Whether a character beyond ASCII shows nothing of its own, or changes how others are shown.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' // direction marks, no width
            | '\u{2028}'..='\u{202e}' // line and paragraph ends, embeddings, overrides
            | '\u{2060}'..='\u{206f}' // joiners, isolates
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}' // tags
        )
}

/// Returns JSON text with the same characters escaped as in [`printable`], by JSON's own escapes:
/// its meaning stays. White space between the values stays.
pub fn printable_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\u{7f}' || !c.is_ascii() && is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escape(&mut out, format_args!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}
