//! The lines of a host session, taken out of a stream.

use memchr::memmem::Finder;

/// Longest line of the session, in bytes: it may contain a path.
const MAX_LINE: usize = 8 * 1024;

/// Takes the lines of the session out of a stream. Every byte is read once.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) prefix: Finder<'static>,
    /// The end of the received bytes, which may be the start of a line.
    pub(super) held: Vec<u8>,
}

impl Lines {
    /// Takes lines that start with this prefix and a colon.
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = format!("{prefix}:");
        Self { prefix: Finder::new(prefix.as_bytes()).into_owned(), held: Vec::new() }
    }

    /// Takes bytes up to the end of the next line. Returns the text before the line, the line, and
    /// what comes after it.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> (Vec<u8>, Option<String>, &'a [u8]) {
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        let Some(at) = self.prefix.find(&self.held) else {
            let kept = self.partial();
            let text = self.held.drain(..self.held.len() - kept).collect();
            return (text, None, &[]);
        };
        let start = at + self.prefix.needle().len();
        let Some(length) = self.held[start..].iter().position(|&byte| byte == b'\n') else {
            let too_long = self.held.len() - start > MAX_LINE;
            let end = if too_long { self.held.len() } else { at };
            return (self.held.drain(..end).collect(), None, &[]);
        };
        let line = String::from_utf8_lossy(&self.held[start..start + length]).into_owned();
        let after = &bytes[start + length + 1 - before..];
        let mut text = std::mem::take(&mut self.held);
        text.truncate(at);
        (text, Some(line), after)
    }

    /// How many bytes at the end may be the start of the prefix.
    fn partial(&self) -> usize {
        let prefix = self.prefix.needle();
        let longest = self.held.len().min(prefix.len() - 1);
        (1..=longest).rev().find(|&n| self.held.ends_with(&prefix[..n])).unwrap_or(0)
    }
}
