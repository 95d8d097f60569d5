//! The command line of `run`, split into words before anything is rendered.
//!
//! Shell-word rules: spaces divide, `'...'` and `"..."` join, a backslash takes the next character
//! as it is; `{{ ... }}` is one atom everywhere. So a value never becomes two arguments.
//! What a shell would act upon (`|`, `>`, `$`, globs, ...) is an error outside quotes: `run` does
//! not use a shell, and the help points to `shell`.

use std::ops::Range;

/// A word: a template of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its text, without quotes.
    pub text: String,
    /// Where it is in the command line.
    pub range: Range<usize>,
    /// For each byte of the text where it is in the command line, and one for the end.
    offsets: Vec<usize>,
}

impl Word {
    /// Returns the range in the command line of a range of the text.
    pub fn place(&self, range: Range<usize>) -> Range<usize> {
        let at = |at: usize| self.offsets.get(at).copied().unwrap_or(self.range.end);
        if range.is_empty() {
            return at(range.start)..at(range.start);
        }
        at(range.start)..at(range.end - 1) + 1
    }
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitError {
    /// Something a shell would act upon.
    ShellSyntax {
        /// What the shell would do with it.
        what: &'static str,
        range: Range<usize>,
    },
    /// A quote or `{{` without its end.
    Unclosed { what: &'static str, range: Range<usize> },
}

/// Splits a command line; returns all problems, and the words as far as they are known.
pub fn split(line: &str) -> (Vec<Word>, Vec<SplitError>) {
    let last_bracket = line.rfind(']');
    let mut splitter = Splitter { line, last_bracket, ..Splitter::default() };
    while splitter.at < line.len() {
        splitter.step();
    }
    splitter.end_word();
    (splitter.words, splitter.faults)
}

#[derive(Default)]
struct Splitter<'a> {
    line: &'a str,
    /// Where the last `]` of the line is.
    last_bracket: Option<usize>,
    at: usize,
    word: String,
    offsets: Vec<usize>,
    /// Where the current word starts; quotes alone start one, too.
    start: Option<usize>,
    words: Vec<Word>,
    faults: Vec<SplitError>,
}

impl Splitter<'_> {
    fn step(&mut self) {
        let rest = &self.line[self.at..];
        let Some(character) = rest.chars().next() else { return };
        let width = character.len_utf8();
        if rest.starts_with("{{") {
            self.start.get_or_insert(self.at);
            self.atom();
            return;
        }
        match character {
            c if c.is_whitespace() => {
                self.end_word();
                self.at += width;
            }
            '\'' | '"' => self.quoted(character),
            '\\' => {
                self.start.get_or_insert(self.at);
                let next = rest[1..].chars().next().unwrap_or('\\');
                if next != '\n' {
                    self.push(next, self.at + 1);
                }
                self.at += 1 + next.len_utf8().min(rest.len() - 1);
            }
            c => {
                if let Some(what) = self.shell_syntax(c) {
                    self.faults
                        .push(SplitError::ShellSyntax { what, range: self.at..self.at + width });
                }
                self.start.get_or_insert(self.at);
                self.push(c, self.at);
                self.at += width;
            }
        }
    }

    /// Says what a shell would do with an unquoted character.
    fn shell_syntax(&self, character: char) -> Option<&'static str> {
        let begins = self.start.is_none();
        let rest = &self.line[self.at + character.len_utf8()..];
        match character {
            '|' => Some("a pipe"),
            '&' => Some("a list or a background job"),
            ';' => Some("a second command"),
            '<' | '>' => Some("a redirection"),
            '(' | ')' => Some("a subshell"),
            '`' => Some("a command substitution"),
            '$' if rest.starts_with('(') => Some("a command substitution"),
            '$' if rest
                .starts_with(|c: char| c.is_ascii_alphanumeric() || "_{?#@*!$".contains(c)) =>
            {
                Some("a variable")
            }
            '*' | '?' => Some("a file name pattern"),
            '[' if self.last_bracket.is_some_and(|at| at > self.at) => Some("a file name pattern"),
            '~' if begins => Some("a home directory"),
            '{' if braces(rest) => Some("several words"),
            '#' if begins => Some("a comment"),
            '!' if begins && self.words.is_empty() => Some("a negation"),
            _ => None,
        }
    }

    fn quoted(&mut self, quote: char) {
        let begin = self.at;
        self.start.get_or_insert(begin);
        self.at += 1;
        loop {
            let rest = &self.line[self.at..];
            let Some(character) = rest.chars().next() else {
                let what = if quote == '"' { "double quote" } else { "single quote" };
                self.faults.push(SplitError::Unclosed { what, range: begin..begin + 1 });
                return;
            };
            if rest.starts_with("{{") {
                self.atom();
                continue;
            }
            self.at += character.len_utf8();
            match character {
                c if c == quote => return,
                '\\' if quote == '"' => {
                    let next = self.line[self.at..].chars().next().unwrap_or('\\');
                    if !matches!(next, '"' | '\\' | '$' | '`') {
                        self.push('\\', self.at - 1);
                    }
                    self.push(next, self.at);
                    self.at += next.len_utf8().min(self.line.len() - self.at);
                }
                '$' | '`' if quote == '"' => {
                    let what =
                        if character == '$' { "a variable" } else { "a command substitution" };
                    let range = self.at - 1..self.at;
                    self.faults.push(SplitError::ShellSyntax { what, range });
                    self.push(character, self.at - 1);
                }
                c => self.push(c, self.at - c.len_utf8()),
            }
        }
    }

    /// Takes a character at a byte of the line.
    fn push(&mut self, character: char, at: usize) {
        self.word.push(character);
        self.offsets.extend(at..at + character.len_utf8());
    }

    /// Takes the text at the current byte of the line unchanged.
    fn push_all(&mut self, text: &str) {
        self.word.push_str(text);
        self.offsets.extend(self.at..self.at + text.len());
    }

    /// Takes a `{{ ... }}` unchanged; quotes inside it belong to the expression.
    fn atom(&mut self) {
        let rest = &self.line[self.at..];
        let length = atom(rest).unwrap_or_else(|| {
            self.faults.push(SplitError::Unclosed { what: "`{{`", range: self.at..self.at + 2 });
            rest.len()
        });
        self.push_all(&rest[..length]);
        self.at += length;
    }

    fn end_word(&mut self) {
        if let Some(start) = self.start.take() {
            let text = std::mem::take(&mut self.word);
            let mut offsets = std::mem::take(&mut self.offsets);
            offsets.push(offsets.last().map_or(self.at, |last| last + 1));
            self.words.push(Word { text, range: start..self.at, offsets });
        }
    }
}

/// Whether what follows a `{` makes it a list or a range of words: `{a,b}`, `{1..3}`.
fn braces(rest: &str) -> bool {
    let end = rest.find(|c: char| c.is_whitespace() || "}{'\"\\".contains(c));
    let (inside, behind) = rest.split_at(end.unwrap_or(rest.len()));
    behind.starts_with('}') && (inside.contains(',') || inside.contains(".."))
}

/// Returns the length in bytes of a `{{ ... }}` at the start of a text; `None` if it is not closed.
pub(super) fn atom(text: &str) -> Option<usize> {
    let mut inside: Option<char> = None;
    let mut characters = text.char_indices().skip(2).peekable();
    while let Some((index, character)) = characters.next() {
        match inside {
            Some(quote) if character == quote => inside = None,
            None if matches!(character, '\'' | '"') => inside = Some(character),
            None if character == '}' && characters.peek().is_some_and(|(_, c)| *c == '}') => {
                return Some(index + 2);
            }
            Some(_) | None => {}
        }
    }
    None
}
