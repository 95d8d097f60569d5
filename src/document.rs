//! Documents: YAML as it was written, every node with its location.
//!
//! YAML 1.2 core: `yes`, `on` and `0644` are strings, only `true` and `false` are bools. Duplicate keys,
//! tags, merge keys and excess aliases are rejected; limits are in [`mod@parse`]. Inventories are read by
//! the older rules for which they were written ([`yaml11`]). Nodes are not interpreted here:
//! [`crate::schema`] checks them against a shape, `plan` and `inventory` convert them.

pub mod lookalike;
pub mod parse;
mod scalar;
pub mod yaml11;
mod yaml12;
mod yaml_fixes;

use std::cell::Cell;
use std::collections::HashSet;
use std::mem;

use serde_json::Value as Json;

use crate::source::{Sources, Span};

pub use parse::{parse, parse_ansible, parse_data};
pub use scalar::Places;

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    pub value: Value,
    /// Its location; for an alias, that of its definition.
    pub span: Span,
    /// The location of the alias that brought the node here.
    pub alias: Option<Span>,
}

#[derive(Clone, Debug)]
pub enum Value {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    Int(i64),
    /// A number with a fraction or an exponent, or one too large for [`Value::Int`].
    Float(f64),
    Text(Text),
    List(Vec<Node>),
    /// A mapping, in source order.
    Map(Vec<Entry>),
    /// An invalid value, which has been reported: it has no text, items or entries.
    Poisoned(Box<Self>),
}

/// A string and how it was written.
#[derive(Clone, Debug)]
pub struct Text {
    /// The text after YAML's own rules (escapes, folding).
    pub text: String,
    pub style: Style,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// In `'...'`.
    Single,
    /// In `"..."`.
    Double,
    /// Behind `|`.
    Literal,
    /// Behind `>`.
    Folded,
}

/// One key of a mapping and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key is.
    pub key_span: Span,
    /// Whether it is alone in `{ }`, without `:`, as after an unquoted comma in a string.
    pub bare: bool,
    pub value: Node,
}

impl Node {
    /// Names the type of the node, with its article.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Poisoned(_) => "an invalid value",
            Value::Null => "nothing",
            Value::Bool(_) => "a bool",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    /// Returns the entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the items of a list; none for anything else.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    pub fn entries_of(&self, key: &str) -> &[Entry] {
        self.get(key).map_or(&[], Self::entries)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// Returns a scalar as the text it was written as (`1.20`, `true`), `None` for collections.
    pub fn lexeme<'a>(&'a self, sources: &'a Sources) -> Option<&'a str> {
        match &self.value {
            Value::List(_) | Value::Map(_) | Value::Poisoned(_) => None,
            Value::Text(text) => Some(&text.text),
            _ => Some(sources.slice(self.span)),
        }
    }

    /// Returns the node as a JSON value in which numbers are the text they are written as (`0644`,
    /// `3.10`); `None` if JSON would write all of them in the same way.
    pub fn written(&self, sources: &Sources) -> Option<Json> {
        let is_number = |c: char| c.is_ascii_alphanumeric() || "+-._:".contains(c);
        let is_other = Cell::new(false);
        let written = self.json(&|node, value| {
            let written = sources.slice(node.span).trim_matches(['"', '\'']);
            let own = value.to_string();
            if value.is_number() && written != own && written.chars().all(is_number) {
                is_other.set(true);
                return written.into();
            }
            value
        });
        is_other.get().then_some(written)
    }

    /// Returns the place of a byte range of the node's *text*, whatever style it is written in.
    pub fn place(&self, sources: &Sources, range: std::ops::Range<usize>) -> Span {
        self.places(sources).span(range)
    }

    /// Returns the places of all bytes of the node's *text*.
    pub fn places(&self, sources: &Sources) -> Places {
        Places::of(self, sources)
    }

    /// Returns the node as a JSON value; places and styles are lost.
    pub fn to_json(&self) -> Json {
        self.json(&|_, value| value)
    }

    fn json(&self, scalar: &dyn Fn(&Self, Json) -> Json) -> Json {
        let value = match &self.value {
            Value::Null | Value::Poisoned(_) => Json::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(text) => text.text.clone().into(),
            Value::List(items) => return items.iter().map(|item| item.json(scalar)).collect(),
            Value::Map(entries) => {
                let pairs = entries.iter().map(|one| (one.key.clone(), one.value.json(scalar)));
                return Json::Object(pairs.collect());
            }
        };
        scalar(self, value)
    }

    /// Poisons the values at these places, and the values of keys at these places. A mapping that lacks
    /// something at its first key gets a poisoned value for it, under no key.
    pub fn poison(&mut self, places: &HashSet<Span>, absences: &HashSet<Span>) {
        let place = self.alias.unwrap_or(self.span);
        let is_cut = |entry: &Entry| entry.bare && places.contains(&entry.key_span);
        // A string that ended at its comma has broken up the mapping around it.
        if [places, absences].iter().any(|all| all.contains(&place))
            || self.entries().iter().any(is_cut)
        {
            self.spoil();
            return;
        }
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.poison(places, absences)),
            Value::Map(entries) => {
                for entry in &mut *entries {
                    if places.contains(&entry.key_span) {
                        entry.value.spoil();
                    } else {
                        entry.value.poison(places, absences);
                    }
                }
                let first = entries.first().map(|entry| entry.key_span);
                if let Some(key_span) = first.filter(|first| absences.contains(first)) {
                    let value = Value::Poisoned(Box::new(Value::Null));
                    let value = Self { value, span: key_span, alias: None };
                    entries.push(Entry { key: String::new(), key_span, bare: false, value });
                }
            }
            _ => {}
        }
    }

    fn spoil(&mut self) {
        let value = mem::replace(&mut self.value, Value::Null);
        self.value = Value::Poisoned(Box::new(value));
    }

    pub fn is_poisoned(&self) -> bool {
        matches!(self.value, Value::Poisoned(_))
    }

    /// Whether it is poisoned, or something in it.
    pub fn has_poison(&self) -> bool {
        self.is_poisoned()
            || self.items().iter().any(Self::has_poison)
            || self.entries().iter().any(|entry| entry.value.has_poison())
    }

    /// Returns the keys and strings in what is poisoned: they may declare or use names.
    pub fn poisoned_texts(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        self.value.collect(false, &mut texts);
        texts
    }
}

impl Value {
    fn collect<'a>(&'a self, poisoned: bool, texts: &mut Vec<&'a str>) {
        match self {
            Self::Poisoned(inner) => inner.collect(true, texts),
            Self::Text(text) if poisoned => texts.push(&text.text),
            Self::List(items) => items.iter().for_each(|item| item.value.collect(poisoned, texts)),
            Self::Map(entries) => {
                for Entry { key, value, .. } in entries {
                    if poisoned || value.is_poisoned() {
                        texts.push(key);
                    }
                    value.value.collect(poisoned, texts);
                }
            }
            _ => {}
        }
    }
}
