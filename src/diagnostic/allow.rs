//! Warnings that an author allows in place: `# planrun: allow(CODE) reason`.
//!
//! The comment is at the end of the line of the warning, or on its own line above it; in a script it
//! is a comment of the script. It allows warnings and notes, and requires a reason. A comment that
//! allows nothing is a warning itself ([`unused`]), so that none outlives its purpose.

use strum::VariantArray as _;

use crate::diagnostic::{Code, Diagnostic, Severity, nearest};
use crate::source::{SourceId, Sources, Span};

/// The start of the comment, after its `#`.
const MARK: &str = "planrun: allow(";
/// Maximum number of comment lines above a line that are read.
const MAX_LINES: usize = 20;

struct Allow<'a> {
    /// Its offset in the line, with the `#`.
    at: usize,
    codes: &'a str,
    reason: &'a str,
}

/// Reads the comment of a line.
fn of_line(line: &str) -> Option<Allow<'_>> {
    let mark = line.find(MARK)?;
    let before = line[..mark].trim_end();
    let at = before.len().checked_sub(1).filter(|_| before.ends_with('#'))?;
    (at == 0 || before[..at].ends_with([' ', '\t'])).then_some(())?;
    let (codes, reason) = line[mark + MARK.len()..].split_once(')')?;
    Some(Allow { at, codes, reason: reason.trim() })
}

impl Allow<'_> {
    fn allows(&self, code: Code) -> bool {
        !self.reason.is_empty() && self.codes.split(',').any(|one| one.trim() == code.name())
    }
}

/// Returns the location of the comment that allows a diagnostic, if there is one.
pub fn allowance(one: &Diagnostic, sources: &Sources) -> Option<(SourceId, usize)> {
    let span = one.primary.as_ref()?.span;
    let text = sources.get(span.source).text();
    let at = span.range().start.min(text.len());
    if one.severity == Severity::Error {
        return None;
    }
    let mut start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let mut line = text[start..].lines().next().unwrap_or_default();
    for number in 0..MAX_LINES {
        // Above it, only whole-line comments belong to the line.
        if number > 0 && !line.trim_start().starts_with('#') {
            return None;
        }
        if let Some(allow) = of_line(line).filter(|allow| allow.allows(one.code)) {
            return Some((span.source, start + allow.at));
        }
        let end = start.checked_sub(1)?;
        start = text[..end].rfind('\n').map_or(0, |end| end + 1);
        line = &text[start..end];
    }
    None
}

/// Warns of the comments of a text that allow nothing. `used` returns whether the one at a location
/// does; `may_come` returns whether a check that was not made may report a code.
pub fn unused(
    id: SourceId,
    sources: &Sources,
    used: impl Fn(usize) -> bool,
    may_come: impl Fn(Code) -> bool,
) -> Vec<Diagnostic> {
    let text = sources.get(id).text();
    if !text.contains(MARK) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(allow) = of_line(line) {
            let at = start + allow.at;
            let span = Span::new(id, at, start + line.trim_end().len());
            let code = allow.codes.trim();
            if allow.reason.is_empty() {
                let fault = Diagnostic::warning(Code::UnusedAllow, "missing reason in `allow`");
                found.push(
                    fault
                        .at(span, "requires a reason")
                        .help(format!("add a reason: `# planrun: allow({code}) REASON`")),
                );
            } else if let Some(unknown) =
                code.split(',').map(str::trim).find(|one| one.parse::<Code>().is_err())
            {
                let fault = Diagnostic::warning(
                    Code::UnusedAllow,
                    format!("unknown code `{unknown}` in `allow`"),
                );
                let fault = fault.at(span, "allows nothing");
                let codes = Code::VARIANTS.iter().map(|code| code.name());
                let near = nearest(unknown, codes);
                found.push(fault.suggest(near, "write the code in brackets from the warning"));
            } else if !used(at)
                && !code.split(',').any(|one| one.trim().parse().is_ok_and(&may_come))
            {
                let message = format!("unused `allow({code})`");
                found.push(
                    Diagnostic::warning(Code::UnusedAllow, message)
                        .at(span, "no such warning here")
                        .help("remove the comment"),
                );
            }
        }
        start += line.len();
    }
    found
}
