//! The line of a `run`: its words, each a template, and what only a shell would make of it.

use std::rc::Rc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Edit};
use crate::document::{Node, Places};
use crate::plan::lower::Lowering;
use crate::source::Span;
use crate::template::words::SplitError;
use crate::template::{Bytes, Template, words};

/// What a script of `shell` may start with if no program is called.
const BUILTINS: [&str; 26] = [
    ".", "[[", "alias", "case", "cd", "declare", "eval", "exec", "exit", "export", "for",
    "function", "if", "local", "read", "readonly", "return", "set", "shift", "source", "trap",
    "ulimit", "umask", "unset", "until", "while",
];

/// The help if the first word only exists in a shell.
const SHELL: &str = "use `shell` for a script of several commands; every step starts a new shell";

impl Lowering<'_> {
    /// Splits a command line into words, each a template of its own.
    pub(super) fn split(&mut self, node: &Node, key: Option<Span>) -> Vec<Template> {
        let line = node.as_text().unwrap_or_default();
        let (words, faults) = words::split(line);
        let places = Rc::new(node.places(self.sources));
        // One report per line: the others follow from the first.
        match faults.first() {
            Some(fault) => self.report_words(line, fault, &places, key),
            None => self.report_program(line, &words, &places),
        }
        let open = faults.iter().find_map(|fault| match fault {
            SplitError::Unclosed { range, .. } => Some(range.start),
            SplitError::ShellSyntax { .. } => None,
        });
        let template = |word: words::Word| {
            let span = places.span(word.range.clone());
            // What is not closed has been reported.
            if open.is_some_and(|open| open < word.range.end) {
                self.keep(&word.text, true, Diagnostics::default());
                return Template::plain(word.text, span);
            }
            let text = word.text.clone();
            let bytes = Bytes::Word(Rc::clone(&places), Rc::new(word));
            let mut own = Diagnostics::default();
            let template = Template::placed(text, span, bytes, &mut own);
            self.keep(&template.text, template.is_poisoned(), own);
            template
        };
        words.into_iter().map(template).collect()
    }

    /// Reports a first word that is not a program: it only exists in a shell.
    fn report_program(&mut self, line: &str, words: &[words::Word], places: &Places) {
        let Some(first) = words.first() else { return };
        let written = &line[first.range.clone()];
        let fault = |message: &str, label: String| {
            Diagnostic::error(Code::ShellSyntaxInRun, message)
                .at(places.span(first.range.clone()), label)
        };
        if let Some((name, value)) = assignment(written) {
            let fault = fault(
                "`run` does not use a shell: it must start with the program",
                format!("sets `{name}` only in a shell"),
            );
            let rest = line.get(first.range.end..).unwrap_or_default().trim();
            self.found.push(fault.help(format!("set it with `env: {{{name}: {value}}}`")).help(
                if rest.is_empty() {
                    "and write the program in `run`".to_owned()
                } else {
                    format!("and start with the program: `run: {rest}`")
                },
            ));
            return;
        }
        if !BUILTINS.contains(&written) {
            return;
        }
        let fault = fault(
            &format!("`run` does not use a shell: `{written}` is not a program"),
            "only exists in a shell".to_owned(),
        );
        let second = words.get(1).map(|word| &line[word.range.clone()]);
        self.found.push(match (written, second) {
            ("cd", folder) => fault.help(format!(
                "set the directory in every step that needs it: `dir: {}`",
                folder.unwrap_or("/srv/app")
            )),
            ("export" | "declare" | "readonly", Some(second)) => match assignment(second) {
                Some((name, value)) => fault.help(format!(
                    "set it in every step that needs it: `env: {{{name}: {value}}}`"
                )),
                None => fault.help(SHELL),
            },
            ("exit" | "return", _) => {
                fault.help("to fail on purpose, use `fail: REASON` with a `when`")
            }
            _ => fault.help(SHELL),
        });
    }

    fn report_words(&mut self, line: &str, fault: &SplitError, places: &Places, key: Option<Span>) {
        match fault {
            SplitError::ShellSyntax { what, range } => {
                let message = "`run` does not use a shell: it runs one program with its arguments";
                let fault = Diagnostic::error(Code::ShellSyntaxInRun, message);
                let (sign, place) = (&line[range.clone()], places.span(range.clone()));
                // `sh` does not expand braces either: `shell` would not fix it.
                if sign == "{" {
                    fault
                        .at(place, format!("only bash expands braces to {what}"))
                        .help("write every word, or repeat the step: `for_each: [one, other]`")
                        .help("to use literal braces, quote them: `'{...}'`")
                        .emit(&mut self.found);
                    return;
                }
                let mut fault = fault
                    .at(place, format!("shell syntax for {what}"))
                    .help(format!("to use a literal `{sign}`, quote it: `'{sign}'`"));
                if let Some(name) = variable(&line[range.end..]).filter(|_| sign == "$") {
                    fault =
                        fault.help(format!("for a value of the plan, write `{{{{ {name} }}}}`"));
                }
                let edits = key.map(|key| Edit::new(key, "shell")).into_iter().collect();
                fault.fix_all("to use a shell, write `shell`", edits).emit(&mut self.found);
            }
            SplitError::Unclosed { what, range } => {
                let fault = Diagnostic::error(Code::UnclosedQuote, format!("unclosed {what}"))
                    .at(places.span(range.clone()), "opened here");
                let order = match *what {
                    "`{{`" => "close it with `}}`",
                    _ => "close it, or write `\\` before it to use it literally",
                };
                let (order, edits) = closed(line, range.start, places)
                    .map_or((order, Vec::new()), |(order, edit)| (order, vec![edit]));
                fault.fix_all(order, edits).emit(&mut self.unreadable);
            }
        }
    }
}

/// Returns the edit that closes what is opened in a command line, if it is clear.
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
    let mut fixed = line.to_owned();
    fixed.insert_str(at, with);
    if !words::split(&fixed).1.is_empty() {
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

/// Returns the name that follows a `$` if it could be one of the plan.
fn variable(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix('{').unwrap_or(rest);
    let end = rest.find(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_'));
    let name = &rest[..end.unwrap_or(rest.len())];
    name.starts_with(|sign: char| sign.is_ascii_lowercase()).then_some(name)
}
