//! Inputs: their types, bounds and defaults.

use crate::diagnostic::{Code, Diagnostic, Edit};
use crate::document::{Entry, Node, Value};
use crate::duration;
use crate::plan::lower::{Lowering, is_sound};
use crate::plan::{Deferred, Input, InputKind, Pattern, value};
use crate::schema::one_of;

impl Lowering<'_> {
    pub(super) fn input(&mut self, entry: &Entry) -> Input {
        let node = &entry.value;
        let word = node.text("type").unwrap_or_default();
        let sensitive =
            matches!(node.get("sensitive").map(|node| &node.value), Some(Value::Bool(true)));
        let description = node.text("description").map(str::to_owned);
        let span = entry.key_span;
        if !is_sound(node) {
            // What its keys mean depends on those that could not be read.
            let kind = InputKind::String { pattern: None };
            let (default, optional, ask) = (None, true, false);
            return Input { kind, default, description, sensitive, optional, ask, span };
        }
        self.misplaced_in_input(node, word);
        let kind = self.kind(node, word);
        let default = match node.entry("default") {
            Some(entry) if sensitive && kind != InputKind::File => {
                self.secret_default(entry);
                None
            }
            Some(entry) => self.default(&entry.value, &kind),
            None => None,
        };
        if sensitive {
            self.secret_type(node, &kind);
        }
        let optional = self.optional(node, sensitive && kind != InputKind::File);
        let ask = self.ask(node, sensitive && matches!(kind, InputKind::String { .. }));
        Input { kind, default, description, sensitive, optional, ask, span }
    }

    /// Whether a secret may be missing. Another input has a default instead.
    fn optional(&mut self, node: &Node, is_secret: bool) -> bool {
        let Some(entry) = node.entry("optional") else { return false };
        if !is_secret {
            Diagnostic::error(Code::MisplacedKey, "`optional` is only allowed for a secret value")
                .at(entry.key_span, "this input can have a default")
                .help("remove it, and write `default: VALUE`")
                .emit(&mut self.found);
        }
        is_secret && matches!(entry.value.value, Value::Bool(true))
    }

    /// Whether a secret is typed when a step needs it.
    fn ask(&mut self, node: &Node, is_secret: bool) -> bool {
        let Some(entry) = node.entry("ask") else { return false };
        let wanted = matches!(entry.value.value, Value::Bool(true));
        let optional = node.entry("optional").filter(|one| one.value.to_json() == true);
        if !is_secret {
            Diagnostic::error(Code::MisplacedKey, "`ask` is only allowed for a secret string")
                .at(entry.key_span, "only secret strings are typed while a plan runs")
                .help("remove it, or write `type: string` and `sensitive: true`")
                .emit(&mut self.found);
        } else if let Some(optional) = optional.filter(|_| wanted) {
            Diagnostic::error(Code::MisplacedKey, "`ask` cannot be combined with `optional`")
                .at(entry.key_span, "a step that needs it always gets a value")
                .also(optional.key_span, "may be missing")
                .help("remove one of them")
                .emit(&mut self.found);
        }
        is_secret && wanted
    }

    fn secret_default(&mut self, entry: &Entry) {
        Diagnostic::error(Code::SecretDefault, "a secret cannot have a default")
            .at(entry.key_span, "everyone who reads the plan would see it")
            .help("remove it, and set the secret in the environment, a file or the inventory")
            .emit(&mut self.found);
    }

    fn secret_type(&mut self, node: &Node, kind: &InputKind) {
        let text = |kind: &InputKind| matches!(kind, InputKind::String { .. });
        let fits = match kind {
            InputKind::List { item, .. } => text(item),
            kind => text(kind) || *kind == InputKind::File,
        };
        if !fits && let Some(entry) = node.entry("sensitive") {
            let at = node.get("type").map_or(entry.key_span, |node| node.span);
            Diagnostic::error(
                Code::SecretType,
                "a secret must be a string, a list of strings or a file",
            )
            .at(at, "cannot be a secret")
            .also(entry.key_span, "declared as a secret")
            .help("use `type: string`, `type: file`, or `type: list` with `items: string`")
            .emit(&mut self.found);
        }
    }

    fn kind(&mut self, node: &Node, word: &str) -> InputKind {
        match word {
            "int" => {
                let (min, max) = self.bounds(node, "an integer", "1", |node| match node.value {
                    Value::Int(value) => Some(value),
                    _ => None,
                });
                InputKind::Int { min, max }
            }
            "duration" => {
                let read = |node: &Node| duration::parse(node.as_text()?);
                let (min, max) = self.bounds(node, "a duration", "10s", read);
                InputKind::Duration { min, max }
            }
            "bool" => InputKind::Bool,
            "path" => InputKind::Path,
            "file" => InputKind::File,
            "enum" => InputKind::Enum(self.choices(node)),
            "list" => {
                let count = |node: &Node| match node.value {
                    Value::Int(value) => usize::try_from(value).ok(),
                    _ => None,
                };
                let (min, max) = self.bounds(node, "a number of items", "1", count);
                InputKind::List { item: Box::new(self.item(node)), min, max }
            }
            _ => InputKind::String {
                pattern: node.get("pattern").and_then(|pattern| {
                    self.regex(pattern)?;
                    Pattern::new(pattern.as_text()?)
                }),
            },
        }
    }

    /// Returns the type of the items of a list; `min` and `max` limit their number.
    fn item(&mut self, node: &Node) -> InputKind {
        match items(node) {
            "int" => InputKind::Int { min: None, max: None },
            "duration" => InputKind::Duration { min: None, max: None },
            word => self.kind(node, word),
        }
    }

    /// Reads `min` and `max`, which are values of the input's type.
    fn bounds<T: PartialOrd>(
        &mut self,
        node: &Node,
        what: &str,
        example: &str,
        read: impl Fn(&Node) -> Option<T>,
    ) -> (Option<T>, Option<T>) {
        let mut bound = |key: &str| {
            let node = node.get(key)?;
            let bound = read(node);
            if bound.is_none() {
                Diagnostic::error(Code::WrongBound, format!("`{key}` must be {what}"))
                    .at(node.span, format!("not {what}"))
                    .help(format!("write {what}: `{key}: {example}`"))
                    .emit(&mut self.unreadable);
            }
            Some((bound?, node.span))
        };
        let (min, max) = (bound("min"), bound("max"));
        if let (Some((min, low)), Some((max, high))) = (&min, &max)
            && min > max
        {
            let (from, to) = (self.sources.slice(*low), self.sources.slice(*high));
            Diagnostic::error(Code::WrongBound, "`min` is greater than `max`")
                .at(*low, "the minimum")
                .also(*high, "the maximum")
                .fix_all("swap them", vec![Edit::new(*low, to), Edit::new(*high, from)])
                .emit(&mut self.unreadable);
        }
        (min.map(|(min, _)| min), max.map(|(max, _)| max))
    }

    fn choices(&mut self, node: &Node) -> Vec<String> {
        let Some(of) = node.get("of") else {
            let at = node.get("type").map_or(node.span, |node| node.span);
            Diagnostic::error(Code::MissingKey, "missing `of` in an `enum` input")
                .at(at, "requires a list of values")
                .help("add `of: [one, other]`")
                .emit(&mut self.unreadable);
            return Vec::new();
        };
        let items = of.items().iter();
        items.filter_map(Node::as_text).map(str::to_owned).collect()
    }

    fn misplaced_in_input(&mut self, node: &Node, word: &str) {
        let item = if word == "list" { items(node) } else { word };
        for (key, of, types) in [
            ("items", word, &["list"][..]),
            ("of", item, &["enum"]),
            ("pattern", item, &["string"]),
            ("min", word, &["int", "duration", "list"]),
            ("max", word, &["int", "duration", "list"]),
        ] {
            let Some(entry) = node.entry(key) else { continue };
            if !types.contains(&of) {
                let what = if of == word {
                    format!("an input of type `{word}`")
                } else {
                    format!("a list of items of type `{item}`")
                };
                Diagnostic::error(Code::MisplacedKey, format!("`{key}` is not allowed for {what}"))
                    .at(entry.key_span, format!("only allowed for {}", one_of(types)))
                    .help(if of == word {
                        format!("remove it, or use `type: {}`", types[0])
                    } else {
                        format!("remove it, or use `items: {}`", types[0])
                    })
                    .emit(&mut self.found);
            }
        }
    }

    fn default(&mut self, node: &Node, kind: &InputKind) -> Option<Deferred<serde_json::Value>> {
        let text = node.lexeme(self.sources).unwrap_or_default();
        let is_template = |node: &Node| node.as_text().is_some_and(|text| text.contains("{{"));
        if let Some(template) =
            std::iter::once(node).chain(node.items()).find(|node| is_template(node))
        {
            let fixed = matches!(kind, InputKind::Bool | InputKind::File | InputKind::List { .. });
            if fixed {
                Diagnostic::error(
                    Code::NoTemplateHere,
                    "templates are not allowed in this default",
                )
                .at(template.span, "a template")
                .help("write the value itself, or remove the default")
                .emit(&mut self.found);
                return None;
            }
            if node.items().is_empty() {
                return Some(Deferred::Template(self.template(node)));
            }
        }
        // The missing values of an enum have been reported.
        let no_words = InputKind::Enum(Vec::new());
        if *kind == no_words || matches!(kind, InputKind::List { item, .. } if **item == no_words) {
            return None;
        }
        match value::of_node(kind, node, self.sources) {
            Ok(value) => Some(Deferred::Now(value)),
            Err(unfit) => {
                let message = match text {
                    "" => format!("invalid default: {}", unfit.why),
                    text => format!("invalid default `{text}`: {}", unfit.why),
                };
                let fault =
                    Diagnostic::error(Code::WrongDefault, message).at(node.span, "invalid value");
                self.found.push(unfit.advise(fault, node.span));
                None
            }
        }
    }
}

/// Returns the name of the type of a list's items.
fn items(node: &Node) -> &str {
    node.text("items").unwrap_or("string")
}
