//! Lowers the commands of a group: patterns, cases, answers, faults.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::document::{Node, Value as Written};
use crate::model::expression::{Expression, Template};
use crate::model::lower::{Lowering, written};
use crate::model::names::{Names, OWN};
use crate::model::pattern::{Pattern, PatternWord, split};
use crate::model::{Entry, Of, Printed, Response};

const ANSWER_KEYS: [&str; 7] = ["exit", "stdout", "stderr", "table", "takes", "becomes", "later"];
/// Faults that every command has.
const GENERAL_FAULTS: [&str; 7] =
    ["refused", "cut_before", "cut_after", "hangs", "host_gone", "controller_dies", "interrupt"];

/// The context of an answer: the names it may use, and whose state it changes.
#[derive(Clone, Copy)]
struct Place<'a> {
    names: Names<'a>,
    meant: Option<usize>,
}

impl Lowering<'_> {
    pub(super) fn commands(&mut self, group: usize, nodes: &[Node]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for node in nodes {
            let Some(entry) = self.command(group, node) else { continue };
            let earlier = entries.iter().position(|earlier| earlier.pattern.covers(&entry.pattern));
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
        let of = node.get("of").and_then(|of| self.of(of, &names));
        let meant = of.map_or(group, |of| of.group);
        self.check_placeholders(written_pattern, &names, meant);
        let place = Place {
            names: Names { host: Some(self.slots(meant)), captures: &names, command: true },
            meant: Some(meant),
        };
        let nobody = self.nobody(node, &names);
        let cases = self.cases(node, &place);
        let faults = self.faults(node, &place);
        Some(Entry {
            place: self.line(written_pattern.span),
            pattern,
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
                    "write words, `<name>`, `<name:int>`, and `<*>` at the end",
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

    fn of(&mut self, of: &Node, names: &[String]) -> Option<Of> {
        let group = of.get("group").and_then(|node| self.expect_group(node));
        let node = of.get("address")?;
        let address = node.as_text()?;
        let capture = names.iter().position(|name| name == address);
        if capture.is_none() {
            let fault = Diagnostic::error(
                Code::UnknownName,
                format!("undefined placeholder `<{address}>`"),
            )
            .at(written(node), "not in the command");
            let near = nearest(address, names.iter().map(String::as_str));
            self.fault(fault.suggest(near, "use the placeholder for the address"));
        }
        Some(Of { group: group?, capture: capture? })
    }

    fn nobody(&mut self, command: &Node, names: &[String]) -> Option<Response> {
        let node = command.get("nobody")?;
        if command.get("of").is_none() {
            self.refuse(
                Code::NobodyWithoutOf,
                "`nobody` requires `of`",
                (written(node), "missing `of`"),
                "add `of: {group: ..., address: ...}`, or remove it",
            );
        }
        let place =
            Place { names: Names { host: None, captures: names, command: true }, meant: None };
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
        let later = node.get("later").map(|later| {
            let after = self.duration(later.get("in"));
            (after, self.becomes(later, place))
        });
        Response {
            exit,
            stdout: self.printed(node, place),
            stderr: node.get("stderr").and_then(|it| self.words(it, place)),
            takes: self.duration(node.get("takes")),
            becomes: self.becomes(node, place),
            later,
        }
    }

    fn becomes(&mut self, node: &Node, place: &Place<'_>) -> crate::model::Change {
        let Some(becomes) = node.get("becomes") else { return Vec::new() };
        if let Some(group) = place.meant {
            return self.change(Some(becomes), self.slots(group), &place.names);
        }
        self.refuse(
            Code::UnknownState,
            "`nobody` cannot change any state",
            (written(becomes), "there is no host"),
            "remove it",
        );
        Vec::new()
    }

    fn printed(&mut self, node: &Node, place: &Place<'_>) -> Printed {
        match (node.get("table"), node.entry("stdout")) {
            (Some(_), Some(stdout)) => {
                self.refuse(
                    Code::SeveralOutputs,
                    "`table` and `stdout` cannot be combined",
                    (stdout.key_span, "second output"),
                    "remove one of them",
                );
                Printed::Nothing
            }
            (Some(table), None) if table.get("for").is_some() => self.host_table(table, place),
            (Some(table), None) => self.row_table(table, place),
            (None, Some(stdout)) => {
                self.words(&stdout.value, place).map_or(Printed::Nothing, Printed::Text)
            }
            (None, None) => Printed::Nothing,
        }
    }

    fn host_table(&mut self, table: &Node, place: &Place<'_>) -> Printed {
        let Some(group) = table.get("for").and_then(|name| self.expect_group(name)) else {
            return Printed::Nothing;
        };
        let names = Names { host: Some(self.slots(group)), ..place.names };
        let columns = table.get("columns").map_or(&[][..], Node::entries);
        let header: Vec<&str> = columns.iter().map(|entry| entry.key.as_str()).collect();
        Printed::Hosts {
            group,
            header: header.join("\t"),
            columns: columns
                .iter()
                .filter_map(|entry| self.expression(&entry.value, &names))
                .collect(),
        }
    }

    fn row_table(&mut self, table: &Node, place: &Place<'_>) -> Printed {
        let header = table.get("header").map_or(&[][..], Node::items);
        let rows = table.get("rows").map_or(&[][..], Node::items);
        for row in rows.iter().filter(|row| row.items().len() != header.len()) {
            let (found, expected) = (row.items().len(), header.len());
            self.refuse(
                Code::RowLength,
                format!("expected {expected} cells as in the header, found {found}"),
                (written(row), "this row"),
                "write one cell for each header",
            );
        }
        let heads: Vec<&str> = header.iter().filter_map(|head| head.lexeme(self.sources)).collect();
        Printed::Rows {
            header: heads.join("\t"),
            rows: rows
                .iter()
                .map(|row| {
                    let cells = row.items().iter();
                    cells.filter_map(|cell| self.words(cell, place)).collect()
                })
                .collect(),
        }
    }

    /// Lowers text that is printed: numbers as they are written.
    fn words(&mut self, node: &Node, place: &Place<'_>) -> Option<Template> {
        match node.value {
            Written::Text(_) => self.template(node, &place.names),
            _ => Some(Template::Constant(node.lexeme(self.sources)?.into())),
        }
    }
}

/// Returns what identifies a command.
fn pattern_of(command: &Node) -> Option<&Node> {
    ["run", "step", "upload"].iter().find_map(|key| command.get(key))
}
