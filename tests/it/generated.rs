//! Plans that are generated from the shapes: the check, the published schema and the lowering agree about
//! every key, also about those that no shipped plan uses.
//!
//! Half of the plans match the shapes, half have one change. A new key of the language is covered without a
//! change here.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use planrun::diagnostic::{Diagnostics, Severity, render};
use planrun::schema::kind::Kind;
use planrun::schema::{Field, Form, Record, Select, Shape, selects};
use planrun::source::Sources;
use planrun::{document, plan, schema};
use serde_json::{Map, Value, json};

use crate::support::{Chance, files, shown};

/// How many plans are made.
const PLANS: u64 = 10_000;
/// Deepest nesting of records: below it only what must be there is made.
const DEPTH: usize = 4;

/// What a schema cannot say: the decoder may tell these where the schema finds nothing wrong.
const BEYOND_SCHEMAS: &[&str] = &[
    "always-true",
    "asked-secret-use",
    "bad-pattern",
    "block-too-short",
    "circular-let",
    "claim-without-look",
    "command-too-long",
    "dangerous-rm",
    "duplicate-name",
    "expression-syntax",
    "group-not-host",
    "hidden-failure",
    "home-in-path",
    "input-differs",
    "inside-for-each",
    "let-too-deep",
    "list-in-text",
    "look-in-template",
    "maybe-missing",
    "misplaced-key",
    "missing-input",
    "missing-key",
    "missing-variable",
    "nested-for-each",
    "nested-too-deep",
    "never-equal",
    "never-true",
    "newer-version",
    "no-host-here",
    "no-hosts",
    "no-item",
    "no-result",
    "no-such-file",
    "no-template-here",
    "no-way-back",
    "not-a-condition",
    "not-a-list",
    "not-known-yet",
    "not-posix",
    "not-yet",
    "other-interpreter",
    "out-of-range",
    "parse-mismatch",
    "pointless-lock",
    "probe-changes",
    "question-in-uninterruptible",
    "reserved-name",
    "reversed-systemctl",
    "secret-default",
    "secret-file-use",
    "secret-in-arguments",
    "secret-in-other-value",
    "secret-on-command-line",
    "secret-shown",
    "secret-type",
    "shell-syntax-in-run",
    "sleep-in-run",
    "short-secret",
    "template-fails",
    "template-in-expression",
    "template-syntax",
    "template-too-large",
    "unbounded-uninterruptible",
    "uncertain-in-uninterruptible",
    "unchecked-handler",
    "unclosed-quote",
    "unknown-filter",
    "unknown-host",
    "unknown-input",
    "unknown-input-variable",
    "unknown-name",
    "unknown-part",
    "unknown-test",
    "unrepeatable-part",
    "unsure-effect",
    "unused-input",
    "unused-name",
    "useless-retry",
    "value-in-code",
    "value-in-quotes",
    "wait-looks-once",
    "wait-never-holds",
    "wrong-arguments",
    "wrong-bound",
    "wrong-default",
    "wrong-input",
    "wrong-input-type",
];

/// Texts of all forms: each form takes those that fit.
const TEXTS: [&str; 22] = [
    "a",
    "stop_mail",
    "obox-restart",
    "all",
    "web",
    "90s",
    "1h 30m",
    "15m",
    "a == 1",
    "true",
    "true and not false",
    "systemctl stop web",
    "/var/tmp",
    "0644",
    "root",
    "Some words",
    "two\nlines",
    "{{ host }}",
    "A_NAME",
    "1",
    "any",
    "*.yaml",
];

fn text(form: &Form, chance: &mut Chance) -> String {
    let examples = form.example.split(", ").map(str::to_owned);
    let all: Vec<String> = TEXTS
        .iter()
        .map(|&text| text.to_owned())
        .chain(examples)
        .filter(|text| form.fits(text))
        .collect();
    assert!(!all.is_empty(), "no text for {}: {:?}", form.name, form.pattern);
    chance.pick(&all).clone()
}

/// Makes a value of a shape.
fn value(shape: &Shape, depth: usize, chance: &mut Chance) -> Value {
    match shape {
        Shape::Any => chance.pick(&crate::schemas::values()).clone(),
        Shape::Text(form) => text(form, chance).into(),
        Shape::Choice(words) => (*chance.pick(words)).into(),
        Shape::Bool => chance.one_in(2).into(),
        Shape::Int(min) => (min + i64::try_from(chance.below(3)).unwrap()).into(),
        Shape::Scalar => chance.pick(&[json!("word"), json!(1), json!(1.5), json!(true)]).clone(),
        Shape::Null => Value::Null,
        Shape::Late(_) if chance.one_in(4) => "{{ host }}".into(),
        Shape::Late(inner) => value(inner, depth, chance),
        Shape::List(inner, min) => {
            let more = if depth < DEPTH { chance.below(3) } else { 0 };
            (0..min + more).map(|_| value(inner, depth + 1, chance)).collect()
        }
        Shape::Map(form, inner, min) => {
            let more = if depth < DEPTH { chance.below(3) } else { 0 };
            let mut map = Map::new();
            for _ in 0..20 {
                if map.len() < min + more {
                    map.insert(text(form, chance), value(inner, depth + 1, chance));
                }
            }
            map.into()
        }
        Shape::Record(id) => record(id.get(), depth, chance),
        Shape::OneOf(all) => one_of(all, depth, chance),
    }
}

/// Makes a value of one alternative: of one that its own kind or keys select.
fn one_of(all: &[Shape], depth: usize, chance: &mut Chance) -> Value {
    for _ in 0..20 {
        let shape = if depth < DEPTH {
            chance.pick(all)
        } else {
            all.iter().min_by_key(|shape| height(shape, 0)).unwrap()
        };
        let made = value(shape, depth, chance);
        let selected = selects(all).find(|(select, _)| is_selected(*select, &made));
        if selected.is_some_and(|(_, selected)| std::ptr::eq(selected, shape)) {
            return made;
        }
    }
    panic!("no value of an alternative is selected by its own kind");
}

fn is_selected(select: Select, value: &Value) -> bool {
    match select {
        Select::Text => value.is_string(),
        Select::Bool => value.is_boolean(),
        Select::Int => value.is_i64(),
        Select::List => value.is_array(),
        Select::Key(key) => value.get(key).is_some(),
        Select::Map => value.is_object(),
        Select::Scalar => !(value.is_object() || value.is_array() || value.is_null()),
        Select::Null => value.is_null(),
    }
}

/// Returns how deep the smallest value of a shape is nested.
fn height(shape: &Shape, depth: usize) -> usize {
    if depth > 2 * DEPTH {
        return depth;
    }
    match shape {
        Shape::Late(inner) => height(inner, depth),
        Shape::List(inner, min) | Shape::Map(_, inner, min) if *min > 0 => {
            1 + height(inner, depth + 1)
        }
        Shape::Record(id) => {
            let record = id.get();
            let needed = record.fields.iter().filter(|field| field.required);
            let needed = needed.map(|field| height(&field.shape, depth + 1)).max();
            let actions = record.fields.iter().filter(|field| record.one_of.contains(&field.name));
            let actions = actions.map(|field| height(&field.shape, depth + 1)).min();
            1 + needed.max(actions).unwrap_or(0)
        }
        Shape::OneOf(all) => all.iter().map(|shape| height(shape, depth)).min().unwrap_or(0),
        _ => 0,
    }
}

fn record(record: &Record, depth: usize, chance: &mut Chance) -> Value {
    let actions: Vec<&Field> =
        record.fields.iter().filter(|field| record.one_of.contains(&field.name)).collect();
    let action = if actions.is_empty() {
        None
    } else if depth < DEPTH {
        Some(*chance.pick(&actions))
    } else {
        actions.into_iter().min_by_key(|field| height(&field.shape, 0))
    };
    let mut map = Map::new();
    for field in &record.fields {
        let here = if record.one_of.contains(&field.name) {
            action.is_some_and(|action| action.name == field.name)
        } else {
            field.required || depth < DEPTH && chance.one_in(5)
        };
        if here {
            map.insert(field.name.to_owned(), value(&field.shape, depth + 1, chance));
        }
    }
    if let Some(rest) = &record.rest
        && chance.one_in(2)
    {
        map.insert("another_key".to_owned(), value(rest, depth + 1, chance));
    }
    map.into()
}

/// Returns all keys of all records of a plan.
static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut keys = BTreeSet::new();
    let mut open = vec![Kind::Plan.shape()];
    while let Some(shape) = open.pop() {
        match shape {
            Shape::Late(inner) | Shape::List(inner, _) | Shape::Map(_, inner, _) => {
                open.push(*inner);
            }
            Shape::OneOf(all) => open.extend(all),
            Shape::Record(id) => {
                for field in &id.get().fields {
                    if keys.insert((id.get().name, field.name)) {
                        open.push(field.shape.clone());
                    }
                }
            }
            _ => {}
        }
    }
    let mut keys: Vec<&str> = keys.into_iter().map(|(_, key)| key).collect();
    keys.extend(["tasks", "Key", "", "<<", "none"]);
    keys.sort_unstable();
    keys.dedup();
    keys
});

/// Changes one place of a document.
fn change(document: &mut Value, chance: &mut Chance) {
    let mut all = Vec::new();
    crate::schemas::places(document, "", &mut all);
    let path = chance.pick(&all).clone();
    let key = (*chance.pick(&KEYS)).to_owned();
    let with = chance.pick(&crate::schemas::values()).clone();
    let at = document.pointer_mut(&path).unwrap();
    match (chance.below(4), &mut *at) {
        (0, Value::Object(entries)) if !entries.is_empty() => {
            let keys: Vec<String> = entries.keys().cloned().collect();
            entries.shift_remove(chance.pick(&keys));
        }
        (1, Value::Object(entries)) if !entries.is_empty() => {
            let keys: Vec<String> = entries.keys().cloned().collect();
            let value = entries.shift_remove(chance.pick(&keys)).unwrap();
            entries.insert(key, value);
        }
        (2, Value::Object(entries)) => {
            entries.insert(key, with);
        }
        (2, Value::Array(items)) => items.push(with),
        _ => *at = with,
    }
}

/// Says where the three differ about a document; `None` where they do not.
fn difference(text: &str, document: Option<&Value>) -> Option<String> {
    let mut sources = Sources::default();
    let id = sources.add("plan.yaml", text);
    let mut found = Diagnostics::default();
    let node = document::parse(&sources, id, &mut found)?;
    let json = node.to_json();
    if document.is_some_and(|document| *document != json) {
        return Some("it is read as another document".to_owned());
    }
    schema::check(&node, &Kind::Plan.shape(), &mut found);
    let valid = crate::schemas::PLAN_VALIDATOR.is_valid(&json);
    let told = |found: &Diagnostics| render::human(found, &sources, false);
    if valid == found.has_errors() {
        let told = told(&found);
        return Some(format!("valid by the schema: {valid}\n{told}"));
    }
    let mut decoded = Diagnostics::default();
    let plan = plan::read(&sources, id, &mut decoded);
    if !valid {
        return plan.is_some().then(|| {
            let told = told(&decoded);
            format!("the schema refuses it, the decoder does not\n{told}")
        });
    }
    let errors = decoded.sorted().into_iter();
    let errors = errors.filter(|one| one.severity == Severity::Error);
    let unlisted: Vec<&str> =
        errors.map(|one| one.code.name()).filter(|code| !BEYOND_SCHEMAS.contains(code)).collect();
    (!unlisted.is_empty()).then(|| {
        let told = told(&decoded);
        format!("{unlisted:?} are not among what a schema cannot say\n{told}")
    })
}

#[test]
fn check_schema_and_decoder_agree_on_generated_plans() {
    let mut valid = 0;
    for number in 0..PLANS {
        let mut chance = Chance(number);
        let mut document = record(schema::record("plan"), 0, &mut chance);
        // The version is 1 in most: another one hides all other faults.
        if number % 16 != 0 {
            document["version"] = 1.into();
        }
        if number % 2 == 1 {
            change(&mut document, &mut chance);
        } else {
            assert!(crate::schemas::PLAN_VALIDATOR.is_valid(&document), "{document:#}");
            valid += 1;
        }
        // JSON is YAML.
        let text = document.to_string();
        if let Some(why) = difference(&text, Some(&document)) {
            panic!("plan {number}: {why}\n{document:#}");
        }
    }
    assert_eq!(valid, PLANS / 2);
}

#[test]
fn check_schema_and_decoder_agree_on_all_that_is_kept() {
    let mut count = 0;
    for path in files("tests/cases", ".yaml").into_iter().chain(files("plans", ".yaml")) {
        let name = shown(&path);
        // What stands in other folders is no plan.
        if name.starts_with("plans/") && name.matches('/').count() > 1 {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if let Some(why) = difference(&text, None) {
            panic!("{name}: {why}");
        }
        count += 1;
    }
    assert!(count > 40, "only {count} plans were tried");
}
