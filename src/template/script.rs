//! Where the values of a script stand.
//!
//! In a script every value is quoted for `sh` ([`crate::template::Mode::Script`]). That holds only
//! where a word may stand: in quotes of the script's own the added ones are plain signs or end them,
//! and `$(...)` in a value would be run. So those places are found here, by the quoting rules of
//! POSIX shells, before anything is rendered. What `{% if %}` may leave out is read as if it stood
//! there; `| raw` is the author's own quoting and is left alone.

use std::ops::Range;

use crate::template::words::atom;

/// What a value stands in, where no quoted word may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// In a text in quotes of this sign.
    Quotes(char),
    /// In `$(( ))`.
    Arithmetic,
    /// In the lines behind `<<`.
    HereDocument,
    /// Behind `#`.
    Comment,
}

/// Returns the values of a script that stand where their quotes do not protect them, in their order.
pub fn misplaced(script: &str) -> Vec<(Range<usize>, Within)> {
    read(script).found
}

/// Returns where the characters other than ASCII are that a shell takes for parts of words: outside of
/// quotes, comments and documents.
pub fn plain(script: &str) -> Vec<usize> {
    if script.is_ascii() { Vec::new() } else { read(script).plain }
}

fn read(script: &str) -> Reader<'_> {
    let mut reader = Reader {
        script,
        at: 0,
        open: Vec::new(),
        documents: Vec::new(),
        found: Vec::new(),
        plain: Vec::new(),
    };
    while reader.at < script.len() {
        reader.step();
    }
    reader
}

/// What is open at a place; outside of all a plain word may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Double,
    /// `$(`, with the parentheses that are open inside of it.
    Command(usize),
    Backquote,
    Arithmetic(usize),
}

struct Reader<'a> {
    script: &'a str,
    at: usize,
    open: Vec<Open>,
    /// The words that end the documents which begin behind this line, and whether tabs may precede.
    documents: Vec<(String, bool)>,
    found: Vec<(Range<usize>, Within)>,
    /// Where characters other than ASCII are, outside of all quotes.
    plain: Vec<usize>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let rest = &self.script[self.at..];
        let inside = self.open.last().copied();
        if self.template(match inside {
            Some(Open::Double) => Some(Within::Quotes('"')),
            Some(Open::Arithmetic(_)) => Some(Within::Arithmetic),
            Some(Open::Command(_) | Open::Backquote) | None => None,
        }) {
            return;
        }
        let Some(character) = rest.chars().next() else {
            return;
        };
        let double = inside == Some(Open::Double);
        let plain = !double && !matches!(inside, Some(Open::Arithmetic(_)));
        self.at += character.len_utf8();
        match character {
            '\\' => {
                self.at += self.script[self.at..].chars().next().map_or(0, char::len_utf8);
            }
            '$' if rest.starts_with("$((") => self.enter(Open::Arithmetic(0), 2),
            '$' if rest.starts_with("$(") => self.enter(Open::Command(0), 1),
            '`' if inside == Some(Open::Backquote) => self.leave(0),
            '`' => self.enter(Open::Backquote, 0),
            '"' if double => self.leave(0),
            '"' if plain => self.enter(Open::Double, 0),
            '\'' if plain => self.until(Within::Quotes('\''), |rest| rest.starts_with('\''), 1),
            '#' if plain && self.begins_word() => {
                self.until(Within::Comment, |rest| rest.starts_with('\n'), 0);
            }
            '<' if plain && rest.starts_with("<<") => self.document(),
            '\n' if !double => self.documents_begin(),
            '(' | ')' => self.parenthesis(character),
            _ if plain && !character.is_ascii() => self.plain.push(self.at - character.len_utf8()),
            _ => {}
        }
    }

    fn enter(&mut self, open: Open, more: usize) {
        self.open.push(open);
        self.at += more;
    }

    fn leave(&mut self, more: usize) {
        self.open.pop();
        self.at += more;
    }

    fn parenthesis(&mut self, character: char) {
        let closes = self.script[self.at..].starts_with(')');
        match self.open.last_mut() {
            Some(Open::Command(depth) | Open::Arithmetic(depth)) if character == '(' => *depth += 1,
            Some(Open::Command(depth) | Open::Arithmetic(depth)) if *depth > 0 => *depth -= 1,
            Some(Open::Command(_)) => self.leave(0),
            Some(Open::Arithmetic(_)) if closes => self.leave(1),
            _ => {}
        }
    }

    fn begins_word(&self) -> bool {
        let before = self.script[..self.at - 1].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || ";&|()".contains(c))
    }

    /// Goes on behind a template that begins here; tells whether there was one.
    fn template(&mut self, within: Option<Within>) -> bool {
        let rest = &self.script[self.at..];
        let end = if rest.starts_with("{{") {
            atom(rest)
        } else if rest.starts_with("{%") {
            rest.find("%}").map(|end| end + 2)
        } else if rest.starts_with("{#") {
            rest.find("#}").map(|end| end + 2)
        } else {
            return false;
        };
        let end = end.unwrap_or(rest.len());
        if let Some(within) = within
            && rest.starts_with("{{")
            && !is_raw(&rest[..end])
        {
            self.found.push((self.at..self.at + end, within));
        }
        self.at += end;
        true
    }

    /// Goes to where `ends` holds, and `more` bytes on.
    fn until(&mut self, within: Within, ends: impl Fn(&str) -> bool, more: usize) {
        while let Some(character) = self.script[self.at..].chars().next() {
            if ends(&self.script[self.at..]) {
                self.at += more;
                return;
            }
            if !self.template(Some(within)) {
                self.at += character.len_utf8();
            }
        }
    }

    /// Reads `<<WORD`, of which one sign is behind.
    fn document(&mut self) {
        self.at += 1;
        let rest = &self.script[self.at..];
        if rest.starts_with('<') {
            self.at += 1;
            return;
        }
        let tabs = rest.starts_with('-');
        let word = rest[usize::from(tabs)..].trim_start_matches([' ', '\t']);
        let begin = self.at + rest.len() - word.len();
        let length =
            word.find(|c: char| c.is_whitespace() || ";&|<>()".contains(c)).unwrap_or(word.len());
        let end: String = word[..length].chars().filter(|c| !"'\"\\".contains(*c)).collect();
        if !end.is_empty() {
            self.documents.push((end, tabs));
        }
        self.at = begin + length;
    }

    /// Reads the documents that begin on this line.
    fn documents_begin(&mut self) {
        for (end, tabs) in std::mem::take(&mut self.documents) {
            while self.at < self.script.len() {
                let line = self.script[self.at..].split('\n').next().unwrap_or_default();
                let bare = if tabs { line.trim_start_matches('\t') } else { line };
                let last = bare == end;
                self.until(Within::HereDocument, |rest| rest.starts_with('\n'), 1);
                if last {
                    break;
                }
            }
        }
    }
}

fn is_raw(atom: &str) -> bool {
    let inner = atom.trim_start_matches(['{', '-']).trim_end_matches(['}', '-']);
    inner.split('|').skip(1).any(|filter| filter.trim() == "raw")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(script: &str) -> Vec<(&str, Within)> {
        let all = misplaced(script).into_iter();
        all.map(|(range, within)| (&script[range], within)).collect()
    }

    #[test]
    fn a_value_may_stand_wherever_a_word_may() {
        for script in [
            "echo {{ a }} x{{ a }}y; echo 'it''s' {{ a }}",
            "echo \"now: \"{{ a }}\" it\"",
            "echo \"$(basename {{ a }})\" `id {{ a }}`",
            "echo it\\'s {{ a }}",
            "echo a#b {{ a }} # it's\necho {{ b }}",
            "cat <<END {{ a }}\nit's\nEND\necho {{ b }}",
            "cat <<<{{ a }}\necho {{ b }}",
            "echo $((1 + (2))) {{ a }}; (cd {{ a }}; echo \")\" {{ a }})",
            "case {{ a }} in x) echo {{ b }};; esac",
            "{% if it == \"'\" %}echo {{ a }}{% endif %} {# it's #}{{ b }}",
            "echo \"{{ a | raw }} {{ a | lower | raw | allow_empty }}\"",
            "echo {{ \"'\" }} {{ a }}",
        ] {
            assert_eq!(found(script), [], "{script}");
        }
    }

    #[test]
    fn a_value_in_quotes_of_the_script_is_found() {
        let a = "{{ a }}";
        for (script, within) in [
            ("echo \"{{ a }}\"", Within::Quotes('"')),
            ("echo '{{ a }}'", Within::Quotes('\'')),
            ("echo \"it's {{ a }}", Within::Quotes('"')),
            ("echo \"$(echo \"{{ a }}\")\"", Within::Quotes('"')),
            ("echo \"$(echo ')')\" 'x {{ a }}'", Within::Quotes('\'')),
            ("echo $(( {{ a }} + 1 ))", Within::Arithmetic),
            ("cat <<END\nx {{ a }}\nEND\necho {{ b }}", Within::HereDocument),
            ("cat <<-'END' >f\n\t{{ a }}\n\tEND\necho {{ b }}", Within::HereDocument),
            ("true # {{ a }}\necho {{ b }}", Within::Comment),
        ] {
            assert_eq!(found(script), [(a, within)], "{script}");
        }
    }
}
