//! Lowers the commands of a group: patterns, cases, answers, faults.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::document::{Node, Value as Written};
use crate::model::expression::Expression;
use crate::model::lower::{Lowering, written};
use crate::model::names::{Names, OWN};
use crate::model::pattern::{Pattern, PatternWord, StdinPattern, split};
use crate::model::{By, Entry, Of, Response};

const ANSWER_KEYS: [&str; 9] =
    ["exit", "stdout", "stderr", "table", "json", "takes", "becomes", "also", "later"];
/// Faults that every command has.
const GENERAL_FAULTS: [&str; 7] =
    ["refused", "cut_before", "cut_after", "hangs", "host_gone", "controller_dies", "interrupt"];

/// The context of an answer: the names it may use, and whose state it changes.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) names: Names<'a>,
    pub(super) meant: Option<usize>,
}

impl Lowering<'_> {
    pub(super) fn commands(&mut self, group: usize, nodes: &[Node]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for node in nodes {
            let Some(entry) = self.command(group, node) else { continue };
            let covers = |earlier: &Entry| {
                let same_input = match (&earlier.stdin, &entry.stdin) {
                    (None, _) => true,
                    (Some(earlier), Some(stdin)) => earlier.text == stdin.text,
                    (Some(_), None) => false,
                };
                same_input && earlier.pattern.covers(&entry.pattern)
            };
            let earlier = entries.iter().position(covers);
            if let Some(earlier) = earlier.map(|number| &entries[number]) {
                let message = format!("unreachable entry `{}`", entry.text);
                self.refuse(
                    Code::DuplicateCommand,
                    message,
                    (pattern_of(node).map_or(node.span, written), "an earlier entry matches first"),
                    format!("remove it, or move it before `{}` ({})", earlier.text, earlier.place),
                );
            }
            entries.push(entry);
        }
        entries
    }

    fn command(&mut self, group: usize, node: &Node) -> Option<Entry> {
        let written_pattern = pattern_of(node)?;
        let text = written_pattern.as_text()?.to_owned();
        let pattern = self.pattern(node)?;
        let names: Arc<[String]> = pattern.names().into_iter().map(str::to_owned).collect();
        let stdin = self.stdin(node);
        let of = node.get("of").and_then(|of| self.of(of, &names));
        let meant = of.map_or(group, |of| of.group);
        self.check_placeholders(written_pattern, &names, meant);
        let place = Place {
            names: Names {
                host: Some(self.slots(meant)),
                captures: &names,
                command: true,
                here: true,
            },
            meant: Some(meant),
        };
        let nobody = self.nobody(node, &names);
        let cases = self.cases(node, &place);
        let faults = self.faults(node, &place);
        Some(Entry {
            place: self.line(written_pattern.span),
            pattern,
            stdin,
            text,
            names: Arc::clone(&names),
            of,
            nobody,
            cases,
            faults,
        })
    }

    fn pattern(&mut self, command: &Node) -> Option<Pattern> {
        if let Some(step) = command.get("step").and_then(Node::as_text) {
            return Some(Pattern::Step(step.to_owned()));
        }
        let node = pattern_of(command)?;
        let text = node.as_text()?;
        let words = split(text).ok_or("unclosed quote");
        let words =
            words.and_then(|words| words.iter().map(|word| PatternWord::read(word)).collect());
        let words: Result<Vec<PatternWord>, &str> = words.and_then(|words: Vec<PatternWord>| {
            let last = words.len().saturating_sub(1);
            match words.iter().position(|word| *word == PatternWord::Rest) {
                Some(at) if at < last => Err("`<*>` must be the last word"),
                _ => Ok(words),
            }
        });
        match words {
            Ok(mut words) if command.get("upload").is_some() => words.pop().map(Pattern::Upload),
            Ok(words) => Some(Pattern::Run(words)),
            Err(why) => {
                self.refuse(
                    Code::BadPattern,
                    format!("invalid command pattern `{text}`: {why}"),
                    (written(node), why),
                    "write words, `<name>`, `<name:int>`, `text<name>text`, and `<*>` at the end",
                );
                None
            }
        }
    }

    /// A placeholder must not hide another name, and must be unique.
    fn check_placeholders(&mut self, node: &Node, names: &[String], meant: usize) {
        for (number, name) in names.iter().enumerate() {
            let taken = if names[..number].contains(name) {
                "is duplicate"
            } else if OWN.contains(&name.as_str()) {
                "is a reserved name"
            } else if self.slots(meant).contains_key(name) {
                "is also a state variable of the host"
            } else {
                continue;
            };
            self.refuse(
                Code::NameTaken,
                format!("placeholder `<{name}>` {taken}"),
                (written(node), "in this pattern"),
                "rename it",
            );
        }
    }

    fn stdin(&mut self, command: &Node) -> Option<StdinPattern> {
        let node = command.get("stdin")?;
        let text = node.as_text()?;
        let read = StdinPattern::read(text);
        let why = read.as_ref().err().copied();
        if let Some(why) = why {
            self.refuse(
                Code::BadPattern,
                format!("invalid input pattern: {why}"),
                (written(node), why),
                "write the text, and `<*>` for any part of it",
            );
        }
        read.ok()
    }

    fn of(&mut self, of: &Node, names: &[String]) -> Option<Of> {
        let group = of.get("group").and_then(|node| self.expect_group(node));
        if let (Some(_), Some(name)) = (of.get("address"), of.entry("name")) {
            self.refuse(
                Code::MisplacedKey,
                "`name` cannot be combined with `address`",
                (name.key_span, "second placeholder"),
                "remove one of them",
            );
        }
        let mut capture = |key| {
            let Some(node) = of.get(key) else { return Some(None) };
            let text = node.as_text()?;
            let capture = names.iter().position(|name| name == text);
            if capture.is_none() {
                let fault = Diagnostic::error(
                    Code::UnknownName,
                    format!("undefined placeholder `<{text}>`"),
                )
                .at(written(node), "not in the command");
                let near = nearest(text, names.iter().map(String::as_str));
                self.fault(fault.suggest(near, format!("use the placeholder for the {key}")));
            }
            capture.map(Some)
        };
        let by = match (capture("address")?, capture("name")?) {
            (Some(address), _) => By::Address(address),
            (None, Some(name)) => By::Name(name),
            (None, None) => By::Task,
        };
        Some(Of { group: group?, by })
    }

    fn nobody(&mut self, command: &Node, names: &[String]) -> Option<Response> {
        let node = command.get("nobody")?;
        if command.get("of").is_none() {
            self.refuse(
                Code::NobodyWithoutOf,
                "`nobody` requires `of`",
                (written(node), "missing `of`"),
                "add `of: {group: GROUP, address: PLACEHOLDER}`, or remove it",
            );
        }
        let place = Place {
            names: Names { host: None, captures: names, command: true, here: true },
            meant: None,
        };
        Some(self.response(node, &place))
    }

    fn cases(&mut self, command: &Node, place: &Place<'_>) -> Vec<(Option<Expression>, Response)> {
        let Some(list) = command.get("cases") else {
            return vec![(None, self.response(command, place))];
        };
        let beside = ANSWER_KEYS.iter().find_map(|key| command.entry(key));
        if let Some(entry) = beside {
            self.refuse(
                Code::CasesBesideAnswer,
                "`cases` cannot be combined with an answer",
                (entry.key_span, format!("`{}` has no effect", entry.key)),
                "move it to the cases",
            );
        }
        let items = list.items();
        for (number, case) in items.iter().enumerate() {
            let last = number + 1 == items.len();
            if last && let Some(when) = case.entry("when") {
                self.refuse(
                    Code::LastCaseConditional,
                    "cases are not exhaustive: the last one must have no `when`",
                    (when.key_span, "the last case has a `when`"),
                    "add a case without `when` at the end",
                );
            } else if !last && case.get("when").is_none() {
                self.refuse(
                    Code::CaseUnreachable,
                    "unreachable cases",
                    (written(case), "this case has no `when`"),
                    "move it to the end, or add a `when`",
                );
            }
        }
        items
            .iter()
            .map(|case| {
                let when = case.get("when");
                let when = when.and_then(|when| self.expression(when, &place.names));
                (when, self.response(case, place))
            })
            .collect()
    }

    fn faults(&mut self, command: &Node, place: &Place<'_>) -> IndexMap<String, Response> {
        let entries = command.get("faults").map_or(&[][..], Node::entries);
        entries
            .iter()
            .map(|entry| {
                if GENERAL_FAULTS.contains(&entry.key.as_str()) {
                    let message = format!("`{}` is a reserved fault name", entry.key);
                    self.refuse(
                        Code::NameTaken,
                        message,
                        (entry.key_span, "every command has this fault"),
                        "rename it, or remove it",
                    );
                }
                (entry.key.clone(), self.response(&entry.value, place))
            })
            .collect()
    }

    fn response(&mut self, node: &Node, place: &Place<'_>) -> Response {
        let exit = match node.get("exit").map(|exit| (exit, &exit.value)) {
            Some((_, Written::Int(code))) if (0..=255).contains(code) => {
                i32::try_from(*code).unwrap_or_default()
            }
            Some((exit, _)) => {
                self.refuse(
                    Code::OutOfRange,
                    "invalid exit code: the maximum is 255",
                    (written(exit), "too large"),
                    "write 0 to 255",
                );
                0
            }
            None => 0,
        };
        let slots = place.meant.map(|meant| self.slots(meant));
        let later = node.get("later").map(|later| {
            self.need_change(later, "this change");
            if place.meant.is_none() {
                self.refuse(
                    Code::UnknownState,
                    "`nobody` cannot have a later change",
                    (written(later), "there is no host"),
                    "remove it",
                );
            }
            let after = self.duration(later.get("in"));
            (after, self.change(later, slots, &place.names))
        });
        Response {
            exit,
            stdout: self.printed(node, place),
            stderr: node.get("stderr").and_then(|it| self.words(it, place)),
            takes: self.duration(node.get("takes")),
            becomes: self.change(node, slots, &place.names),
            later,
        }
    }
}

/// Returns what identifies a command.
fn pattern_of(command: &Node) -> Option<&Node> {
    ["run", "step", "upload"].iter().find_map(|key| command.get(key))
}
