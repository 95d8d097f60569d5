//! The line of a `run`: its words, each a template, and what only a shell would make of it.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Edit;
use crate::document::Node;
use crate::document::Places;
use crate::plan::lower::Lowering;
use crate::source::Span;
use crate::template::Name;
use crate::template::Template;
use crate::template::bounds;
use crate::template::expression;
use crate::template::words;
use crate::template::words::Fault;

impl Lowering<'_> {
    /// Splits a command line into words, each a template of its own.
    pub(super) fn split(&mut self, node: &Node, key: Option<Span>) -> Vec<Template> {
        let line = node.as_text().unwrap_or_default();
        let (words, faults) = words::split(line);
        let places = node.places(self.sources);
        // One remark a line: behind the first misreading the others follow from it.
        if let Some(fault) = faults.first() {
            self.tell_words(line, fault, &places, key);
        }
        words.iter().map(|word| self.word(word, &places)).collect()
    }

    fn word(&mut self, word: &words::Word, places: &Places) -> Template {
        let place = |range| places.span(word.place(range));
        let mut template = Template::plain(word.text.clone(), places.span(word.range.clone()));
        match expression::names_of_template(&word.text) {
            Ok(names) => {
                template.names = names
                    .into_iter()
                    .map(|(name, range)| Name {
                        name,
                        span: place(range),
                    })
                    .collect();
            }
            Err(fault) if fault.excess => {
                let place = place(fault.range.clone());
                self.found.push(bounds::too_large(fault, place));
            }
            Err(fault) => self.found.push(
                Diagnostic::error("template-syntax", "this template cannot be read")
                    .at(place(fault.range), fault.text)
                    .help("write `{{ name }}`, `{{ name | filter }}`, or plain text"),
            ),
        }
        template
    }

    fn tell_words(&mut self, line: &str, fault: &Fault, places: &Places, key: Option<Span>) {
        let one = match fault {
            Fault::ShellSyntax { what, range } => {
                let sign = &line[range.clone()];
                let place = places.span(range.clone());
                let fault = Diagnostic::error(
                    "shell-syntax-in-run",
                    "`run` has no shell: it runs one program with its arguments",
                )
                .at(place, format!("only a shell makes {what} of `{sign}`"))
                .help(format!(
                    "for a plain `{sign}` put quotes around it: `'{sign}'`"
                ));
                match key {
                    Some(key) => fault.fix("for a shell write `shell`", key, "shell"),
                    None => fault.help("for a shell write `shell`"),
                }
            }
            Fault::Unclosed { what, range } => {
                let fault = Diagnostic::error(
                    "unclosed-quote",
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
