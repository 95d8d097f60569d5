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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_kept_as_it_is() {
        let (text, is_cut) = kept(b"one\ntwo \xff\n", 9);
        assert_eq!((text.as_str(), is_cut), ("one\ntwo \u{fffd}\n", false));
    }

    #[test]
    fn the_first_and_the_last_lines_of_a_long_stream_are_kept() {
        let lines: Vec<String> = (1..=100_000).map(|number| format!("line {number}\n")).collect();
        let stream = lines.concat();
        let (text, is_cut) = kept(stream.as_bytes(), stream.len() as u64);
        assert!(is_cut && text.len() <= MOST + 64, "{}", text.len());
        let (beginning, end) = text.split_once('[').unwrap();
        let (missing, end) = end.split_once(" bytes left out]\n").unwrap();
        assert!(stream.starts_with(beginning) && beginning.ends_with('\n'));
        assert!(stream.ends_with(end) && end.starts_with("line "));
        let missing: usize = missing.parse().unwrap();
        assert_eq!(beginning.len() + missing + end.len(), stream.len());
    }

    #[test]
    fn a_stream_without_lines_or_read_in_part_is_cut_too() {
        let (text, is_cut) = kept(&[b'x'; 10_000], 10_000);
        assert!(is_cut && text.contains("x\n[5904 bytes left out]\nx"), "{text}");
        let (text, is_cut) = kept(&[b'x'; 5_000], 9_096);
        assert!(is_cut && text.ends_with("x\n[5000 bytes left out]\n"), "{text}");
        assert_eq!(kept(b"", 1), ("[the output is lost]\n".to_owned(), true));
    }

    #[test]
    fn what_was_cut_is_not_taken_for_whole() {
        let Outcome::Ended { exit, stdout, stderr, cut } =
            ended(&Output::new(Exit::Code(0), vec![b'x'; 10_000], ""))
        else {
            unreachable!("it ended");
        };
        let output = printed(exit, stdout, stderr, cut);
        assert!(output.stdout_len > output.stdout.len() as u64);
    }
}
