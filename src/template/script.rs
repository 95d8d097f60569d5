//! Finds the values of a script whose quotes do not protect them.
//!
//! In a script every value is quoted for `sh` ([`crate::template::Mode::Script`]). The result is one inert
//! word only if a word is possible there. Inside quotes of the script, the added quotes are plain
//! characters or end them; in backquotes, arithmetic, `[[ ]]` and `${ }` shells interpret their content
//! again; after `$` or `\` the first quote means something else. These places are found here before
//! anything is rendered, by the rules of POSIX shells, and of bash if it is `sh`.
//!
//! Text that `{% if %}` may leave out is read too, and must leave open what was open before it. The author
//! of `| raw` is responsible for its quoting.

use std::ops::Range;

use crate::template::expression::{Expr, ExprKind, Expression};
use crate::template::parser::names_of_template;
use crate::template::words::atom;

/// The context of a value, if a quoted word is not possible there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Within {
    /// In a text in quotes of this sign.
    Quotes(char),
    /// In a command substitution with backquotes.
    Backquotes,
    /// In `$(( ))` or `(( ))`.
    Arithmetic,
    /// In `[[ ]]`.
    Test,
    /// In `${ }`.
    Parameter,
    /// In the lines after `<<`, or the word that ends them.
    HereDocument,
    /// Behind `#`.
    Comment,
    /// Right after `$` or `\`.
    Joined(char),
    /// Behind an `{% if %}` or `{% for %}` that leaves other quotes open than it found.
    Block,
    /// Behind `$'...\'...'`, which shells read differently.
    Unsure,
}

/// Returns the values of a script whose quotes do not protect them, in their order.
pub fn misplaced(script: &str) -> Vec<(Range<usize>, Within)> {
    let mut reader = ScriptReader { script, ..ScriptReader::default() };
    while reader.at < script.len() {
        reader.step();
    }
    reader.found
}

/// Returns a script of the same length with its commands alone: what is in quotes, and a value, is
/// `q`, comments and here-documents are spaces.
pub fn command_text(script: &str) -> String {
    let mut reader = ScriptReader { script, ..ScriptReader::default() };
    let mut text = String::with_capacity(script.len());
    while reader.at < script.len() {
        let (before, top, count) = (reader.at, reader.open.last().cloned(), reader.open.len());
        let value = ["{{", "{%", "{#"].iter().any(|sign| script[before..].starts_with(sign));
        reader.step();
        let read = &script[before..reader.at];
        let opens = reader.open.len() > count && reader.open.last() == Some(&Open::Parameter);
        let mask = match top {
            Some(Open::Comment | Open::Document(..)) => Some(' '),
            _ if value => Some('q'),
            Some(Open::Command(..) | Open::Test | Open::Parameter) | None => None,
            Some(_) if opens => None,
            Some(_) => Some('q'),
        };
        match mask {
            // What a backslash takes its meaning from is a part of a word, and no line ends there.
            None if read.starts_with('\\') => text.extend(read.bytes().map(|_| 'q')),
            None => text.push_str(read),
            Some(mask) => {
                // As many bytes as before.
                text.extend(read.bytes().map(|byte| if byte == b'\n' { '\n' } else { mask }));
            }
        }
    }
    text
}

/// Returns the offsets of the characters other than ASCII that a shell reads as parts of words: outside
/// of quotes, comments and documents.
pub fn plain(script: &str) -> Vec<usize> {
    if script.is_ascii() {
        return Vec::new();
    }
    let text = command_text(script);
    let all = text.char_indices().filter(|(_, character)| !character.is_ascii());
    all.map(|(at, _)| at).collect()
}

/// What is open at a place; outside of all a plain word can be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Open {
    Double,
    Single,
    Backquote,
    Comment,
    /// `$(`, with the parentheses and the `case`s that are open inside of it.
    Command(usize, usize),
    /// `$((` or `((`, with the parentheses that are open inside of it.
    Arithmetic(usize),
    /// `$[`.
    OldArithmetic,
    /// `[[`.
    Test,
    /// `${`.
    Parameter,
    /// A here-document: the line that ends it, and whether tabs may precede that.
    Document(String, bool),
}

#[derive(Default)]
struct ScriptReader<'a> {
    script: &'a str,
    at: usize,
    open: Vec<Open>,
    /// The here-documents that start after this line.
    documents: Vec<(String, bool)>,
    // What was open at the start of each enclosing `{% if %}` and `{% for %}`.
    blocks: Vec<Vec<Open>>,
    /// Why nothing is certain any more.
    doubt: Option<Within>,
    found: Vec<(Range<usize>, Within)>,
}

impl ScriptReader<'_> {
    fn step(&mut self) {
        if self.template() {
            return;
        }
        let rest = &self.script[self.at..];
        let Some(character) = rest.chars().next() else { return };
        let top = self.open.last().cloned();
        match &top {
            Some(Open::Document(end, tabs)) if self.begins_line() => {
                let line = rest.split('\n').next().unwrap_or_default();
                let bare = if *tabs { line.trim_start_matches('\t') } else { line };
                if bare == end {
                    self.open.pop();
                    self.at = (self.at + line.len() + 1).min(self.script.len());
                    return;
                }
            }
            Some(Open::Comment) if character == '\n' => {
                self.open.pop();
                return;
            }
            _ => {}
        }
        self.at += character.len_utf8();
        match top {
            Some(Open::Single) if character == '\'' => self.leave(),
            Some(Open::Single | Open::Document(..) | Open::Comment) => {}
            Some(Open::Backquote) => match character {
                '`' => self.leave(),
                '\\' => self.escape(),
                _ => {}
            },
            Some(Open::Double) => match character {
                '"' => self.leave(),
                _ => self.expansion(character, rest),
            },
            Some(Open::Arithmetic(depth)) => self.arithmetic(character, depth),
            Some(Open::OldArithmetic) if character == ']' => self.leave(),
            Some(Open::Parameter) => match character {
                '}' => self.leave(),
                '"' => self.open.push(Open::Double),
                '\'' if !self.open.contains(&Open::Double) => self.open.push(Open::Single),
                _ => self.expansion(character, rest),
            },
            Some(Open::Command(..) | Open::Test | Open::OldArithmetic) | None => {
                self.plain(character, rest);
            }
        }
    }

    /// Reads a character where a word can be.
    fn plain(&mut self, character: char, rest: &str) {
        match character {
            '"' => self.open.push(Open::Double),
            '\'' => self.open.push(Open::Single),
            '$' if rest.starts_with("$'") => self.ansi(),
            '#' if self.begins_word() => self.open.push(Open::Comment),
            '<' if rest.starts_with("<<") => self.document(),
            '\n' => {
                let all = std::mem::take(&mut self.documents).into_iter().rev();
                self.open.extend(all.map(|(end, tabs)| Open::Document(end, tabs)));
            }
            '(' if rest.starts_with("((") && self.begins_word() => {
                self.at += 1;
                self.open.push(Open::Arithmetic(0));
            }
            '(' | ')' => self.parenthesis(character),
            '[' if rest.starts_with("[[")
                && rest[2..].starts_with(char::is_whitespace)
                && self.begins_command() =>
            {
                self.at += 1;
                self.open.push(Open::Test);
            }
            ']' if rest.starts_with("]]") && self.open.last() == Some(&Open::Test) => {
                self.at += 1;
                self.leave();
            }
            'c' if self.word(rest, "case") => self.cases(true),
            'e' if self.word(rest, "esac") => self.cases(false),
            _ => self.expansion(character, rest),
        }
    }

    /// Reads what means something in double quotes, too.
    fn expansion(&mut self, character: char, rest: &str) {
        let (open, more) = match character {
            '\\' => return self.escape(),
            '`' => (Open::Backquote, 0),
            '$' if rest.starts_with("${{") => return self.joined('$'),
            '$' if rest.starts_with("$((") => (Open::Arithmetic(0), 2),
            '$' if rest.starts_with("$(") => (Open::Command(0, 0), 1),
            '$' if rest.starts_with("${") => (Open::Parameter, 1),
            '$' if rest.starts_with("$[") => (Open::OldArithmetic, 1),
            _ => return,
        };
        self.open.push(open);
        self.at += more;
    }

    fn leave(&mut self) {
        self.open.pop();
    }

    /// Skips the character after a backslash.
    fn escape(&mut self) {
        if self.script[self.at..].starts_with("{{") {
            return self.joined('\\');
        }
        self.at += self.script[self.at..].chars().next().map_or(0, char::len_utf8);
    }

    /// Reads a value right after a character that changes the meaning of its first quote.
    fn joined(&mut self, sign: char) {
        self.value(Some(Within::Joined(sign)));
    }

    /// Reads `$'` after its `$`: bash knows `\'` in it, a POSIX shell does not.
    fn ansi(&mut self) {
        self.at += 1;
        let text = self.script[self.at..].split('\'').next().unwrap_or_default();
        let slashes = text.len() - text.trim_end_matches('\\').len();
        if slashes % 2 == 1 {
            self.doubt.get_or_insert(Within::Unsure);
        }
        self.open.push(Open::Single);
    }

    fn arithmetic(&mut self, character: char, depth: usize) {
        let closes = self.script[self.at..].starts_with(')');
        match character {
            '(' => self.put(Open::Arithmetic(depth + 1)),
            ')' if depth > 0 => self.put(Open::Arithmetic(depth - 1)),
            ')' => {
                self.leave();
                self.at += usize::from(closes);
            }
            _ => {
                let rest = &self.script[self.at - character.len_utf8()..];
                self.expansion(character, rest);
            }
        }
    }

    fn parenthesis(&mut self, character: char) {
        if let Some(Open::Command(depth, cases)) = self.open.last().cloned() {
            match (character, depth) {
                ('(', _) => self.put(Open::Command(depth + 1, cases)),
                (_, 0) if cases == 0 => self.leave(),
                // It ends a pattern of `case`.
                (_, 0) => {}
                _ => self.put(Open::Command(depth - 1, cases)),
            }
        }
    }

    fn cases(&mut self, begins: bool) {
        if let Some(Open::Command(depth, cases)) = self.open.last().cloned() {
            let cases = if begins { cases + 1 } else { cases.saturating_sub(1) };
            self.put(Open::Command(depth, cases));
        }
    }

    /// Puts something in the place of what was opened last.
    fn put(&mut self, open: Open) {
        self.open.pop();
        self.open.push(open);
    }

    /// Whether a word of the shell's language is here: `case`.
    fn word(&self, rest: &str, word: &str) -> bool {
        let ends =
            |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || "_-./".contains(c));
        rest.strip_prefix(word).is_some_and(ends) && self.begins_command()
    }

    /// What is before the character that was read last.
    fn before(&self) -> &str {
        let read = &self.script[..self.at];
        read.char_indices().next_back().map_or("", |(start, _)| &read[..start])
    }

    fn begins_line(&self) -> bool {
        let before = &self.script[..self.at];
        before.is_empty() || before.ends_with('\n')
    }

    fn begins_word(&self) -> bool {
        let before = self.before().chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || ";&|()".contains(c))
    }

    fn begins_command(&self) -> bool {
        const BEFORE: [&str; 11] =
            ["!", "do", "elif", "else", "if", "in", "then", "time", "until", "while", "{"];
        let before = self.before().trim_end_matches([' ', '\t']);
        let word = before.rsplit(|c: char| c.is_whitespace() || ";&|()".contains(c)).next();
        self.begins_word() && word.is_none_or(|word| word.is_empty() || BEFORE.contains(&word))
    }

    /// Skips a template that starts here; returns whether there was one.
    fn template(&mut self) -> bool {
        let rest = &self.script[self.at..];
        let end = if rest.starts_with("{{") {
            self.value(None);
            return true;
        } else if rest.starts_with("{%") {
            rest.find("%}")
        } else if rest.starts_with("{#") {
            rest.find("#}")
        } else {
            return false;
        };
        let length = end.map_or(rest.len(), |end| end + 2);
        if let Some(tag) = rest[..length].strip_prefix("{%") {
            self.tag(tag);
        }
        self.at += length;
        true
    }

    /// Records what is open at the start of a block, and compares it at the end of each of its parts.
    fn tag(&mut self, tag: &str) {
        let word = tag.trim_start_matches(['-', '+']).trim_start();
        let begins = |name: &str| word.starts_with(name);
        if begins("if") || begins("for") {
            self.blocks.push(self.open.clone());
        } else if begins("el") || begins("end") {
            if self.blocks.last().is_some_and(|before| *before != self.open) {
                self.doubt.get_or_insert(Within::Block);
            }
            if begins("end") {
                self.blocks.pop();
            }
        }
    }

    /// Skips a value that starts here.
    fn value(&mut self, joined: Option<Within>) {
        let rest = &self.script[self.at..];
        let length = atom(rest).unwrap_or(rest.len());
        if let Some(within) = joined.or(self.within())
            && !is_raw(&rest[..length])
        {
            self.found.push((self.at..self.at + length, within));
        }
        self.at += length;
    }

    /// What a value would be in here.
    fn within(&self) -> Option<Within> {
        if self.doubt.is_some() {
            return self.doubt;
        }
        match self.open.last() {
            Some(Open::Double) => Some(Within::Quotes('"')),
            Some(Open::Single) => Some(Within::Quotes('\'')),
            Some(Open::Backquote) => Some(Within::Backquotes),
            Some(Open::Arithmetic(_) | Open::OldArithmetic) => Some(Within::Arithmetic),
            Some(Open::Test) => Some(Within::Test),
            Some(Open::Parameter) => Some(Within::Parameter),
            Some(Open::Document(..)) => Some(Within::HereDocument),
            Some(Open::Comment) => Some(Within::Comment),
            Some(Open::Command(..)) | None => None,
        }
    }

    /// Reads `<<WORD` after its first character.
    fn document(&mut self) {
        self.at += 1;
        let rest = &self.script[self.at..];
        if rest.starts_with('<') {
            self.at += 1;
            return;
        }
        let tabs = rest.starts_with('-');
        self.at += usize::from(tabs);
        let rest = &self.script[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let mut end = String::new();
        let mut quote = None;
        while let Some(character) = self.script[self.at..].chars().next() {
            if self.script[self.at..].starts_with("{{") {
                self.value(Some(Within::HereDocument));
                continue;
            }
            match (quote, character) {
                (Some(open), c) if c == open => quote = None,
                (None, '\'' | '"') => quote = Some(character),
                (None, '\\') => {}
                (None, c) if c.is_whitespace() || ";&|<>()".contains(c) => break,
                (_, c) => end.push(c),
            }
            self.at += character.len_utf8();
        }
        self.documents.push((end, tabs));
    }
}

/// Returns the values of a text that do not say themselves that they are code, with the first name
/// in each.
pub fn open_values(text: &str) -> Vec<(Range<usize>, String)> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find("{{")).map(|start| at + start)
    {
        let end = start + atom(&text[start..]).unwrap_or(text.len() - start);
        if !is_raw(&text[start..end]) {
            let names = names_of_template(&text[start..end]).unwrap_or_default();
            let name = names.into_iter().next().map(|(name, _)| name);
            all.push((start..end, name.unwrap_or_default()));
        }
        at = end;
    }
    all
}

/// Whether a value says itself that it is not to be quoted: its last filters are `raw`.
fn is_raw(atom: &str) -> bool {
    let inner = atom.trim_start_matches(['{', '-', '+']).trim_end_matches(['}', '-', '+']);
    let Ok(expression) = Expression::parse_text(inner.trim()) else { return false };
    let mut expr: &Expr = &expression.root;
    while let ExprKind::Filter(name, inner, _) = &expr.kind {
        match name.as_str() {
            "raw" => return true,
            "allow_empty" => expr = inner,
            _ => return false,
        }
    }
    false
}
