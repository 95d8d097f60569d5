//! What is done with a text of any kind, by the fuzz targets and by the tests that replay them.
//!
//! Each entry goes the way that a command goes with a text, and then on as far as the text allows:
//! what was read is used, what is wrong is rendered. An entry panics where a promise is broken: a
//! place that is outside of its text, a stage that gives nothing and says nothing.

use std::path::Path;
use std::rc::Rc;

use planrun::diagnostic::Diagnostics;
use planrun::diagnostic::Severity;
use planrun::diagnostic::render;
use planrun::document;
use planrun::inventory::Inventory;
use planrun::inventory::pattern;
use planrun::inventory::read;
use planrun::model::Model;
use planrun::output;
use planrun::output::{Data, Format, Reading, Type};
use planrun::plan;
use planrun::resolve;
use planrun::resolve::Inputs;
use planrun::schema;
use planrun::schema::kind::Kind;
use planrun::source::Sources;
use planrun::source::Span;
use planrun::template;
use planrun::template::Mode;
use planrun::template::Names;
use planrun::template::Template;
use planrun::template::condition::Evaluator;
use planrun::template::condition::Meaning;
use planrun::template::condition::Scope;
use planrun::template::condition::Stop;
use planrun::template::expression::Expression;
use serde_json::json;

/// A text that divides two in one input: a file of the corpus can hold a plan and an inventory.
const BETWEEN: &str = "\n=====\n";

/// Reads a plan, and brings it together with an inventory; behind `=====` a file of inputs.
pub(crate) fn plan(text: &str) {
    let (text, inputs) = text.split_once(BETWEEN).unwrap_or((text, ""));
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add("plan.yaml", text);
    let plan = plan::read(&sources, id, &mut found);
    told(plan.is_some(), &found, &sources);
    let Some(plan) = plan else { return };
    let mut found = Diagnostics::default();
    let id = sources.add("inputs.yaml", inputs);
    let file = document::parse(&sources, id, &mut found).map(|node| (id, node));
    let given =
        Inputs { file: file.filter(|(_, node)| !node.entries().is_empty()), ..Inputs::default() };
    let hosts = hosts(&mut sources);
    let resolved = resolve::resolve(plan, hosts, &given, &mut sources, &mut found);
    told(resolved.is_some(), &found, &sources);
    if let Some(resolved) = resolved {
        for host in &resolved.hosts {
            let _names = resolve::names(&resolved, host);
        }
    }
}

/// Reads an inventory; the first byte selects the format, and a pattern follows `=====`.
pub(crate) fn inventory(text: &str) {
    let name = match text.bytes().next() {
        Some(b'#') => "hosts.ini",
        Some(b'{') => "hosts.json",
        Some(b'-' | b'a') => "hosts.yaml",
        _ => "hosts",
    };
    let (text, hosts) = text.split_once(BETWEEN).unwrap_or((text, "all:!web[0]"));
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let inventory = read::text(Path::new(name), text, &mut sources, &mut found);
    told(inventory.is_some(), &found, &sources);
    if let Some(inventory) = inventory
        && let Ok(chosen) = pattern::resolve(hosts, &inventory)
    {
        assert!(chosen.iter().all(|host| inventory.host(host).is_some()));
    }
}

/// Reads a model.
pub(crate) fn model(text: &str) {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add("model.yaml", text);
    let node = document::parse(&sources, id, &mut found);
    if let Some(node) = &node {
        schema::check(node, &Kind::Model.shape(), &mut found);
        if !found.has_errors() {
            let model = Model::lower(node, &sources, &mut found);
            told(model.is_some(), &found, &sources);
            return;
        }
    }
    told(false, &found, &sources);
}

/// Takes a text as a template, an expression, a command line and an output.
pub(crate) fn template(text: &str) {
    words(text);
    outputs(text);
}

/// Takes a text as a template, an expression and a command line.
pub(crate) fn words(text: &str) {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    // Unchanged, and as one scalar.
    for yaml in [format!("text: {text}"), format!("text: {quoted}"), format!("text: |\n  {text}")] {
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let id = sources.add("text.yaml", yaml);
        let Some(node) = document::parse(&sources, id, &mut found) else {
            told(false, &found, &sources);
            continue;
        };
        let Some(node) = node.get("text") else {
            continue;
        };
        let template = Template::parse(node, &sources, &mut found);
        for name in &template.names {
            in_text(name.span, &sources);
        }
        if !found.has_errors() {
            for mode in [Mode::Text, Mode::Word, Mode::Script] {
                let _rendered = template.render(mode, &names());
            }
        }
        let mut found = Diagnostics::default();
        if let Some(expression) = Expression::parse(node, &sources, &mut found) {
            evaluate(&expression);
        }
        told(true, &found, &sources);
    }
    let (words, faults) = template::words::split(text);
    for range in words.iter().map(|word| &word.range) {
        assert!(text.get(range.clone()).is_some(), "a word is outside of its line");
    }
    assert!(faults.len() <= text.len());
}

/// Reads a text as the output of a command, in every form.
pub(crate) fn outputs(text: &str) {
    let types = || {
        [("n".to_owned(), Type::Int), ("b".to_owned(), Type::Bool), ("f".to_owned(), Type::Float)]
            .into()
    };
    let regex = r"(?P<n>\d+)\s+(?P<word>\w+)?".to_owned();
    let formats = [
        Format::Pairs,
        Format::Json,
        Format::JsonLines,
        Format::Yaml,
        Format::Tsv,
        Format::Csv,
        Format::Regex(regex),
        Format::Regex(text.to_owned()),
    ];
    let data = formats.into_iter().flat_map(|format| {
        [(None, None), (Some("n"), None), (None, Some("a.n"))].map(|(key, at)| {
            let (key, at) = (key.map(str::to_owned), at.map(str::to_owned));
            Reading::Data(Data { format: format.clone(), at, key, types: types() })
        })
    });
    let others = [
        Reading::Whole,
        Reading::Discard,
        Reading::Text,
        Reading::Int,
        Reading::Size,
        Reading::Lines,
    ];
    for reading in others.into_iter().chain(data) {
        let read = output::read(&reading, 0, text.as_bytes(), text.len() as u64, b"");
        if let Err(why) = read {
            assert!(!why.is_empty());
        }
    }
}

/// Evaluates an expression in a small world; of looks there are few, as in a run.
fn evaluate(expression: &Expression) {
    let world = World;
    let evaluator = Evaluator::new(&world);
    let _truth = evaluator.truth(expression);
    let _value = evaluator.value(expression);
    for (part, value) in evaluator.into_seen() {
        assert!(!part.is_empty() || value.len() < 1_000);
    }
}

struct World;

impl Scope for World {
    fn meaning(&self, name: &str) -> Result<Meaning, Stop> {
        if let Some(value) = names().get(name) {
            return Ok(Meaning::Value(value.clone()));
        }
        let expression = |text: &str| match Expression::parse_text(text) {
            Ok(expression) => Ok(Rc::new(expression)),
            Err(_) => Err(Stop::CannotTell("no such word".to_owned())),
        };
        let word = |text: &str| expression(text).map(Meaning::Word);
        match name {
            "serving" => word("state == \"active\""),
            "doubled" => word("text ~ text ~ number ~ list"),
            "endless" => word("endless + endless"),
            "idle" => Ok(Meaning::Rows {
                from: expression("ring")?,
                filter: expression("row.users == 0")?,
            }),
            "unseen" => Err(Stop::Look(name.to_owned())),
            _ => Err(Stop::CannotTell("there is no such name".to_owned())),
        }
    }
}

fn names() -> Names {
    let value = |value: serde_json::Value| planrun_value(&value);
    let mut names = Names::default();
    names.insert("text".into(), value(json!("some text")));
    names.insert("empty".into(), value(json!("")));
    names.insert("number".into(), value(json!(7)));
    names.insert("real".into(), value(json!(-0.5)));
    names.insert("yes".into(), value(json!(true)));
    names.insert("nothing".into(), value(json!(null)));
    names.insert("list".into(), value(json!([1, "two", [3], null])));
    names.insert("state".into(), value(json!("active")));
    names.insert(
        "ring".into(),
        value(json!({"a": {"key": "a", "users": 5}, "b": {"key": "b", "users": 0}})),
    );
    names.insert(
        "host".into(),
        planrun::template::parts_value(vec![
            ("name", "web1".into()),
            ("address", "127.0.0.1".into()),
        ]),
    );
    names
}

fn planrun_value(value: &serde_json::Value) -> minijinja::Value {
    minijinja::Value::from(minijinja::value::Serde(value))
}

/// Reads the inventory that plans are brought together with.
fn hosts(sources: &mut Sources) -> Inventory {
    let text = "all:\n  vars: {port: 80, unit: web}\n  children:\n    web: {hosts: {web1: {}, web2: {}}}\n    \
                backends: {hosts: {backend1: {ansible_host: 127.0.0.1, test_user: t}}}\n    \
                directors: {hosts: {director1: {}, director2: {}}}\n";
    let mut found = Diagnostics::default();
    read::text(Path::new("hosts.yaml"), text, sources, &mut found).unwrap_or_default()
}

/// Checks the diagnostics against the promises of every stage, and renders them.
fn told(given: bool, found: &Diagnostics, sources: &Sources) {
    assert!(given || found.has_errors(), "no result, and no error");
    for one in found.sorted() {
        assert!(!one.message.is_empty());
        assert!(matches!(one.severity, Severity::Error | Severity::Warning | Severity::Note));
        for label in one.primary.iter().chain(&one.secondary) {
            in_text(label.span, sources);
        }
    }
    for colour in [false, true] {
        let rendered = render::human(found, sources, colour);
        assert!(rendered.is_empty() == found.is_empty());
    }
}

/// Checks that a location is inside its text, and between two characters.
fn in_text(span: Span, sources: &Sources) {
    let text = sources.get(span.source).text();
    assert!(
        text.get(span.range()).is_some(),
        "the place {span:?} is outside of its text of {} bytes, or within a character",
        text.len()
    );
    let (line, column) = sources.get(span.source).line_column(span.range().start);
    assert!(line > 0 && column > 0);
}
