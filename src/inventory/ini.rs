//! INI into the [`Draft`]: `[group]`, `[group:children]`, `[group:vars]`.
//!
//! Line by line, by Ansible's rules: hosts before the first section are ungrouped, a host line is
//! split as a shell would, the values of hosts and groups are Python literals where they can be.
//! Unlike Ansible, a group may be defined in a later file than the one that refers to it.

use std::collections::HashSet;
use std::ops::Range;

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::inventory::draft::{Draft, Given, UNGROUPED};
use crate::inventory::words::Word;
use crate::inventory::{literal, words};
use crate::source::{SourceId, Span};

/// Most bytes of a line: what is said of a host takes some of them.
const MAX_LINE: usize = 128 * 1024;

/// What the lines of a section are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Hosts(usize),
    Children(usize),
    Vars(usize),
    /// Lines behind a header that could not be read.
    Unknown,
}

/// Reads an inventory file.
pub(super) fn read(id: SourceId, text: &str, draft: &mut Draft, found: &mut Diagnostics) {
    let mut reader = Reader {
        id,
        draft,
        found,
        section: Section::Hosts(UNGROUPED),
        opened: HashSet::new(),
        pending: IndexMap::new(),
    };
    let mut at = 0;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim();
        if !line.is_empty() && !line.starts_with(['#', ';']) {
            if reader.found.gives_up() {
                // Nothing comes of it, and no more would be told.
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

struct Reader<'a> {
    id: SourceId,
    draft: &'a mut Draft,
    found: &'a mut Diagnostics,
    section: Section,
    /// The groups that had a section of this file, of whatever kind.
    opened: HashSet<usize>,
    /// Groups that are children of others and have had no section yet: Ansible puts a child in its
    /// place among its siblings when its section comes.
    pending: IndexMap<usize, Vec<(usize, Span)>>,
}

impl Reader<'_> {
    /// Takes a line that says something; `at` is its first byte in the text.
    fn line(&mut self, line: &str, at: usize) {
        let whole = self.span(at, 0..line.len());
        if line.len() > MAX_LINE {
            let message = format!("this line has {} bytes, more than {MAX_LINE}", line.len());
            self.found.push(
                Diagnostic::error(Code::InventoryTooLarge, message)
                    .at(self.span(at, 0..0), "")
                    .help("put what is said of a host into a file of `host_vars`"),
            );
        } else if let Some((name, kind)) = header(line) {
            self.header(name, kind, at);
        } else if line.starts_with('[') && (line.ends_with(']') || !line.contains(']')) {
            self.section = Section::Unknown;
            self.found.push(
                Diagnostic::error(Code::IniSyntax, "this header of a section cannot be read")
                    .at(whole, "not a name in brackets")
                    .help("write `[group]`, `[group:children]` or `[group:vars]`, without blanks"),
            );
        } else {
            match self.section {
                Section::Hosts(group) => self.hosts(line, at, group),
                Section::Children(group) => {
                    let name = line.split('#').next().unwrap_or(line).trim_end();
                    let place = self.span(at, 0..name.len());
                    if let Some(child) = self.draft.group(name, place, self.found) {
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
                Diagnostic::error(Code::IniSyntax, format!("`{kind}` is no kind of section"))
                    .at(self.span(at, start..start + kind.len()), "");
            let near = nearest(kind, ["hosts", "children", "vars"]);
            self.found.push(match near {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help("write `[group]`, `[group:children]` or `[group:vars]`"),
            });
            return;
        }
        let Some(group) = self.draft.group(name, place, self.found) else {
            return;
        };
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

    /// Puts a group into the groups that wait for it.
    fn settle(&mut self, child: usize) {
        for (parent, place) in self.pending.swap_remove(&child).unwrap_or_default() {
            self.draft.groups[parent].children.insert(child, place);
        }
    }

    fn hosts(&mut self, line: &str, at: usize, group: usize) {
        let words = match words::split(line) {
            Ok(words) => words,
            Err((why, from)) => {
                self.found.push(
                    Diagnostic::error(Code::IniSyntax, "this line cannot be split into words")
                        .at(self.span(at, from..line.len()), why)
                        .help("close the quote, or put a backslash in front of it"),
                );
                return;
            }
        };
        let Some((entry, settings)) = words.split_first() else {
            return;
        };
        let place = self.span(at, entry.range.clone());
        if let Some(fault) = self.no_host(entry, place, group) {
            self.found.push(fault);
            return;
        }
        let vars = self.settings(line, at, settings);
        let entry = entry.text.as_str();
        self.draft.entry(entry, group, place, &vars, self.found);
    }

    /// Recognizes what people write where a host is expected.
    fn no_host(&self, entry: &Word, place: Span, group: usize) -> Option<Diagnostic> {
        let message = format!("`{}` is no host", entry.text);
        let fault = Diagnostic::error(Code::IniSyntax, message);
        if entry.text.starts_with("---") {
            let fault = fault.at(place, "YAML begins like this");
            return Some(fault.help("let the name of a YAML inventory end in `.yaml`"));
        }
        let (name, _) = self.draft.groups.get_index(group)?;
        entry.text.contains('=').then(|| {
            fault
                .at(place, "a variable, where a host is expected")
                .help(format!("put the variables of a group under `[{name}:vars]`"))
        })
    }

    /// Takes the `name=value` words behind a host.
    fn settings(&mut self, line: &str, at: usize, words: &[Word]) -> Vec<(String, Given)> {
        let mut vars = Vec::with_capacity(words.len());
        for word in words {
            let Some((name, value)) = word.text.split_once('=') else {
                self.found.push(
                    Diagnostic::error(Code::IniSyntax, format!("`{}` is no variable", word.text))
                        .at(self.span(at, word.range.clone()), "expected `name=value`")
                        .help("put one host on a line, and quotes around a value with blanks"),
                );
                continue;
            };
            let Range { start, end } = word.range;
            // A quote may stand in front of the `=`; then the whole word is the place.
            let sign = line[start..end].find('=').map_or(start, |sign| start + sign + 1);
            let given = Given {
                value: literal::value(value).into(),
                written: literal::written(value).map(Into::into),
                name: self.span(at, start..end),
                place: self.span(at, sign..end),
                encrypted: false,
                earlier: Vec::new(),
            };
            vars.push((name.to_owned(), given));
        }
        vars
    }

    fn variable(&mut self, line: &str, at: usize, group: usize) {
        let Some((name, value)) = line.split_once('=') else {
            self.found.push(
                Diagnostic::error(Code::IniSyntax, format!("`{line}` is no variable"))
                    .at(self.span(at, 0..line.len()), "expected `name=value`")
                    .help("write `name=value`; hosts belong under `[group]`"),
            );
            return;
        };
        let start = line.len() - value.trim_start().len();
        let given = Given {
            value: literal::value(value.trim()).into(),
            written: literal::written(value.trim()).map(Into::into),
            name: self.span(at, 0..name.trim_end().len()),
            place: self.span(at, start..line.len()),
            encrypted: false,
            earlier: Vec::new(),
        };
        self.draft.set_group_var(group, name.trim_end(), given, self.found);
    }

    fn span(&self, at: usize, range: Range<usize>) -> Span {
        Span::new(self.id, at + range.start, at + range.end)
    }
}

/// Splits `[name]` or `[name:kind]`, with or without a comment behind it.
fn header(line: &str) -> Option<(&str, &str)> {
    let (inside, behind) = line.strip_prefix('[')?.split_once(']')?;
    let behind = behind.trim_start();
    let (name, kind) = inside.split_once(':').unwrap_or((inside, ""));
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let plain = !name.is_empty() && !name.contains(char::is_whitespace);
    // `[group:]` is no header.
    let kind_fits = kind.chars().all(word) && (kind.is_empty() != inside.contains(':'));
    (plain && kind_fits && (behind.is_empty() || behind.starts_with('#'))).then_some((name, kind))
}
