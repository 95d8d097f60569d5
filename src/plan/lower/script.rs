//! Scripts: values that would become code, shells other than `sh`, failures that go unnoticed.

use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, Edit};
use crate::document::{Node, Places};
use crate::plan::check::ADD_DONE_WHEN;
use crate::plan::lower::Lowering;
use crate::table;
use crate::template::script::Within;
use crate::template::{Template, posix, script};

/// Programs that take a script as an argument, and the letter of the option before it.
const INTERPRETERS: [(&str, char); 2] =
    [("ash bash busybox dash fish ksh python python3 sh su zsh", 'c'), ("node perl ruby", 'e')];

/// Returns the letter of the option before a script, if a program is an interpreter.
fn letter_of(program: &str) -> Option<char> {
    let is_it = |(names, _): &&(&str, char)| table::has(names, program);
    INTERPRETERS.iter().find(is_it).map(|(_, letter)| *letter)
}

impl Lowering<'_> {
    pub(super) fn script(&mut self, node: &Node) {
        self.misplaced(node);
        if self.other_interpreter(node) {
            return;
        }
        let text = node.as_text().unwrap_or_default();
        let all = posix::foreign(text);
        if all.is_empty() {
            return;
        }
        let places = node.places(self.sources);
        for one in all {
            let what = one.what;
            let what = if what.contains(['`', ' ']) && !what.starts_with("==") {
                what.to_owned()
            } else {
                format!("`{what}`")
            };
            Diagnostic::warning(Code::NotPosix, format!("`sh` does not support {what}"))
                .at(places.span(one.range), "fails if `sh` is not bash")
                .help(one.instead)
                .help("or run the script with bash: `run: [bash, -c, SCRIPT]`")
                .emit(&mut self.found);
        }
    }

    /// Refuses a script whose first line names another program than `sh`.
    fn other_interpreter(&mut self, node: &Node) -> bool {
        let text = node.as_text().unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let Some(named) = line.strip_prefix("#!") else { return false };
        let mut words = named.split_whitespace().filter_map(|word| word.rsplit('/').next());
        let program = match words.next() {
            Some("env") => words.find(|word| !word.starts_with('-')),
            program => program,
        };
        let Some(program) = program.filter(|program| *program != "sh") else { return false };
        let bare = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let letter = letter_of(bare);
        let places = node.places(self.sources);
        let fault = Diagnostic::error(
            Code::OtherInterpreter,
            format!("`shell` scripts run with `sh`, not with `{program}`"),
        )
        .at(places.span(0..line.len()), "only a comment here");
        self.found.push(match letter {
            Some(letter) => fault
                .help(format!("use `run: [{program}, -{letter}, SCRIPT]` instead of `shell`"))
                .help("pass values as arguments after the script, or with `env`"),
            None => fault.help(format!(
                "copy the script to the host with `upload`, and use `run: {program} FILE`"
            )),
        });
        true
    }

    /// Warns of a pipe in the script of a step that hides a failure.
    pub(super) fn hidden_failure(&mut self, node: &Node) {
        let Some(script) = node.get("shell") else { return };
        let text = script.as_text().unwrap_or_default();
        let Some(range) = posix::hidden(text).filter(|_| !text.contains("pipefail")) else {
            return;
        };
        let command = text[range.clone()].split_whitespace().next().unwrap_or_default();
        let place = script.place(self.sources, range.clone());
        Diagnostic::warning(Code::HiddenFailure, format!("failure of `{command}` goes unnoticed"))
            .at(place, "a pipe returns the exit code of its last command")
            .help(ADD_DONE_WHEN)
            .help("or run the commands one after another, with a file between them")
            .emit(&mut self.found);
    }

    /// Refuses values in a script that is an argument of a program: they would be code.
    pub(super) fn code_in_words(&mut self, words: &[Template]) {
        let (mut letter, mut user, mut expected) = (None, false, false);
        for word in words {
            let text = word.text.as_str();
            if expected {
                self.code(word);
                return;
            }
            let program = text.rsplit('/').next().unwrap_or_default();
            match letter_of(program) {
                Some(sign) => (letter, user) = (Some(sign), program == "su"),
                // What comes behind a file is its own.
                None if !text.starts_with('-') && !user => letter = None,
                None => {}
            }
            let option = text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
            let short = |rest: &str| rest.chars().all(|c| c.is_ascii_alphabetic());
            expected = letter.is_some_and(|letter| {
                option.is_some_and(|rest| short(rest) && rest.ends_with(letter))
            });
        }
    }

    /// Refuses values in the standard input of a program that reads it as a script.
    pub(super) fn code_in_stdin(&mut self, words: &[Template], stdin: &Template) {
        let Some((first, rest)) = words.split_first() else { return };
        let program = first.text.rsplit('/').next().unwrap_or_default();
        let takes = program != "su" && letter_of(program).is_some();
        let options = rest.iter().all(|word| word.text.starts_with('-'));
        let script = rest.iter().any(|word| word.text == "-s");
        if takes && (options || script) {
            self.code(stdin);
        }
    }

    fn code(&mut self, word: &Template) {
        for (range, name) in script::open_values(&word.text) {
            let value = &word.text[range];
            let place = word.names.iter().find(|one| one.name == name);
            let place = place.map_or(word.span, |one| one.span);
            Diagnostic::error(Code::ValueInCode, format!("`{value}` becomes part of a script"))
                .at(place, "the program would execute this value")
                .help("pass it as an argument: `[sh, -c, 'echo \"$1\"', sh, \"{{ value }}\"]`")
                .help("or add `| raw` if the value is meant to be code")
                .emit(&mut self.found);
        }
    }

    /// Reports values in a script that the quotes around them would not protect.
    fn misplaced(&mut self, node: &Node) {
        let script = node.as_text().unwrap_or_default();
        let misplaced = script::misplaced(script);
        if misplaced.is_empty() {
            return;
        }
        let places = node.places(self.sources);
        for (range, within) in misplaced {
            let value = &script[range.clone()];
            let [what, help] = advice(within);
            let one = Diagnostic::error(
                Code::ValueInQuotes,
                format!("cannot quote `{value}` safely {what}"),
            )
            .at(places.span(range.clone()), "the shell would interpret this value");
            self.found.push(match within {
                Within::Quotes(quote) => {
                    let written = self.sources.slice(node.span);
                    match requoted(script, &range, quote, &places) {
                        // In quotes of YAML a quote is not written as it is.
                        Some(edits)
                            if !written.starts_with(['"', '\''])
                                || edits.iter().all(|edit| edit.text.is_empty()) =>
                        {
                            one.fix_all(help, edits)
                        }
                        _ => one.help(help),
                    }
                }
                _ => one.help(help),
            });
        }
    }
}

/// Returns the context of a value of a script in words, and what to write instead.
fn advice(within: Within) -> [String; 2] {
    let name: &str = within.into();
    let sign = if let Within::Joined(sign) = within { sign } else { ' ' };
    let mut rows = table::rows::<3>(include_str!("within.tsv"));
    let row = rows.find(|[context, ..]| *context == name).unwrap_or_default();
    [row[1], row[2]].map(|words| words.replace("{sign}", &sign.to_string()))
}

/// Returns the edits that end the quotes before a value and start them again after it.
fn requoted(script: &str, value: &Range<usize>, quote: char, places: &Places) -> Option<Vec<Edit>> {
    let (before, behind) = (&script[..value.start], &script[value.end..]);
    let opens = before.strip_suffix(quote).is_some_and(|before| !before.ends_with('\\'));
    let (start, end) = (value.start, value.end);
    let edit = |adjacent: bool, quote_at: Range<usize>, at: usize| {
        Some(if adjacent {
            Edit::new(places.exact(quote_at)?, "")
        } else {
            Edit::new(places.exact(at..at)?, quote.to_string())
        })
    };
    Some(vec![
        edit(opens, start.saturating_sub(1)..start, start)?,
        edit(behind.starts_with(quote), end..end + 1, end)?,
    ])
}
