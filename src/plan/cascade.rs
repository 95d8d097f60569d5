//! What was reported already, so that problems which only follow from it are not reported as well.
//!
//! A plan is read to its end, whatever is wrong in it: parts of the right shape are lowered and checked
//! next to the faulty ones. A faulty value is *poisoned*: nothing more is reported of it. A unit (a
//! step, a probe, an input, a named expression) is *doubtful* if its meaning depends on a poisoned
//! value: only its names, templates and expressions are checked. Names in a poisoned value count as
//! declared, and as used.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity, nearest};
use crate::document::{Entry, Node, Value};
use crate::source::{Sources, Span};

/// Codes about a mapping as a whole, which point at its first key.
const WHOLE: [Code; 2] = [Code::MissingKey, Code::MissingAction];
/// Codes about a key, or two keys that cannot be combined.
const KEYS: [Code; 2] = [Code::UnknownKey, Code::SeveralActions];
/// Keys of a step on which nothing else depends.
const PLAIN: [&str; 7] = ["become", "delegate_to", "dir", "env", "name", "stdin", "timeout"];
/// The key of a step after which nothing needs a rollback.
const NO_RETURN: &str = "point_of_no_return";
/// Codes of lowering that a doubtful unit does not cause: they compare several of its keys.
const TOGETHER: [Code; 9] = [
    Code::LookInTemplate,
    Code::MisplacedKey,
    Code::MissingKey,
    Code::NotKnownYet,
    Code::ParseMismatch,
    Code::SecretDefault,
    Code::SecretType,
    Code::WrongBound,
    Code::WrongDefault,
];

/// Codes about the meaning of a name.
const USES: [Code; 18] = [
    Code::AlwaysTrue,
    Code::BlockTooShort,
    Code::ClaimWithoutLook,
    Code::InsideForEach,
    Code::ListInText,
    Code::LookInTemplate,
    Code::MaybeMissing,
    Code::NeverEqual,
    Code::NeverTrue,
    Code::NoResult,
    Code::NotACondition,
    Code::NotAList,
    Code::NotKnownYet,
    Code::SecretInArguments,
    Code::SecretShown,
    Code::UnknownPart,
    Code::WaitNeverHolds,
    Code::WrongInputType,
];

/// Which stage finds a problem.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Lowering,
    Checks,
}

/// What was reported, and what depends on it.
#[derive(Default)]
pub(super) struct Reported {
    /// The poisoned values with their keys.
    poisoned: Vec<Span>,
    doubtful: Vec<Span>,
    /// The names of units with problems: their meaning is not certain.
    uncertain: HashSet<String>,
    /// Keys and texts in what is poisoned: they may declare a name.
    declared: HashSet<String>,
    /// Words in what is poisoned, and names that errors are about or fixes offer: they may use a name.
    mentioned: HashSet<String>,
    /// The spans of values, with their keys, by their first bytes.
    values: Vec<Span>,
    /// The first faulty point of no return that every host passes: later steps need no rollback.
    no_return: Option<Span>,
}

/// A unit during the walk through a document.
struct Unit {
    span: Span,
    name: Option<String>,
    reported: bool,
    doubtful: bool,
}

/// What the parts of a node are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    /// `inputs`, `probes` or `let`.
    Named,
    /// A list of steps.
    Steps,
    Step,
    /// A probe, an input or a word, and whatever is deeper.
    Inside,
}

impl Reported {
    /// Collects the consequences of the errors found so far.
    pub(super) fn of(node: &Node, sources: &Sources, found: &Diagnostics) -> Self {
        let mut reported = Self::default();
        let sorted = found.sorted();
        let errors: Vec<&Diagnostic> =
            sorted.into_iter().filter(|one| one.severity == Severity::Error).collect();
        if errors.is_empty() {
            return reported;
        }
        for one in &errors {
            let edits = one.fixes.iter().flat_map(|fix| &fix.edits);
            let offered = edits.flat_map(|edit| words_of(&edit.text));
            for word in offered.chain(one.names.iter().map(String::as_str)) {
                reported.mentioned.insert(word.to_owned());
            }
        }
        let (units, certain) = (Vec::new(), true);
        let mut walk = Walk { sources, errors: &errors, reported: &mut reported, units, certain };
        walk.node(node, Place::Top, None, None);
        reported.values.sort_unstable();
        reported
    }

    /// Adds what lowering found: it poisons values, and makes no unit doubtful.
    pub(super) fn and(mut self, node: &Node, sources: &Sources, found: &Diagnostics) -> Self {
        let more = Self::of(node, sources, found);
        self.poisoned.extend(more.poisoned);
        self.uncertain.extend(more.uncertain);
        self.mentioned.extend(more.mentioned);
        self.no_return = self.no_return.into_iter().chain(more.no_return).min();
        if self.values.is_empty() {
            self.values = more.values;
        }
        self
    }

    /// Removes what only follows from earlier problems.
    pub(super) fn reduce(&self, stage: Stage, sources: &Sources, found: &mut Diagnostics) {
        found.retain(|one| !self.follows(stage, sources, one));
    }

    fn follows(&self, stage: Stage, sources: &Sources, one: &Diagnostic) -> bool {
        let Some(at) = one.primary.as_ref().map(|label| label.span) else {
            return false;
        };
        let others = one.secondary.iter().map(|label| label.span);
        let mut labels = others.chain([at]);
        let named = |names: &HashSet<String>| one.names.iter().any(|name| names.contains(name));
        if self.poisoned.iter().any(|poisoned| overlap(*poisoned, at)) {
            return true;
        }
        match one.code {
            Code::UnknownName => return named(&self.declared),
            Code::UnusedName | Code::UnusedInput
                if named(&self.mentioned) || named(&self.uncertain) =>
            {
                return true;
            }
            Code::NoWayBack if self.no_return.is_some_and(|point| point.start <= at.start) => {
                return true;
            }
            _ => {}
        }
        let together = stage == Stage::Checks || TOGETHER.contains(&one.code);
        let doubtful = |at: Span| self.doubtful.iter().any(|unit| within(at, *unit));
        together && labels.any(doubtful)
            || USES.contains(&one.code) && self.is_uncertain(at, sources)
    }

    /// Whether a value uses a name that is not certain.
    fn is_uncertain(&self, at: Span, sources: &Sources) -> bool {
        if self.uncertain.is_empty() {
            return false;
        }
        let behind = self.values.partition_point(|value| value.start <= at.start);
        let before = behind.checked_sub(1).and_then(|index| self.values.get(index));
        let whole = before.filter(|value| within(at, **value)).unwrap_or(&at);
        words_of(sources.slice(*whole)).any(|word| self.uncertain.contains(word))
    }
}

/// A walk through a document.
struct Walk<'a> {
    sources: &'a Sources,
    errors: &'a [&'a Diagnostic],
    reported: &'a mut Reported,
    units: Vec<Unit>,
    /// Whether every host runs it: not under a `when`, in a rescue, or in a rollback.
    certain: bool,
}

impl Walk<'_> {
    /// Walks through a node; the key is that of its unit.
    fn node(&mut self, node: &Node, place: Place, entry: Option<&Entry>, key: Option<&str>) {
        let whole = entry.map_or(node.span, around);
        let names = entry.is_some_and(|entry| ["id", "name"].contains(&entry.key.as_str()));
        if !names && !matches!(node.value, Value::Map(_) | Value::List(_)) {
            self.reported.values.push(whole);
        }
        let codes = entry.map(|entry| self.codes(entry.key_span)).unwrap_or_default();
        if codes.iter().any(|code| KEYS.contains(code)) {
            self.doubt();
        }
        if self.is_poisoned(node) || codes.iter().any(|code| !WHOLE.contains(code)) {
            self.poison(node, whole, entry);
            if key.is_none_or(|key| !PLAIN.contains(&key)) {
                self.doubt();
            }
            self.tell();
        }
        match &node.value {
            Value::Map(entries) => {
                let first = entries.first().map(|entry| self.codes(entry.key_span));
                let first = first.unwrap_or_default();
                if first.iter().any(|code| WHOLE.contains(code)) {
                    self.doubt();
                    self.tell();
                }
                for entry in entries {
                    self.entry(entry, place, key);
                }
            }
            Value::List(items) => {
                for item in items {
                    if place == Place::Steps {
                        let id = item.get("id").and_then(|id| id.lexeme(self.sources));
                        self.unit(item, item.span, id.map(str::to_owned), Place::Step, None);
                    } else {
                        self.node(item, Place::Inside, None, key);
                    }
                }
            }
            _ => {}
        }
    }

    fn entry(&mut self, entry: &Entry, place: Place, key: Option<&str>) {
        let node = &entry.value;
        let own = Some(entry.key.as_str());
        let certain = self.certain;
        if place == Place::Step {
            self.no_return(entry);
            self.certain &= !["rescue", "rollback"].contains(&entry.key.as_str());
        }
        match (place, entry.key.as_str()) {
            (Place::Top, "inputs" | "probes" | "let") => {
                self.node(node, Place::Named, Some(entry), None);
            }
            (Place::Top, "steps") | (Place::Step, "block" | "rescue") => {
                self.node(node, Place::Steps, Some(entry), own);
            }
            (Place::Named, name) => {
                let name = Some(name.to_owned());
                self.unit(node, around(entry), name, Place::Inside, Some(entry));
            }
            // The step around is doubtful, too, if its rollback is not a mapping.
            (Place::Step, "rollback") if !node.entries().is_empty() && !self.is_poisoned(node) => {
                self.unit(node, node.span, None, Place::Step, Some(entry));
            }
            (Place::Step, _) => self.node(node, Place::Inside, Some(entry), own),
            (Place::Inside, _) if key.is_none() && !self.units.is_empty() => {
                self.node(node, Place::Inside, Some(entry), own);
            }
            _ => self.node(node, Place::Inside, Some(entry), key),
        }
        self.certain = certain;
    }

    /// Notes a faulty point of no return: misspelt, or with a value of another form.
    fn no_return(&mut self, entry: &Entry) {
        let is_point = || nearest(&entry.key, std::iter::once(NO_RETURN)).is_some();
        let whole = around(entry);
        if self.certain && !self.inside(whole).is_empty() && is_point() {
            self.reported.no_return.get_or_insert(whole);
        }
    }

    fn unit(
        &mut self,
        node: &Node,
        span: Span,
        name: Option<String>,
        place: Place,
        entry: Option<&Entry>,
    ) {
        self.units.push(Unit { span, name, reported: false, doubtful: false });
        let certain = self.certain;
        self.certain &= place != Place::Step || node.get("when").is_none();
        self.node(node, place, entry, None);
        self.certain = certain;
        let Some(unit) = self.units.pop() else { return };
        if unit.doubtful {
            self.reported.doubtful.push(unit.span);
        }
        if unit.reported {
            self.reported.uncertain.extend(unit.name);
        }
    }

    /// Whether an error is about a node itself, not about a part of it.
    fn is_poisoned(&self, node: &Node) -> bool {
        let own = [Some(node.span), node.alias];
        if own.into_iter().flatten().any(|span| !self.codes(span).is_empty()) {
            return true;
        }
        // A text that ends at its comma breaks up the mapping around it.
        let mut keys = node.entries().iter().map(|entry| entry.key_span);
        if keys.any(|key| self.codes(key).contains(&Code::CommaInBraces)) {
            return true;
        }
        let inner: Vec<Span> = match &node.value {
            Value::Map(entries) => entries.iter().map(around).collect(),
            Value::List(items) => items.iter().map(|item| item.span).collect(),
            _ => Vec::new(),
        };
        self.inside(node.span).iter().any(|one| {
            let at = place(one);
            !inner.iter().any(|inner| within(at, *inner))
        })
    }

    /// Poisons a value with all its parts.
    fn poison(&mut self, node: &Node, whole: Span, entry: Option<&Entry>) {
        self.reported.poisoned.push(whole);
        let text = self.sources.slice(whole);
        self.reported.mentioned.extend(words_of(text).map(str::to_owned));
        if let Some(entry) = entry {
            self.declare(&entry.key);
        }
        self.declare_all(node);
    }

    /// Counts every name in a poisoned value as declared.
    fn declare_all(&mut self, node: &Node) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    self.declare(&entry.key);
                    self.declare_all(&entry.value);
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.declare_all(item)),
            Value::Text(text) => self.declare(&text.text),
            _ => {}
        }
    }

    fn declare(&mut self, text: &str) {
        if words_of(text).next() == Some(text) {
            self.reported.declared.insert(text.to_owned());
        } else if !text.contains(char::is_whitespace) {
            self.reported.declared.extend(words_of(text).map(str::to_owned));
            self.reported.declared.insert(text.replace('-', "_"));
        }
    }

    /// Makes the unit around doubtful.
    fn doubt(&mut self) {
        if let Some(unit) = self.units.last_mut() {
            unit.doubtful = true;
        }
    }

    fn tell(&mut self) {
        if let Some(unit) = self.units.last_mut() {
            unit.reported = true;
        }
    }

    /// Returns the codes of the errors that point at a span.
    fn codes(&self, span: Span) -> Vec<Code> {
        let all = self.inside(span).iter();
        let here = all.filter(|one| place(one) == Some(span));
        here.map(|one| one.code).collect()
    }

    /// Returns the errors that point into a span.
    fn inside(&self, span: Span) -> &[&Diagnostic] {
        let begin = |at: u32| {
            let before = |one: &&Diagnostic| {
                place(one).is_none_or(|place| (place.source, place.start) < (span.source, at))
            };
            self.errors.partition_point(before)
        };
        let (first, last) = (begin(span.start), begin(span.end.max(span.start + 1)));
        self.errors.get(first..last).unwrap_or_default()
    }
}

/// Where a diagnostic points.
fn place(one: &Diagnostic) -> Option<Span> {
    one.primary.as_ref().map(|label| label.span)
}

/// A key and its value; an alias for the value, not its target.
fn around(entry: &Entry) -> Span {
    entry.key_span.to(entry.value.alias.unwrap_or(entry.value.span))
}

fn within(inner: impl Into<Option<Span>>, outer: Span) -> bool {
    inner.into().is_some_and(|inner| {
        inner.source == outer.source && inner.start >= outer.start && inner.end <= outer.end
    })
}

/// Whether two spans meet; one without a length meets what it touches.
fn overlap(one: Span, other: Span) -> bool {
    let empty = one.start == one.end || other.start == other.end;
    one.source == other.source
        && (one.start < other.end && other.start < one.end
            || empty && one.start <= other.end && other.start <= one.end)
}

/// The words of a text that could be names.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|sign: char| !(sign.is_alphanumeric() || sign == '_'));
    words.filter(|word| !word.is_empty())
}
