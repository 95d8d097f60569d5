//! Recognises whole files of other tools, and files of planrun in the wrong place.
//!
//! A playbook given as a plan would cause an error on every line. Here it causes one: what the file is
//! and, for playbooks and workflows, how the equivalent plan starts, with their own names and
//! commands. A file that looks like a plan (`version` and `steps` or `hosts`) is always read as one.

use std::sync::LazyLock;

use crate::document::{Entry, Node, Value};
use crate::schema::foreign::{Tool, find};
use crate::schema::record;
use crate::source::Span;
use crate::table::rows;

/// Steps that a sketch shows.
const SHOWN: usize = 3;
/// Maximum number of items of a list, or parts of a file, that are checked.
const MAX_ITEMS: usize = 100;
/// The longest command that is shown.
const MAX_TEXT: usize = 70;
/// The help for files of tools for which no plan is sketched.
const START: &str = "create a plan to start from: `planrun new NAME`";

/// The file that was given instead of a plan.
#[derive(Debug)]
pub struct Recognised {
    /// With its article: `an Ansible playbook`.
    pub what: &'static str,
    /// The key that identifies it.
    pub at: Span,
    /// The start of the equivalent plan, if one is sketched.
    pub plan: Option<String>,
    /// The help if none is sketched.
    pub help: &'static str,
}

/// How files of a tool are recognised: a row of `files.tsv`.
struct Form {
    what: &'static str,
    list: bool,
    keys: Vec<&'static str>,
    begins: &'static str,
    part_keys: Vec<&'static str>,
    steps: &'static str,
}

pub const TABLE: &str = include_str!("files.tsv");

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| rows(TABLE).map(Form::row).collect());

impl Form {
    fn row([what, root, keys, begins, part_keys, steps]: [&'static str; 6]) -> Self {
        let words = |cell: &'static str| cell.split_whitespace().collect();
        let (keys, part_keys) = (words(keys), words(part_keys));
        Self { what, list: root == "list", keys, begins, part_keys, steps }
    }

    fn of(&self, node: &Node) -> Option<Recognised> {
        let entry = self.keys.iter().find_map(|key| node.entry(key))?;
        let begins = entry.value.as_text().is_some_and(|text| text.starts_with(self.begins));
        (begins || self.begins.is_empty()).then_some(())?;
        let values = entry.value.entries().iter().map(|entry| &entry.value);
        let parts: Vec<&Node> = entry.value.items().iter().chain(values).take(MAX_ITEMS).collect();
        let part = parts.iter().find_map(|part| key(part, &self.part_keys));
        (part.is_some() || self.part_keys.is_empty()).then_some(())?;
        // A key that plans have too does not identify a file.
        let at =
            part.filter(|_| record("plan").field(&entry.key).is_some()).unwrap_or(entry.key_span);
        let plan = (!self.steps.is_empty()).then(|| {
            let mut sketch = sketch(node);
            let inner = parts.iter().find_map(|part| part.get(self.steps));
            sketch.steps = steps(inner.map(Node::items).unwrap_or_default().iter());
            sketch.text()
        });
        Some(Recognised { what: self.what, at, plan, help: START })
    }
}

fn of_forms(node: &Node, list: bool) -> Option<Recognised> {
    FORMS.iter().filter(|form| form.list == list).find_map(|form| form.of(node))
}

#[derive(Default)]
struct Sketch {
    name: String,
    hosts: String,
    inputs: Vec<String>,
    steps: Vec<Vec<String>>,
}

/// Recognises a document that was given as a plan; `None` if it may be one.
pub fn recognise(node: &Node) -> Option<Recognised> {
    match &node.value {
        Value::List(items) => of_list(items),
        Value::Map(entries) => {
            let has = |key| node.get(key).is_some();
            let is_plan = has("version") && (has("steps") || has("hosts"));
            (!is_plan).then(|| of_map(node, entries)).flatten()
        }
        _ => None,
    }
}

fn of_list(items: &[Node]) -> Option<Recognised> {
    let first = items.iter().find(|item| !item.entries().is_empty())?;
    if let Some(found) = of_forms(first, true) {
        return Some(found);
    }
    if let Some(found) = play(first) {
        return Some(found);
    }
    let at = items.iter().take(MAX_ITEMS).find_map(of_task)?.key_span;
    let steps = steps(items.iter());
    let sketch = Sketch { steps, ..Sketch::default() };
    Some(sketched("a list of Ansible tasks", at, &sketch))
}

/// Returns the entry that identifies a task of Ansible: a keyword of Ansible, a module with arguments
/// like `name=value`, or any module with a mapping next to a `name`.
fn of_task(item: &Node) -> Option<&Entry> {
    let step = record("step");
    let mut unknown = item.entries().iter().filter(|entry| step.field(&entry.key).is_none());
    let named =
        item.get("name").is_some() && !step.one_of.iter().any(|key| item.get(key).is_some());
    unknown.find(|entry| {
        let word = find(step, &entry.key);
        let arguments = entry.value.as_text().is_some_and(|text| {
            let (name, value) = text.split_once('=').unwrap_or_default();
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            !name.is_empty() && name.chars().all(is_name) && !value.starts_with([' ', '='])
        });
        word.is_some_and(|word| word.tools.contains(&Tool::Ansible))
            || word.is_none() && (arguments || named && !entry.value.entries().is_empty())
    })
}

fn play(node: &Node) -> Option<Recognised> {
    let parts = ["tasks", "roles", "pre_tasks", "post_tasks", "handlers", "gather_facts"];
    let at = key(node, &["hosts"])?;
    key(node, &parts)?;
    let mut sketch = sketch(node);
    let tasks = ["pre_tasks", "tasks", "post_tasks"];
    let tasks = tasks.iter().filter_map(|key| node.get(key));
    let tasks: Vec<Node> = tasks.flat_map(Node::items).cloned().collect();
    sketch.steps = steps(tasks.iter());
    sketch.inputs = names(node.get("vars"));
    sketch.hosts = short(node.get("hosts")).unwrap_or_default();
    Some(sketched("an Ansible playbook", at, &sketch))
}

fn of_map(node: &Node, entries: &[Entry]) -> Option<Recognised> {
    let found = play(node).or_else(|| of_forms(node, false));
    found.or_else(|| of_planrun(node, entries)).or_else(|| states(entries))
}

fn of_planrun(node: &Node, entries: &[Entry]) -> Option<Recognised> {
    let own = |what, at, help| Recognised { what, at, plan: None, help };
    if let Some(at) = key(node, &["model"]) {
        let say = "set `planrun_model: FILE` in an inventory, and pass that with `-i`";
        return Some(own("a model", at, say));
    }
    if let (Some(at), Some(_)) = (key(node, &["tests"]), key(node, &["plan"])) {
        let say = "pass the plan that it names under `plan`";
        return Some(own("a file of scenarios", at, say));
    }
    if let Some(hosts) = node.entry("hosts").filter(|hosts| !hosts.value.entries().is_empty()) {
        let say =
            "put `hosts` in a group: `all: {hosts: ...}`; then `planrun validate PLAN -i FILE`";
        return Some(own("an inventory", hosts.key_span, say));
    }
    let group = entries.iter().find(|entry| {
        let part = |key| entry.value.get(key).is_some_and(|one| !one.entries().is_empty());
        part("hosts") || part("children")
    })?;
    let say = "pass it with a plan: `planrun validate PLAN -i FILE`";
    Some(own("an inventory", group.key_span, say))
}

/// Recognises states of Salt: `nginx: {service.running: [...]}`.
fn states(entries: &[Entry]) -> Option<Recognised> {
    let is_function = |key: &str| {
        let parts: Vec<&str> = key.split('.').collect();
        let word = |part: &&str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        parts.len() == 2 && parts.iter().all(word)
    };
    let of_state = |state: &Entry| {
        let mut keys = state.value.entries().iter();
        keys.find(|entry| is_function(&entry.key)).cloned()
    };
    let at = entries.iter().find_map(of_state)?.key_span;
    Some(Recognised { what: "a Salt state file", at, plan: None, help: START })
}

fn sketched(what: &'static str, at: Span, sketch: &Sketch) -> Recognised {
    Recognised { what, at, plan: Some(sketch.text()), help: START }
}

impl Sketch {
    fn text(&self) -> String {
        let or = |text: &str, other: &str| match text {
            "" => other.to_owned(),
            text => text.to_owned(),
        };
        let mut lines = vec![
            "version: 1".to_owned(),
            format!("name: {}", or(&self.name, "my-plan")),
            format!("hosts: {}", or(&self.hosts, "GROUP")),
        ];
        if !self.inputs.is_empty() {
            lines.push("inputs:".to_owned());
            let inputs = self.inputs.iter().take(SHOWN);
            lines.extend(inputs.map(|name| format!("  {name}: {{type: string}}")));
        }
        lines.push("steps:".to_owned());
        let first = vec![vec!["name: What it does".to_owned(), "run: ...".to_owned()]];
        let steps = if self.steps.is_empty() { &first } else { &self.steps };
        for step in steps {
            for (number, line) in step.iter().enumerate() {
                let lead = if number == 0 { "  - " } else { "    " };
                lines.push(format!("{lead}{line}"));
            }
            if step.iter().any(|line| line.starts_with("run: ")) {
                lines.push("    done_when: ...".to_owned());
                lines.push("    rollback: {none: ...}".to_owned());
            }
        }
        lines.join("\n")
    }
}

fn sketch(node: &Node) -> Sketch {
    let name = short(node.get("name")).unwrap_or_default();
    let name: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let parts = name.split('-').filter(|part| !part.is_empty());
    let name = parts.take(4).collect::<Vec<_>>().join("-");
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    Sketch { name: if begins { name } else { String::new() }, ..Sketch::default() }
}

fn steps<'a>(items: impl Iterator<Item = &'a Node>) -> Vec<Vec<String>> {
    let steps = items.filter(|item| !item.entries().is_empty());
    let step = |item: &Node| {
        let name = short(item.get("name")).map(|name| format!("name: {name}"));
        name.into_iter().chain([action(item)]).collect()
    };
    steps.take(SHOWN).map(step).collect()
}

/// Returns the action of a foreign step in planrun's language.
fn action(item: &Node) -> String {
    let step = record("step");
    let line = |entry: &Entry| {
        let module = entry.key.rsplit('.').next()?;
        if ["run", "shell", "command"].contains(&module)
            && let Some(line) = entry.value.as_text()
        {
            return Some(command(line));
        }
        let line = find(step, &entry.key)?.carry.line(&entry.value)?;
        step.one_of.contains(&line.split(':').next()?).then_some(line)
    };
    item.entries().iter().find_map(line).unwrap_or_else(|| "run: ...".to_owned())
}

/// Writes a command as `run`, or as `shell` if it needs one.
fn command(line: &str) -> String {
    let text = line.trim();
    let lines = text.lines().count();
    let shell = lines > 1 || text.contains(['|', '&', ';', '<', '>', '$', '*', '`', '~']);
    let key = if shell { "shell" } else { "run" };
    let first = text.lines().next().unwrap_or_default();
    let calm = !first.contains(": ") && !first.contains(" #");
    let plain = calm && first.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    if lines > 1 || first.chars().count() > MAX_TEXT || !plain {
        return format!("{key}: ...");
    }
    format!("{key}: {first}")
}

/// Returns the first of these keys that a mapping has.
fn key(node: &Node, keys: &[&str]) -> Option<Span> {
    let entry = keys.iter().find_map(|key| node.entry(key))?;
    Some(entry.key_span)
}

/// Returns the keys of a mapping that are valid names of inputs.
fn names(node: Option<&Node>) -> Vec<String> {
    let entries = node.map(Node::entries).unwrap_or_default();
    let keys = entries.iter().map(|entry| entry.key.clone());
    let name = |key: &String| {
        key.starts_with(|c: char| c.is_ascii_lowercase())
            && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    keys.filter(name).collect()
}

/// Returns a short text of one line that needs no quotes.
fn short(node: Option<&Node>) -> Option<String> {
    let text = node?.as_text()?.trim();
    let calm = !text.contains(": ") && !text.contains(" #") && !text.contains(['\n', '{', '"']);
    let begins = text.starts_with(|c: char| c.is_alphanumeric() || c == '/');
    (calm && begins && text.chars().count() <= MAX_TEXT).then(|| text.to_owned())
}
