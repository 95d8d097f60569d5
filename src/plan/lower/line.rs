//! The line of a `run`: its words, each a template, and what only a shell would make of it.

use std::rc::Rc;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Edit;
use crate::document::Node;
use crate::document::Places;
use crate::plan::lower::Lowering;
use crate::source::Span;
use crate::template::Bytes;
use crate::template::Template;
use crate::template::words;
use crate::template::words::Fault;

/// What a script of `shell` may begin with, and no program is called.
const BUILTINS: [&str; 26] = [
    ".", "[[", "alias", "case", "cd", "declare", "eval", "exec", "exit", "export", "for",
    "function", "if", "local", "read", "readonly", "return", "set", "shift", "source", "trap",
    "ulimit", "umask", "unset", "until", "while",
];

/// What helps where a word of the shell stands for a program.
const BESIDE: &str =
    "a script of several commands is written as `shell`; each step has a shell of its own";

impl Lowering<'_> {
    /// Splits a command line into words, each a template of its own.
    pub(super) fn split(&mut self, node: &Node, key: Option<Span>) -> Vec<Template> {
        let line = node.as_text().unwrap_or_default();
        let (words, faults) = words::split(line);
        let places = Rc::new(node.places(self.sources));
        // One remark a line: behind the first misreading the others follow from it.
        match faults.first() {
            Some(fault) => self.tell_words(line, fault, &places, key),
            None => self.tell_program(line, &words, &places),
        }
        let open = faults.iter().find_map(|fault| match fault {
            Fault::Unclosed { range, .. } => Some(range.start),
            Fault::ShellSyntax { .. } => None,
        });
        let template = |word: words::Word| {
            let span = places.span(word.range.clone());
            // What is not closed was told.
            if open.is_some_and(|open| open < word.range.end) {
                return Template::plain(word.text, span);
            }
            let text = word.text.clone();
            let bytes = Bytes::Word(Rc::clone(&places), Rc::new(word));
            Template::placed(text, span, bytes, &mut self.found)
        };
        words.into_iter().map(template).collect()
    }

    /// Tells of a first word that is no program: only a shell knows it.
    fn tell_program(&mut self, line: &str, words: &[words::Word], places: &Places) {
        let Some(first) = words.first() else { return };
        let written = &line[first.range.clone()];
        let fault = |message: &str, label: String| {
            Diagnostic::error(Code::ShellSyntaxInRun, message)
                .at(places.span(first.range.clone()), label)
        };
        if let Some((name, value)) = assignment(written) {
            let fault = fault(
                "`run` has no shell: it begins with the program",
                format!("only a shell gives a value to `{name}` here"),
            );
            let rest = line.get(first.range.end..).unwrap_or_default().trim();
            self.found.push(
                fault.help(format!("give it beside `run`: `env: {{{name}: {value}}}`")).help(
                    if rest.is_empty() {
                        "and the program in `run`".to_owned()
                    } else {
                        format!("and the program alone: `run: {rest}`")
                    },
                ),
            );
            return;
        }
        if !BUILTINS.contains(&written) {
            return;
        }
        let fault = fault(
            &format!("`run` has no shell: there is no program `{written}`"),
            "only a shell knows it".to_owned(),
        );
        let second = words.get(1).map(|word| &line[word.range.clone()]);
        self.found.push(match (written, second) {
            ("cd", folder) => fault.help(format!(
                "say beside `run`, in each step that needs it, where it works: `dir: {}`",
                folder.unwrap_or("/srv/app")
            )),
            ("export" | "declare" | "readonly", Some(second)) => match assignment(second) {
                Some((name, value)) => fault.help(format!(
                    "say it beside `run`, in each step that needs it: `env: {{{name}: {value}}}`"
                )),
                None => fault.help(BESIDE),
            },
            ("exit" | "return", _) => {
                fault.help("to end here with a failure write `fail: why`, with a `when`")
            }
            _ => fault.help(BESIDE),
        });
    }

    fn tell_words(&mut self, line: &str, fault: &Fault, places: &Places, key: Option<Span>) {
        let one = match fault {
            // `sh` takes braces as they stand, too: `shell` would be no cure.
            Fault::ShellSyntax { what, range } if &line[range.clone()] == "{" => Diagnostic::error(
                Code::ShellSyntaxInRun,
                "`run` has no shell: it runs one program with its arguments",
            )
            .at(places.span(range.clone()), format!("only bash makes {what} of braces"))
            .help("write every word out, or repeat the step: `for_each: [one, other]`")
            .help("for plain braces put quotes around them: `'{...}'`"),
            Fault::ShellSyntax { what, range } => {
                let sign = &line[range.clone()];
                let place = places.span(range.clone());
                let fault = Diagnostic::error(
                    Code::ShellSyntaxInRun,
                    "`run` has no shell: it runs one program with its arguments",
                )
                .at(place, format!("only a shell makes {what} of `{sign}`"))
                .help(format!("for a plain `{sign}` put quotes around it: `'{sign}'`"));
                let fault = match variable(&line[range.end..]) {
                    Some(name) if sign == "$" => {
                        fault.help(format!("for a value of the plan write `{{{{ {name} }}}}`"))
                    }
                    _ => fault,
                };
                match key {
                    Some(key) => fault.fix("for a shell write `shell`", key, "shell"),
                    None => fault.help("for a shell write `shell`"),
                }
            }
            Fault::Unclosed { what, range } => {
                let fault = Diagnostic::error(
                    Code::UnclosedQuote,
                    format!("{what} is opened and never closed"),
                )
                .at(places.span(range.clone()), "opened here");
                let order = if *what == "`{{`" {
                    "close it with `}}`"
                } else {
                    "close it, or write `\\` before it if it is meant as it stands"
                };
                match closed(line, range.start, places) {
                    Some((order, edit)) => fault.fix_all(order, vec![edit]),
                    None => fault.help(order),
                }
            }
        };
        self.found.push(one);
    }
}

/// Returns the edit that closes what is opened in a command line, if it can be told.
fn closed(line: &str, open: usize, places: &Places) -> Option<(&'static str, Edit)> {
    let rest = line.get(open..)?;
    let end = line.trim_end().len();
    let sign = rest.chars().next()?;
    let (order, at, with) = if rest.starts_with("{{") {
        match rest.find('}') {
            Some(one) => ("close it with `}}`", open + one, "}"),
            None => ("close it with `}}`", end, " }}"),
        }
    } else {
        let inside = |text: Option<char>| text.is_some_and(char::is_alphanumeric);
        let apostrophe =
            sign == '\'' && inside(line[..open].chars().next_back()) && inside(rest.chars().nth(1));
        match (apostrophe, sign) {
            (true, _) => ("write `\\` before an apostrophe", open, "\\"),
            (false, '"') => ("close it", end, "\""),
            (false, _) => ("close it", end, "'"),
        }
    };
    let mut cured = line.to_owned();
    cured.insert_str(at, with);
    if !words::split(&cured).1.is_empty() {
        return None;
    }
    Some((order, places.edit(at..at, with)?))
}

/// Splits `NAME=VALUE`, as a shell takes it before a program.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let mut signs = name.chars();
    let first = signs.next()?;
    let named = (first.is_ascii_alphabetic() || first == '_')
        && signs.all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
    named.then_some((name, if value.is_empty() { "''" } else { value }))
}

/// Returns the name that follows a `$` where it could be one of the plan.
fn variable(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix('{').unwrap_or(rest);
    let end = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_'));
    let name = &rest[..end.unwrap_or(rest.len())];
    name.starts_with(|sign: char| sign.is_ascii_lowercase()).then_some(name)
}
