//! Whole files of other tools, and files of planrun at the wrong place.
//!
//! A playbook given as a plan would give a fault a line. Here it gives one: what it is, and how the
//! same begins as a plan, made of its own names and commands. What looks like a plan (it has
//! `version` and `steps` or `hosts`) is never taken for something else.

use crate::document::Entry;
use crate::document::Node;
use crate::document::Value;
use crate::schema::foreign::Tool;
use crate::schema::foreign::find;
use crate::schema::foreign::values;
use crate::schema::plan::ACTIONS;
use crate::schema::plan::STEP;
use crate::source::Span;

/// Steps that the beginning of a plan shows.
const SHOWN: usize = 3;
/// Most items of a list, or parts of a file, that are looked at.
const MAX_ITEMS: usize = 100;
/// The longest command that is shown.
const MAX_TEXT: usize = 70;

/// What a file is instead of a plan.
#[derive(Debug)]
pub struct Recognised {
    /// With its article: `an Ansible playbook`.
    pub what: &'static str,
    /// The key that gives it away.
    pub at: Span,
    /// How the same begins as a plan; `None` for files of planrun.
    pub plan: Option<String>,
    /// What to do with a file of planrun.
    pub say: &'static str,
}

/// How files of a tool are made, and where their steps are.
struct FileForm {
    what: &'static str,
    /// It has one of these keys.
    keys: &'static [&'static str],
    /// The value of that key begins so.
    begins: &'static str,
    /// The key of its parts: a list, or a mapping by their names.
    parts: &'static str,
    /// One of its parts has one of these keys; any file will do where there are none.
    part_keys: &'static [&'static str],
    /// The key of the steps in a part; the parts are the steps where it is empty.
    steps: &'static str,
    /// The key of its inputs.
    inputs: &'static str,
}

/// A form about which nothing is said.
const FORM: FileForm = FileForm {
    what: "",
    keys: &[],
    begins: "",
    parts: "",
    part_keys: &[],
    steps: "",
    inputs: "parameters",
};

/// Files whose top level is a mapping; the first that fits counts.
static FORMS: &[FileForm] = &[
    FileForm {
        what: "a GitHub workflow",
        keys: &["jobs"],
        parts: "jobs",
        part_keys: &["steps", "runs-on", "uses", "needs", "script"],
        steps: "steps",
        ..FORM
    },
    FileForm {
        what: "an AWS SSM document",
        keys: &["schemaVersion", "mainSteps"],
        parts: "mainSteps",
        ..FORM
    },
    FileForm {
        what: "a plan of Puppet Bolt",
        keys: &["steps"],
        parts: "steps",
        part_keys: &["targets", "target", "task", "plan", "resources", "eval", "message"],
        ..FORM
    },
    FileForm {
        what: "a workflow of Dagu",
        keys: &["steps"],
        parts: "steps",
        part_keys: &["depends", "executor", "continueOn", "repeatPolicy"],
        ..FORM
    },
    FileForm { what: "an Argo workflow", keys: &["apiVersion"], begins: "argoproj.io/", ..FORM },
    FileForm { what: "a Kubernetes object", keys: &["apiVersion"], ..FORM },
    FileForm {
        what: "a workflow of StackStorm (Orquesta)",
        keys: &["tasks"],
        parts: "tasks",
        part_keys: &["action", "next"],
        ..FORM
    },
    FileForm {
        what: "a playbook of Spot",
        keys: &["tasks"],
        parts: "tasks",
        part_keys: &["commands"],
        steps: "commands",
        ..FORM
    },
    FileForm {
        what: "a Taskfile",
        keys: &["tasks"],
        parts: "tasks",
        part_keys: &["cmds", "cmd"],
        ..FORM
    },
];

impl FileForm {
    /// Recognises a file of this form.
    fn of(&self, node: &Node) -> Option<Recognised> {
        let entry = self.keys.iter().find_map(|key| node.entry(key))?;
        let begins = entry.value.as_text().is_some_and(|text| text.starts_with(self.begins));
        (begins || self.begins.is_empty()).then_some(())?;
        let all = node.get(self.parts);
        let items = all.map(Node::items).unwrap_or_default().iter();
        let values = all.map(Node::entries).unwrap_or_default().iter().map(|entry| &entry.value);
        let parts: Vec<&Node> = items.chain(values).take(MAX_ITEMS).collect();
        let shown = parts.iter().find_map(|part| key(part, self.part_keys));
        (shown.is_some() || self.part_keys.is_empty()).then_some(())?;
        let mut sketch = sketch(node);
        sketch.inputs = names(node.get(self.inputs));
        let within = parts.iter().find_map(|part| part.get(self.steps));
        sketch.steps = match within {
            Some(inner) => steps(inner.items().iter()),
            None if self.steps.is_empty() => steps(parts.into_iter()),
            None => Vec::new(),
        };
        Some(foreign(
            self.what,
            shown.filter(|_| self.keys == ["steps"]).unwrap_or(entry.key_span),
            &sketch,
        ))
    }
}

/// The steps of a plan that has yet to be written.
#[derive(Default)]
struct Sketch {
    name: String,
    hosts: String,
    inputs: Vec<String>,
    steps: Vec<Vec<String>>,
}

/// Recognises what a document is that was given as a plan; `None` where it may be one.
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
    if let Some(at) = key(first, &["sequence"]) {
        let mut sketch = sketch(first);
        let commands = first.get("sequence").and_then(|all| all.get("commands"));
        sketch.steps = steps(commands.map(Node::items).unwrap_or_default().iter());
        sketch.inputs = names(first.get("options"));
        return Some(foreign("a Rundeck job", at, &sketch));
    }
    if let Some(at) = key(first, &["import_playbook", "ansible.builtin.import_playbook"]) {
        return Some(foreign("an Ansible playbook", at, &Sketch::default()));
    }
    if let Some(found) = play(first) {
        return Some(found);
    }
    let at = items.iter().take(MAX_ITEMS).find_map(of_task)?.key_span;
    let steps = steps(items.iter());
    let sketch = Sketch { steps, ..Sketch::default() };
    Some(foreign("a list of Ansible tasks", at, &sketch))
}

/// Returns what shows a task of Ansible: a word of Ansible, a module with its arguments as
/// `name=value`, or beside a `name` any module with a mapping.
fn of_task(item: &Node) -> Option<&Entry> {
    let mut unknown = item.entries().iter().filter(|entry| STEP.field(&entry.key).is_none());
    let named = item.get("name").is_some() && !ACTIONS.iter().any(|key| item.get(key).is_some());
    unknown.find(|entry| {
        let word = find(&STEP, &entry.key);
        let arguments = entry.value.as_text().is_some_and(|text| {
            let (name, value) = text.split_once('=').unwrap_or_default();
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            !name.is_empty() && name.chars().all(is_name) && !value.starts_with([' ', '='])
        });
        word.is_some_and(|word| word.tools.contains(&Tool::Ansible))
            || word.is_none() && (arguments || named && !entry.value.entries().is_empty())
    })
}

/// Recognises a play of Ansible.
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
    Some(foreign("an Ansible playbook", at, &sketch))
}

fn of_map(node: &Node, entries: &[Entry]) -> Option<Recognised> {
    if let Some(found) = play(node) {
        return Some(found);
    }
    if let Some(found) = FORMS.iter().find_map(|form| form.of(node)) {
        return Some(found);
    }
    if let Some(at) = key(node, &["runcmd", "bootcmd", "write_files"]) {
        let mut sketch = Sketch::default();
        let commands = node.get("runcmd").or_else(|| node.get("bootcmd"));
        let commands = commands.map(Node::items).unwrap_or_default();
        let lines = commands.iter().filter_map(Node::as_text);
        sketch.steps = lines.take(SHOWN).map(|line| vec![command(line)]).collect();
        return Some(foreign("a cloud-config of cloud-init", at, &sketch));
    }
    of_planrun(node, entries).or_else(|| states(entries))
}

/// Recognises other files of planrun.
fn of_planrun(node: &Node, entries: &[Entry]) -> Option<Recognised> {
    let own = |what, at, say| Recognised { what, at, plan: None, say };
    if let Some(at) = key(node, &["model"]) {
        let say = "name it in an inventory: `planrun_model: FILE`, and give that with `-i`";
        return Some(own("a model", at, say));
    }
    if let (Some(at), Some(_)) = (key(node, &["tests"]), key(node, &["plan"])) {
        let say = "it holds the scenarios of a plan: give the plan that it names";
        return Some(own("a file of scenarios", at, say));
    }
    if let Some(hosts) = node.entry("hosts").filter(|hosts| !hosts.value.entries().is_empty()) {
        let say =
            "its groups come first: `all: {hosts: ...}`; then `planrun validate PLAN -i FILE`";
        return Some(own("an inventory", hosts.key_span, say));
    }
    let group = entries.iter().find(|entry| {
        let part = |key| entry.value.get(key).is_some_and(|one| !one.entries().is_empty());
        part("hosts") || part("children")
    })?;
    let say = "give it beside a plan: `planrun validate PLAN -i FILE`";
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
    let steps = entries.iter().filter_map(|state| {
        of_state(state)?;
        let actions = state.value.entries().iter();
        let mut action = actions.filter_map(|function| function_as_action(&state.key, function));
        let action = action.next_back().unwrap_or_else(|| "run: ...".to_owned());
        Some(vec![format!("name: {}", state.key), action])
    });
    let sketch = Sketch { steps: steps.take(SHOWN).collect(), ..Sketch::default() };
    Some(foreign("a state file of Salt", at, &sketch))
}

/// Returns the action of planrun for a function of a state.
fn function_as_action(id: &str, function: &Entry) -> Option<String> {
    let mut arguments = function.value.items().iter();
    let name = arguments.find_map(|argument| short(argument.get("name")));
    let name = name.unwrap_or_else(|| id.to_owned());
    Some(match function.key.as_str() {
        "cmd.run" => command(&name),
        "service.running" => format!("run: systemctl start {name}"),
        "service.dead" => format!("run: systemctl stop {name}"),
        "file.managed" => format!("upload: {{from: FILE, to: {name}}}"),
        _ => return None,
    })
}

fn foreign(what: &'static str, at: Span, sketch: &Sketch) -> Recognised {
    Recognised { what, at, plan: Some(sketch.text()), say: "" }
}

impl Sketch {
    /// Writes the beginning of the plan.
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
        let begun = vec![vec!["name: What it does".to_owned(), "run: ...".to_owned()]];
        let steps = if self.steps.is_empty() { &begun } else { &self.steps };
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

/// Begins a sketch with the name of a node.
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

/// Returns the first steps, each in its lines.
fn steps<'a>(items: impl Iterator<Item = &'a Node>) -> Vec<Vec<String>> {
    let steps = items.filter(|item| !item.entries().is_empty());
    let step = |item: &Node| {
        let name = short(item.get("name")).map(|name| format!("name: {name}"));
        name.into_iter().chain([action(item)]).collect()
    };
    steps.take(SHOWN).map(step).collect()
}

/// Returns the action of a foreign step, as planrun writes it.
fn action(item: &Node) -> String {
    for key in ["run", "command", "cmd", "exec", "shell", "script", "ansible.builtin.shell"] {
        if let Some(line) = item.get(key).and_then(Node::as_text) {
            return command(line);
        }
    }
    let inputs = item.get("inputs");
    let of_inputs = |key| inputs.and_then(|inputs| inputs.get(key));
    match item.get("action").and_then(Node::as_text) {
        Some("aws:sleep") => {
            let length = of_inputs("Duration").and_then(Node::as_text);
            let length = length.and_then(values::duration);
            return format!("wait: {}", length.unwrap_or_else(|| "5m".to_owned()));
        }
        Some("aws:approve") => {
            let text = short(of_inputs("Message")).unwrap_or_else(|| "Go on?".to_owned());
            return format!("approve: {text}");
        }
        _ => {}
    }
    let commands = of_inputs("runCommand").or_else(|| of_inputs("Parameters")?.get("commands"));
    if let Some(line) = commands.and_then(|all| all.items().first()?.as_text()) {
        return command(line);
    }
    let translated = item.entries().iter().find_map(|entry| {
        let line = find(&STEP, &entry.key)?.carry.line(&entry.value)?;
        let key = line.split(':').next()?;
        ACTIONS.contains(&key).then_some(line)
    });
    translated.unwrap_or_else(|| "run: ...".to_owned())
}

/// Writes a command as `run` or, where a shell has work to do, as `shell`.
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

/// Returns the keys of a mapping that can be names of inputs.
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
