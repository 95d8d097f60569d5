//! Reads INI into the [`Draft`]: `[group]`, `[group:children]`, `[group:vars]`.
//!
//! It follows Ansible's rules: hosts before the first section are ungrouped, a host line is split as by
//! a shell, and values are Python literals if they can be. Unlike Ansible, a group may be defined in a
//! later file than the one that refers to it.

use std::collections::HashSet;
use std::ops::Range;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::inventory::draft::{Draft, Given, UNGROUPED};
use crate::inventory::words::Token;
use crate::inventory::{literal, words};
use crate::source::{SourceId, Span};

/// Maximum length of a line, in bytes: the variables of a host take some of them.
const MAX_LINE: usize = 128 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Hosts(usize),
    Children(usize),
    Vars(usize),
    /// Lines after an invalid header.
    Unknown,
}

pub(super) fn read(id: SourceId, text: &str, draft: &mut Draft) {
    let mut reader = IniReader {
        id,
        draft,
        section: Section::Hosts(UNGROUPED),
        opened: HashSet::new(),
        pending: IndexMap::new(),
    };
    let mut at = 0;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim();
        if !line.is_empty() && !line.starts_with(['#', ';']) {
            if reader.draft.found.gives_up() {
                // The file is unusable, and no more would be reported.
                return;
            }
            let indent = whole.len() - whole.trim_start().len();
            reader.line(line, at + indent);
        }
        at += whole.len();
    }
    // These may be defined in a later file.
    for child in reader.pending.keys().copied().collect::<Vec<_>>() {
        reader.settle(child);
    }
}

struct IniReader<'a> {
    id: SourceId,
    draft: &'a mut Draft,
    section: Section,
    /// The groups with a section in this file, of any kind.
    opened: HashSet<usize>,
    /// Children of groups that have had no section yet: Ansible orders a child among its siblings by its
    /// section.
    pending: IndexMap<usize, Vec<(usize, Span)>>,
}

impl IniReader<'_> {
    /// Reads a line that is not empty; `at` is its offset in the text.
    fn line(&mut self, line: &str, at: usize) {
        let whole = self.span(at, 0..line.len());
        if line.len() > MAX_LINE {
            let message = format!("line too long: {} bytes; the maximum is {MAX_LINE}", line.len());
            Diagnostic::error(Code::InventoryTooLarge, message)
                .at(self.span(at, 0..0), "")
                .help("move variables of the host to a file in `host_vars`")
                .emit(&mut self.draft.found);
        } else if let Some((name, kind)) = header(line) {
            self.header(name, kind, at);
        } else if line.starts_with('[') && (line.ends_with(']') || !line.contains(']')) {
            self.section = Section::Unknown;
            let help = "write `[group]`, `[group:children]` or `[group:vars]`, without spaces";
            self.fault("invalid section header", whole, "expected a name in brackets", help);
        } else {
            match self.section {
                Section::Hosts(group) => self.hosts(line, at, group),
                Section::Children(group) => {
                    let name = line.split('#').next().unwrap_or(line).trim_end();
                    let place = self.span(at, 0..name.len());
                    if let Some(child) = self.draft.group(name, place) {
                        self.pending.entry(child).or_default().push((group, place));
                        if self.draft.groups[child].declared || self.opened.contains(&child) {
                            self.settle(child);
                        }
                    }
                }
                Section::Vars(group) => self.variable(line, at, group),
                Section::Unknown => {}
            }
        }
    }

    fn header(&mut self, name: &str, kind: &str, at: usize) {
        let place = self.span(at, 1..1 + name.len());
        self.section = Section::Unknown;
        if !matches!(kind, "" | "hosts" | "children" | "vars") {
            let start = 2 + name.len();
            let diagnostic =
                Diagnostic::error(Code::IniSyntax, format!("unknown section type `{kind}`"))
                    .at(self.span(at, start..start + kind.len()), "");
            let near = nearest(kind, ["hosts", "children", "vars"]);
            let or = "write `[group]`, `[group:children]` or `[group:vars]`";
            self.draft.found.push(diagnostic.suggest(near, or));
            return;
        }
        let Some(group) = self.draft.group(name, place) else { return };
        self.opened.insert(group);
        if kind != "vars" {
            self.draft.groups[group].declared = true;
            self.settle(group);
        }
        self.section = match kind {
            "vars" => Section::Vars(group),
            "children" => Section::Children(group),
            _ => Section::Hosts(group),
        };
    }

    /// Adds a group to the groups that wait for it.
    fn settle(&mut self, child: usize) {
        for (parent, place) in self.pending.swap_remove(&child).unwrap_or_default() {
            self.draft.groups[parent].children.insert(child, place);
        }
    }

    fn hosts(&mut self, line: &str, at: usize, group: usize) {
        let words = match words::split(line) {
            Ok(words) => words,
            Err((why, from)) => {
                let place = self.span(at, from..line.len());
                let help = "close the quote, or put a backslash before it";
                return self.fault("cannot split this line into words", place, why, help);
            }
        };
        let Some((entry, settings)) = words.split_first() else { return };
        let place = self.span(at, entry.range.clone());
        if let Some(fault) = self.no_host(entry, place, group) {
            self.draft.found.push(fault);
            return;
        }
        let vars = self.settings(line, at, settings);
        let entry = entry.text.as_str();
        self.draft.entry(entry, group, place, &vars);
    }

    /// Recognises YAML and variables where a host is expected.
    fn no_host(&self, entry: &Token, place: Span, group: usize) -> Option<Diagnostic> {
        let message = format!("`{}` is not a host", entry.text);
        let fault = Diagnostic::error(Code::IniSyntax, message);
        if entry.text.starts_with("---") {
            let fault = fault.at(place, "this is YAML");
            return Some(fault.help("rename the file to end in `.yaml`"));
        }
        let (name, _) = self.draft.groups.get_index(group)?;
        entry.text.contains('=').then(|| {
            fault
                .at(place, "expected a host, found a variable")
                .help(format!("put the variables of a group under `[{name}:vars]`"))
        })
    }

    /// Reads the `name=value` words after a host.
    fn settings(&mut self, line: &str, at: usize, words: &[Token]) -> Vec<(String, Given)> {
        let mut vars = Vec::with_capacity(words.len());
        for word in words {
            let Some((name, value)) = word.text.split_once('=') else {
                let (message, place) = (
                    format!("`{}` is not a variable", word.text),
                    self.span(at, word.range.clone()),
                );
                let help = "write one host per line, and put quotes around a value with spaces";
                self.fault(&message, place, "expected `name=value`", help);
                continue;
            };
            let Range { start, end } = word.range;
            // A quote may be before the `=`; then the whole word is the location.
            let sign = line[start..end].find('=').map_or(start, |sign| start + sign + 1);
            let (name_span, value_span) = (self.span(at, start..end), self.span(at, sign..end));
            vars.push((name.to_owned(), given(value, name_span, value_span)));
        }
        vars
    }

    fn variable(&mut self, line: &str, at: usize, group: usize) {
        let Some((name, value)) = line.split_once('=') else {
            let place = self.span(at, 0..line.len());
            let help = "write `name=value`; hosts belong under `[group]`";
            let message = format!("`{line}` is not a variable");
            return self.fault(&message, place, "expected `name=value`", help);
        };
        let start = line.len() - value.trim_start().len();
        let name = name.trim_end();
        let (name_span, value_span) =
            (self.span(at, 0..name.len()), self.span(at, start..line.len()));
        let given = given(value.trim(), name_span, value_span);
        self.draft.set_group_var(group, name, given);
    }

    fn fault(&mut self, message: &str, place: Span, label: &str, help: &str) {
        let fault = Diagnostic::error(Code::IniSyntax, message);
        self.draft.found.push(fault.at(place, label).help(help));
    }

    fn span(&self, at: usize, range: Range<usize>) -> Span {
        Span::new(self.id, at + range.start, at + range.end)
    }
}

fn given(value: &str, name_span: Span, value_span: Span) -> Given {
    let written = literal::written(value).map(Into::into);
    Given { written, ..Given::new(literal::value(value), name_span, value_span) }
}

/// Splits `[name]` or `[name:kind]`, with an optional comment.
fn header(line: &str) -> Option<(&str, &str)> {
    let (inside, behind) = line.strip_prefix('[')?.split_once(']')?;
    let behind = behind.trim_start();
    let (name, kind) = inside.split_once(':').unwrap_or((inside, ""));
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let plain = !name.is_empty() && !name.contains(char::is_whitespace);
    // `[group:]` is not a header.
    let kind_fits = kind.chars().all(word) && (kind.is_empty() != inside.contains(':'));
    (plain && kind_fits && (behind.is_empty() || behind.starts_with('#'))).then_some((name, kind))
}
