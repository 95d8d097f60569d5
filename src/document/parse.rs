//! Text to [`Node`]s, by the events of a YAML 1.2 parser.
//!
//! Built on parser events and not on a deserializer: only they carry the style of a scalar and let
//! every duplicate key of a file be told at once. An alias is copied where it is used, within
//! the bounds of [`anchors`], so that a bomb is refused after little work.

pub mod anchors;

use std::collections::HashMap;

use granit_parser::Event;
use granit_parser::Parser;
use granit_parser::ScalarStyle;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::document::Entry;
use crate::document::Node;
use crate::document::Style;
use crate::document::Text;
use crate::document::Value;
use crate::document::parse::anchors::Anchors;
use crate::source::SourceId;
use crate::source::Sources;
use crate::source::Span;

/// Most bytes of a document.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most nodes of a document, aliases unfolded: a million hosts with their variables fit.
pub const MAX_NODES: usize = 4_000_000;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 48;

/// Parses a text of one YAML document; `None` where nothing usable came of it.
///
/// An empty text gives a [`Value::Null`] node.
pub fn parse(sources: &Sources, id: SourceId, found: &mut Diagnostics) -> Option<Node> {
    let text = sources.get(id).text();
    let whole = Span::new(id, 0, 0);
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than {MAX_BYTES}", text.len());
        found.push(
            Diagnostic::error("file-too-large", message)
                .at(whole, "")
                .help("split it, or keep large data out of it"),
        );
        return None;
    }
    let mut options = granit_parser::options! { strict_indentation: true, emit_comments: false };
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder = Builder {
        text,
        id,
        found,
        stack: Vec::new(),
        anchors: Anchors::default(),
        root: None,
        nodes: 0,
        documents: 0,
        faulty: false,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                builder.event(event, span)?;
            }
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
                builder.found.push(syntax(text, id, at, error.info()));
                return None;
            }
        }
    }
    if builder.faulty {
        return None;
    }
    Some(builder.root.unwrap_or(Node {
        value: Value::Null,
        span: whole,
        alias: None,
    }))
}

/// Words a syntax error, with the cure of the slips that people make most.
fn syntax(text: &str, id: SourceId, at: usize, info: String) -> Diagnostic {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline);
    let line = &text[start..end];
    let width = text[at..end].chars().next().map_or(0, char::len_utf8);
    let fault = Diagnostic::error("yaml-syntax", "this is not YAML")
        .at(Span::new(id, at, at + width), info);
    let before = &text[..at];
    let last = before.trim_end().lines().next_back().unwrap_or(line);
    if line.contains('\t') && line.trim_start_matches(' ').starts_with('\t') {
        fault.help("indent with blanks: YAML does not allow tabs there")
    } else if line.contains(": {{") || last.contains(": {{") {
        fault.help("put quotes around a value that begins with a template: `key: \"{{ name }}\"`")
    } else if line.contains('{') || last.contains('{') {
        fault.help("inside `{ }` put quotes around text that holds `,`, `:`, `{`, `}`, `[` or `]`")
    } else if line.matches(": ").count() > 1 {
        fault.help("put quotes around text that holds `: `")
    } else {
        fault.help("look at the indentation and the quotes of this line and the one before it")
    }
}

/// A collection that is being read.
enum Open {
    List {
        items: Vec<Node>,
        start: Span,
        anchor: usize,
    },
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, Span>,
        key: Option<(String, Span)>,
        start: Span,
        anchor: usize,
    },
}

struct Builder<'a> {
    text: &'a str,
    id: SourceId,
    found: &'a mut Diagnostics,
    stack: Vec<Open>,
    anchors: Anchors,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    faulty: bool,
}

impl Builder<'_> {
    fn span(&self, span: granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        Span::new(
            self.id,
            range.start.min(self.text.len()),
            range.end.min(self.text.len()),
        )
    }

    /// Takes one event; `None` ends the parse (the reason has been told).
    fn event(&mut self, event: Event<'_>, at: granit_parser::Span) -> Option<()> {
        let span = self.span(at);
        match event {
            Event::DocumentStart(..) => self.begin_document(span)?,
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let value = scalar_value(text.into_owned(), style, self.text, span);
                let node = Node {
                    value,
                    span,
                    alias: None,
                };
                self.finish(node, anchor, 1)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.open(
                    Open::List {
                        items: Vec::new(),
                        start: span,
                        anchor,
                    },
                    span,
                )?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let open = Open::Map {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: None,
                    start: span,
                    anchor,
                };
                self.open(open, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(anchor) => {
                let (node, size) = match self.anchors.copy(anchor, span) {
                    Ok(copied) => copied,
                    Err(fault) => {
                        self.found.push(*fault);
                        return None;
                    }
                };
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
        self.found.push(
            Diagnostic::error("several-documents", "the file holds several documents")
                .at(span, "a second one begins here")
                .help("keep one document a file"),
        );
        None
    }

    fn refuse_tag(&mut self, tagged: bool, span: Span) {
        if tagged {
            self.faulty = true;
            self.found.push(
                Diagnostic::error("yaml-tag", "tags are not part of the language")
                    .at(span, "has a tag")
                    .help("remove the `!tag`; put quotes around text that begins with `!`"),
            );
        }
    }

    fn open(&mut self, open: Open, span: Span) -> Option<()> {
        if self.stack.len() >= MAX_DEPTH {
            self.found.push(
                Diagnostic::error("nested-too-deep", format!("nested deeper than {MAX_DEPTH}"))
                    .at(span, "")
                    .help("make it flatter"),
            );
            return None;
        }
        if let Some(Open::Map { key: None, .. }) = self.stack.last() {
            self.found.push(
                Diagnostic::error("key-not-text", "a key of a mapping must be text")
                    .at(span, "this is a collection")
                    .help(
                        "put quotes around a value that begins with a template: \
                         `key: \"{{ name }}\"`",
                    ),
            );
            return None;
        }
        self.stack.push(open);
        Some(())
    }

    fn close(&mut self, end: Span) -> Option<()> {
        let (value, start, anchor, last) = match self.stack.pop()? {
            Open::List {
                items,
                start,
                anchor,
            } => {
                let last = items.last().map(|item| item.alias.unwrap_or(item.span));
                (Value::List(items), start, anchor, last)
            }
            Open::Map {
                entries,
                start,
                anchor,
                ..
            } => {
                let last = entries
                    .last()
                    .map(|one| one.value.alias.unwrap_or(one.value.span));
                (Value::Map(entries), start, anchor, last)
            }
        };
        // A block collection ends where its last child does, a flow collection at its bracket.
        let flow = self.text[start.range().start..].starts_with(['[', '{']);
        let span = if flow {
            start.to(end)
        } else {
            last.map_or(start, |last| start.to(last))
        };
        self.finish(
            Node {
                value,
                span,
                alias: None,
            },
            anchor,
            1,
        )
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, size: usize) -> Option<()> {
        self.nodes += if node.alias.is_some() { size } else { 1 };
        if self.nodes > MAX_NODES {
            self.found.push(
                Diagnostic::error("too-many-nodes", format!("more than {MAX_NODES} nodes"))
                    .at(node.span, "this one is too many")
                    .help("split the file"),
            );
            return None;
        }
        if anchor > 0 {
            self.anchors.keep(anchor, &node);
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map {
                entries, seen, key, ..
            }) => match key.take() {
                None => {
                    let span = node.alias.unwrap_or(node.span);
                    let text = match &node.value {
                        Value::Text(text) => text.text.clone(),
                        Value::List(_) | Value::Map(_) => String::new(),
                        _ => self
                            .text
                            .get(node.span.range())
                            .unwrap_or_default()
                            .to_owned(),
                    };
                    let plain = matches!(&node.value, Value::Text(t) if t.style == Style::Plain);
                    if plain && text == "<<" {
                        self.faulty = true;
                        self.found.push(
                            Diagnostic::error("merge-key", "merge keys are not in YAML 1.2")
                                .at(span, "")
                                .help("write the keys out"),
                        );
                    }
                    *key = Some((text, span));
                }
                Some((name, key_span)) => {
                    if let Some(earlier) = seen.insert(name.clone(), key_span) {
                        self.faulty = true;
                        self.found.push(
                            Diagnostic::error("duplicate-key", format!("`{name}` is there twice"))
                                .at(key_span, "the second one")
                                .also(earlier, "the first one")
                                .help("keep one of them"),
                        );
                    }
                    entries.push(Entry {
                        key: name,
                        key_span,
                        value: node,
                    });
                }
            },
        }
        Some(())
    }
}

/// Gives a scalar its type by the core schema of YAML 1.2, but for numbers with a leading zero,
/// which stay text: a mode `0644` is no number.
fn scalar_value(text: String, style: ScalarStyle, source: &str, span: Span) -> Value {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        _ if source[span.range()].is_empty() => Style::Plain,
        ScalarStyle::Folded => Style::Folded,
    };
    if style != Style::Plain {
        return Value::Text(Text { text, style });
    }
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit());
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if numeric && !padded {
        let written = text.strip_prefix('+').unwrap_or(&text);
        if let Ok(value) = written.parse::<i64>() {
            return Value::Int(value);
        }
        let plausible = written
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
        if let (true, Ok(value)) = (plausible, written.parse::<f64>())
            && value.is_finite()
        {
            return Value::Float(value);
        }
    }
    Value::Text(Text { text, style })
}
