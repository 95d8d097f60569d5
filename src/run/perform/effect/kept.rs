//! The part of an output that is stored.
//!
//! The start and the end of a long stream are stored: errors are often at the end. A line
//! between them shows how much is missing.

use crate::event::Outcome;
use crate::transport::{Exit, Output};

/// The longest text of a stream that an event contains, in bytes.
const MOST: usize = 4 * 1024;
/// How much of it is the start of the stream.
const BEGINNING: usize = 1024;

/// Returns the outcome of an attempt that ended, to be stored.
pub(in crate::run::perform) fn ended(output: &Output) -> Outcome {
    let (stdout, is_stdout_cut) = kept(&output.stdout, output.stdout_len);
    let (stderr, is_stderr_cut) = kept(&output.stderr, output.stderr_len);
    let cut = is_stdout_cut || is_stderr_cut;
    Outcome::Ended { exit: output.exit.clone(), stdout, stderr, cut }
}

/// Makes an output from what was stored. A shortened one is never read as the whole.
pub(super) fn printed(exit: Exit, stdout: String, stderr: String, cut: bool) -> Output {
    let mut output = Output::new(exit, stdout, stderr);
    output.stdout_len += u64::from(cut);
    output.stderr_len += u64::from(cut);
    output
}

/// Returns a stream as text, with the middle left out if it is long, and whether something is.
/// Of a stream that was not read to its end, the end is left out.
fn kept(bytes: &[u8], length: u64) -> (String, bool) {
    if bytes.is_empty() && length > 0 {
        // How much it was is not known either.
        return ("[the output is lost]\n".to_owned(), true);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let is_whole = length <= bytes.len() as u64;
    if is_whole && bytes.len() <= MOST {
        return (text(bytes), false);
    }
    let most = if is_whole { BEGINNING } else { MOST.min(bytes.len()) };
    let beginning = &bytes[..most];
    let end = if is_whole { &bytes[bytes.len() - (MOST - BEGINNING)..] } else { &[] };
    // Between lines, if there are any.
    let is_break = |byte: &u8| *byte == b'\n';
    let beginning = match beginning.iter().rposition(is_break) {
        Some(at) => &beginning[..=at],
        None => beginning,
    };
    let end = match end.iter().position(is_break) {
        Some(at) if at + 1 < end.len() => &end[at + 1..],
        _ => end,
    };
    let missing = length.max(bytes.len() as u64) - (beginning.len() + end.len()) as u64;
    let separator = if beginning.ends_with(b"\n") { "" } else { "\n" };
    let text = format!("{}{separator}[{missing} bytes left out]\n{}", text(beginning), text(end));
    (text, true)
}
