//! Text to [`Node`]s, by the events of a YAML 1.2 parser.
//!
//! Built on parser events and not on a deserializer: only they carry the style of a scalar and let
//! every duplicate key of a file be reported at once. An alias is copied where it is used, within
//! the bounds of [`anchors`], so that a bomb is refused after little work.

pub mod anchors;
mod open;

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, MAX_FAULTS, Severity};
use crate::document::parse::anchors::Anchors;
use crate::document::parse::open::{Key, Open, earlier, entry, too_many};
use crate::document::yaml11::{Asked, Sealed};
use crate::document::{Entry, Node, Style, Text, Value, lookalike, yaml_fixes, yaml11, yaml12};
use crate::file::MAX_BYTES;
use crate::source::{SourceId, Sources, Span};

/// Maximum number of nodes of a document with its aliases: enough for a million hosts with variables.
pub const MAX_NODES: usize = 4_000_000;
/// Maximum number of items of a list, and of keys of a generated mapping: as many as the hosts of one
/// group.
pub const MAX_ENTRIES: usize = 100_000;
/// Maximum number of keys of a mapping that a user wrote: a plan of 100,000 steps may have as many probes.
pub const MAX_KEYS: usize = 20_000;
pub const MAX_DEPTH: usize = 48;

/// Parses a text of one YAML document; `None` if the result is unusable.
///
/// An empty text gives a [`Value::Null`] node.
pub fn parse(sources: &Sources, id: SourceId, found: &mut Diagnostics) -> Option<Node> {
    read(sources, id, Dialect::Core, found).map(|(root, _)| root)
}

/// Parses a text that a program has written, like [`parse`]: its mappings may be larger.
pub fn parse_data(sources: &Sources, id: SourceId, found: &mut Diagnostics) -> Option<Node> {
    read(sources, id, Dialect::Data, found).map(|(root, _)| root)
}

/// Parses a text that was written for Ansible, by the rules of [`yaml11`]; also returns which values are
/// encrypted. `None` if nothing usable came of it.
pub fn parse_ansible(
    sources: &Sources,
    id: SourceId,
    found: &mut Diagnostics,
) -> Option<(Node, Sealed)> {
    read(sources, id, Dialect::Ansible, found)
}

/// By which rules a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// YAML 1.2 core, without tags and merge keys.
    Core,
    /// The same, with larger mappings.
    Data,
    /// What Ansible's parser takes.
    Ansible,
}

fn read(
    sources: &Sources,
    id: SourceId,
    dialect: Dialect,
    found: &mut Diagnostics,
) -> Option<(Node, Sealed)> {
    let text = sources.get(id).text();
    let whole = Span::new(id, 0, 0);
    if text.len() > MAX_BYTES {
        let message = format!("file too large: {} bytes, the maximum is {MAX_BYTES}", text.len());
        Diagnostic::error(Code::FileTooLarge, message)
            .at(whole, "")
            .help("split it, or move large data to other files")
            .emit(found);
        return None;
    }
    let mut builder = Builder {
        text,
        id,
        dialect,
        found,
        stack: Vec::new(),
        anchors: Anchors::default(),
        root: None,
        nodes: 0,
        documents: 0,
        faulty: false,
        sealed: Sealed::default(),
        odd: Vec::new(),
    };
    let mut options = options();
    // There a bracket may be closed at the margin, as people close long lists.
    options.strict_indentation = dialect != Dialect::Ansible;
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                builder.event(event, span)?;
                if builder.faulty && builder.found.is_full() {
                    // The result is not used, and no more would be reported.
                    builder.found.stop();
                    return None;
                }
            }
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
                let fault = yaml_fixes::syntax(text, id, at, &error);
                // That one has all of them that matter.
                if fault.code != lookalike::CODE {
                    builder.report_odd();
                }
                builder.found.push(fault);
                return None;
            }
        }
    }
    builder.report_odd();
    if builder.faulty {
        return None;
    }
    let root = builder.root.unwrap_or(Node { value: Value::Null, span: whole, alias: None });
    Some((root, builder.sealed))
}

pub(super) fn options() -> granit_parser::Options {
    let mut options = granit_parser::options! { strict_indentation: true, emit_comments: false };
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    options
}

/// Returns the start of the last word of a text, a tag or an anchor.
fn start_of_word(text: &str) -> usize {
    let text = text.trim_end();
    let is_end = |c: char| c.is_whitespace() || ",[]{}".contains(c);
    match text.rfind("!<").filter(|_| text.ends_with('>')) {
        Some(start) => start,
        None => {
            text.char_indices().rfind(|&(_, c)| is_end(c)).map_or(0, |(at, c)| at + c.len_utf8())
        }
    }
}

pub(super) fn too_deep(span: Span) -> Diagnostic {
    let message = format!("lists and mappings are nested more than {MAX_DEPTH} levels deep");
    Diagnostic::error(Code::NestedTooDeep, message)
        .at(span, "too deep")
        .help("reduce the nesting; check for unclosed brackets")
}

struct Builder<'a> {
    text: &'a str,
    id: SourceId,
    dialect: Dialect,
    found: &'a mut Diagnostics,
    stack: Vec<Open>,
    anchors: Anchors,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    faulty: bool,
    sealed: Sealed,
    /// What was found of characters that look like others.
    odd: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn span(&self, span: granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        Span::new(self.id, range.start.min(self.text.len()), range.end.min(self.text.len()))
    }

    /// Takes one event; `None` ends the parse (the reason has been reported).
    fn event(&mut self, event: Event<'_>, at: granit_parser::Span) -> Option<()> {
        let span = self.span(at);
        match event {
            Event::DocumentStart(..) => self.begin_document(span)?,
            Event::Scalar(text, style, anchor, tag) => {
                let asked = self.asked(tag.as_deref(), span);
                if asked == Asked::Vault {
                    self.sealed.add(span);
                }
                if style == ScalarStyle::Plain {
                    self.odd_characters(&text, span);
                }
                let value = self.scalar(text.into_owned(), style, asked, span);
                let node = Node { value, span, alias: None };
                self.finish(node, anchor, 1)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.asked(tag.as_deref(), span);
                self.open(Open::List { items: Vec::new(), start: span, anchor }, span)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.asked(tag.as_deref(), span);
                let open = Open::Map {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: None,
                    merges: Vec::new(),
                    start: span,
                    anchor,
                };
                self.open(open, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(anchor) => {
                let copied = self.anchors.copy(anchor, span);
                let (node, size) = copied.map_err(|fault| fault.emit(self.found)).ok()?;
                self.finish(node, 0, size)?;
            }
            _ => {}
        }
        Some(())
    }

    fn begin_document(&mut self, span: Span) -> Option<()> {
        self.documents += 1;
        if self.documents == 1 {
            return Some(());
        }
        Diagnostic::error(Code::SeveralDocuments, "the file contains several YAML documents")
            .at(span, "the second document starts here")
            .help("keep one document per file")
            .emit(self.found);
        None
    }

    fn refuse_tag(&mut self, span: Span) {
        let fault = Diagnostic::error(Code::YamlTag, "YAML tags are not allowed")
            .at(span, "a tagged value");
        let order = "remove the tag; quote a string that starts with `!`";
        let before = self.text.get(..span.range().start).unwrap_or_default();
        let mut end = before.len();
        let mut start = start_of_word(before);
        if before[start..].starts_with('&') {
            // An anchor may be between the tag and the value.
            end = start;
            start = start_of_word(&before[..end]);
        }
        self.found.push(if before[start..end].starts_with('!') {
            fault.fix(order, Span::new(self.id, start, end), "")
        } else {
            fault.help(order)
        });
    }

    /// Returns what a tag asks for; one that has no meaning here is reported.
    fn asked(&mut self, tag: Option<&Tag>, span: Span) -> Asked {
        let Some(tag) = tag else { return Asked::Nothing };
        let asked = match self.dialect {
            Dialect::Core | Dialect::Data => Asked::Unknown,
            Dialect::Ansible => yaml11::asked(tag),
        };
        if asked == Asked::Unknown {
            self.faulty = true;
            self.refuse_tag(span);
        }
        asked
    }

    /// Reports a character of a plain scalar that looks like one of the syntax around it.
    fn odd_characters(&mut self, text: &str, span: Span) {
        if text.is_ascii() || self.dialect == Dialect::Data || self.odd.len() > MAX_FAULTS {
            return;
        }
        let is_key = matches!(self.stack.last(), Some(Open::Map { key: None, .. }));
        let Some((at, one)) = lookalike::in_plain(text, is_key) else { return };
        // Lines that are folded have their characters elsewhere.
        let written = self.text.get(span.range()).unwrap_or_default();
        let at = if written == text { at } else { written.find(one.character).unwrap_or_default() };
        let fault = lookalike::odd(one, self.id, span.range().start + at);
        self.odd.push(match self.dialect {
            // Ansible takes it as it is.
            Dialect::Ansible => Diagnostic { severity: Severity::Warning, ..fault },
            Dialect::Core | Dialect::Data => fault,
        });
    }

    fn report_odd(&mut self) {
        self.faulty |= self.dialect != Dialect::Ansible && !self.odd.is_empty();
        self.odd.drain(..).for_each(|one| one.emit(self.found));
    }

    /// Gives a scalar its type.
    fn scalar(&self, text: String, style: ScalarStyle, asked: Asked, span: Span) -> Value {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal => Style::Literal,
            _ if self.text[span.range()].is_empty() => Style::Plain,
            ScalarStyle::Folded => Style::Folded,
        };
        let text = Text { text, style };
        match asked {
            Asked::Text | Asked::Vault => Value::Text(text),
            Asked::Plain => yaml11::scalar(text),
            Asked::Float => yaml11::float(text),
            _ if style != Style::Plain => Value::Text(text),
            _ if self.dialect == Dialect::Ansible => yaml11::scalar(text),
            _ => yaml12::scalar(text),
        }
    }

    fn open(&mut self, open: Open, span: Span) -> Option<()> {
        if self.stack.len() >= MAX_DEPTH {
            self.found.push(too_deep(span));
            return None;
        }
        if let Some(Open::Map { key: None, .. }) = self.stack.last() {
            let fault = Diagnostic::error(Code::KeyNotText, "a mapping key must be a string")
                .at(span, "this is a list or a mapping");
            let (at, or) = (span.range().start, "write a string before the `:`");
            yaml_fixes::advise(fault, self.text, self.id, at, or).emit(self.found);
            return None;
        }
        self.stack.push(open);
        Some(())
    }

    fn close(&mut self, end: Span) -> Option<()> {
        let (value, start, anchor, last) = match self.stack.pop()? {
            Open::List { items, start, anchor } => {
                let last = items.last().map(|item| item.alias.unwrap_or(item.span));
                (Value::List(items), start, anchor, last)
            }
            Open::Map { entries, merges, start, anchor, .. } => {
                let own = entries.iter().map(|entry| &entry.value);
                let last = own.chain(&merges).map(|one| one.alias.unwrap_or(one.span));
                let last = last.max_by_key(|place| place.end);
                let entries = self.merged(merges, entries);
                (Value::Map(entries), start, anchor, last)
            }
        };
        // A block collection ends where its last child does, a flow collection at its bracket.
        let flow = self.text[start.range().start..].starts_with(['[', '{']);
        let span = if flow { start.to(end) } else { last.map_or(start, |last| start.to(last)) };
        self.finish(Node { value, span, alias: None }, anchor, 1)
    }

    /// Puts what `<<` names into a mapping.
    fn merged(&mut self, merges: Vec<Node>, entries: Vec<Entry>) -> Vec<Entry> {
        yaml11::merged(merges, entries).unwrap_or_else(|node| {
            self.faulty = true;
            let message = format!("`<<` requires a mapping, found {}", node.kind());
            Diagnostic::error(Code::MergeKey, message)
                .at(node.alias.unwrap_or(node.span), "")
                .help("use a mapping, or a list of mappings: `<<: *defaults`")
                .emit(self.found);
            Vec::new()
        })
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, size: usize) -> Option<()> {
        self.nodes += if node.alias.is_some() { size } else { 1 };
        if self.nodes > MAX_NODES {
            Diagnostic::error(
                Code::TooManyNodes,
                format!("the file has more than {MAX_NODES} values"),
            )
            .at(node.span, "exceeds the limit")
            .help("split the file")
            .emit(self.found);
            return None;
        }
        if anchor > 0 {
            self.anchors.keep(anchor, &node);
        }
        if let Some(Open::Map { key: None, .. }) = self.stack.last() {
            let made = self.key(node);
            if let Some(Open::Map { key, .. }) = self.stack.last_mut() {
                *key = Some(made);
            }
            return Some(());
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) if items.len() < MAX_ENTRIES => items.push(node),
            Some(Open::List { start, .. }) => {
                let place = node.alias.unwrap_or(node.span);
                too_many(*start, place, "a list", MAX_ENTRIES).emit(self.found);
                return None;
            }
            Some(Open::Map { entries, seen, key, merges, start, .. }) => match key.take() {
                Some(Key { merges: true, .. }) => merges.push(node),
                Some(key) => {
                    let most = match self.dialect {
                        Dialect::Core => MAX_KEYS,
                        Dialect::Data | Dialect::Ansible => MAX_ENTRIES,
                    };
                    if entries.len() == most {
                        too_many(*start, key.span, "a mapping", most).emit(self.found);
                        return None;
                    }
                    if let Some(earlier) = earlier(&key, entries, seen) {
                        self.faulty = true;
                        let message = format!("duplicate key `{}`", key.text);
                        Diagnostic::error(Code::DuplicateKey, message)
                            .at(key.span, "second occurrence")
                            .also(earlier, "first occurrence")
                            .help("remove one of them")
                            .emit(self.found);
                    }
                    entries.push(entry(self.text, key.text, key.span, node));
                }
                None => {}
            },
        }
        Some(())
    }

    fn key(&mut self, node: Node) -> Key {
        let span = node.alias.unwrap_or(node.span);
        let (text, plain) = match node.value {
            Value::Text(text) => (text.text, text.style == Style::Plain),
            Value::List(_) | Value::Map(_) => (String::new(), false),
            _ => {
                let written = self.text.get(node.span.range());
                (written.unwrap_or_default().to_owned(), false)
            }
        };
        let merges = plain && text == "<<";
        if merges && self.dialect != Dialect::Ansible {
            self.faulty = true;
            Diagnostic::error(Code::MergeKey, "merge key `<<` is not supported")
                .at(span, "")
                .help("write the merged keys themselves")
                .emit(self.found);
        }
        Key { text, span, merges }
    }
}
