//! The values of inputs: `--set`, then `--inputs`, then the inventory, then the environment, then
//! the default.
//!
//! Which variable of the inventory counts, of a host, its groups and their parents, has been
//! decided where the inventory was read.

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::nearest;
use crate::document::Node;
use crate::inventory::Host;
use crate::inventory::HostName;
use crate::inventory::Inventory;
use crate::inventory::Variable;
use crate::plan::Default;
use crate::plan::Input;
use crate::plan::InputKind;
use crate::plan::Plan;
use crate::plan::value;
use crate::plan::value::Unfit;
use crate::resolve::ENVIRONMENT;
use crate::resolve::Given;
use crate::resolve::hosts;
use crate::schema::one_of;
use crate::source::Sources;
use crate::template::Mode;
use crate::template::Names;

/// Returns the values of the inputs that are wanted, for each host; where a fault was told some may
/// be missing.
pub(super) fn values(
    plan: &Plan,
    wanted: impl Fn(&Input) -> bool,
    inventory: &Inventory,
    targets: &[HostName],
    given: &Given,
    sources: &Sources,
    found: &mut Diagnostics,
) -> IndexMap<HostName, IndexMap<String, Value>> {
    let inputs: IndexMap<&str, &Input> = plan
        .inputs
        .iter()
        .filter(|(_, input)| wanted(input))
        .map(|(name, input)| (name.as_str(), input))
        .collect();
    let common = Common {
        set: texts(&inputs, set(given), found),
        file: file(&inputs, given, sources, found),
        environment: texts(&inputs, environment(plan, given), found),
    };
    let mut all: IndexMap<HostName, IndexMap<String, Value>> = IndexMap::new();
    let mut missing: IndexMap<&str, Vec<HostName>> = IndexMap::new();
    for host in targets.iter().filter_map(|name| inventory.host(name)) {
        let mut values = IndexMap::new();
        for (&name, &input) in &inputs {
            match common.of_host(name, input, host, found) {
                Found::Value(value) => {
                    values.insert(name.to_owned(), value);
                }
                Found::Nothing if input.sensitive && given.without_secrets => {}
                Found::Nothing => missing.entry(name).or_default().push(host.name.clone()),
                Found::Faulty => {}
            }
        }
        all.insert(host.name.clone(), values);
    }
    for (name, hosts) in missing {
        lacking(name, &plan.inputs[name], &hosts, found);
    }
    all
}

/// What came of the search for a value.
enum Found {
    Value(Value),
    Nothing,
    /// There is one and it does not fit; that has been told.
    Faulty,
}

/// The values that are the same on all hosts; `None` for one that does not fit.
struct Common {
    set: IndexMap<String, Option<Value>>,
    file: IndexMap<String, Option<Value>>,
    environment: IndexMap<String, Option<Value>>,
}

impl Common {
    fn of_host(&self, name: &str, input: &Input, host: &Host, found: &mut Diagnostics) -> Found {
        let told = |value: &Option<Value>| match value {
            Some(value) => Found::Value(value.clone()),
            None => Found::Faulty,
        };
        if let Some(value) = self.set.get(name).or_else(|| self.file.get(name)) {
            return told(value);
        }
        if let Some(variable) = host.vars.get(name) {
            let data = data(&input.kind, variable);
            return match fit(input, data.and_then(|data| value::of_data(&input.kind, data))) {
                Ok(value) => Found::Value(value),
                Err(unfit) => {
                    let shown = short(variable.as_written());
                    let told = |place: &str| wrong(name, input, &shown, place, &unfit);
                    // With a place it is told once, for all hosts that have it from there.
                    found.push(if let Some(place) = variable.place.0 {
                        told(&variable.origin)
                            .at(place, "does not fit")
                            .also(input.span, "declared here")
                    } else {
                        told(&format!("{} ({})", variable.origin, host.name))
                    });
                    Found::Faulty
                }
            };
        }
        if let Some(origin) = host.encrypted.get(name) {
            let message = format!("the input `{name}` is encrypted by a vault ({origin})");
            found.push(
                Diagnostic::error(Code::VaultValue, message)
                    .at(input.span, format!("no value on {}", host.name))
                    .help(if input.is_hidden() {
                        "give it in a file of `--inputs`".into()
                    } else {
                        format!("give it by `--set {name}=VALUE` or in a file of `--inputs`")
                    }),
            );
            return Found::Faulty;
        }
        if let Some(value) = self.environment.get(name) {
            return told(value);
        }
        match &input.default {
            None => Found::Nothing,
            Some(Default::Value(value)) => Found::Value(value.clone()),
            Some(Default::Template(template)) => {
                let names = Names::from([("host".to_owned(), super::host_value(host))]);
                let rendered = template.render(Mode::Text, &names).map_err(|error| Unfit {
                    why: format!("cannot be rendered: {error}"),
                    help: format!("give the host a `{name}`, or correct the default"),
                    cured: None,
                });
                let value = rendered.and_then(|text| value::of_text(&input.kind, &text));
                match value {
                    Ok(value) => Found::Value(value),
                    Err(unfit) => {
                        let place = format!("its default on {}", host.name);
                        let fault = wrong(name, input, &template.text, &place, &unfit);
                        found.push(fault.at(template.span, "does not fit"));
                        Found::Faulty
                    }
                }
            }
        }
    }
}

/// Returns what an input takes of a variable: a number where it wants one, else what is written.
fn data<'a>(kind: &InputKind, variable: &'a Variable) -> Result<&'a Value, Unfit> {
    let kind = match kind {
        InputKind::List { item, .. } => item,
        kind => kind,
    };
    if !matches!(kind, InputKind::Int { .. } | InputKind::Bool) {
        return Ok(variable.as_written());
    }
    // By the rules of inventories `0644` is 420 and `22:30` is 1350; elsewhere they are not.
    let is_other = |text: &str| {
        let digits = text.trim_start_matches(['-', '+']);
        let zero = digits.strip_prefix('0');
        text.contains(':')
            || zero.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let written = variable.written.as_ref();
    let texts = written.map(|one| one.as_array().map_or(std::slice::from_ref(one), Vec::as_slice));
    let mut texts = texts.unwrap_or_default().iter().filter_map(Value::as_str);
    match texts.find(|text| is_other(text)) {
        None => Ok(&variable.value),
        Some(_) => Err(Unfit {
            why: format!("an inventory takes for {}", variable.value),
            help: "write a decimal number, without zeros in front and without `:`".into(),
            cured: None,
        }),
    }
}

/// A text that gives an input a value, and who says so.
struct Text<'a> {
    name: &'a str,
    value: &'a str,
    by: &'a str,
}

/// Returns what `--set` gives; the last of a name counts.
fn set(given: &Given) -> Vec<Text<'_>> {
    let set = given.set.iter();
    set.map(|(name, text)| Text { name, value: text, by: "--set" }).collect()
}

/// Returns what the environment gives.
fn environment<'a>(plan: &'a Plan, given: &'a Given) -> Vec<Text<'a>> {
    let variables = given.environment.iter();
    variables
        .filter_map(|(variable, text)| {
            let name = plan.inputs.keys().find(|name| is_for(variable, name))?;
            Some(Text { name, value: text, by: variable })
        })
        .collect()
}

/// Whether an environment variable is for an input.
fn is_for(variable: &str, input: &str) -> bool {
    variable.strip_prefix(ENVIRONMENT) == Some(input.to_uppercase().as_str())
}

/// Returns the environment variable for an input.
pub(super) fn variable(input: &str) -> String {
    format!("{ENVIRONMENT}{}", input.to_uppercase())
}

/// Holds a secret against what is asked of it beside its type: it is not empty.
fn fit(input: &Input, read: Result<Value, Unfit>) -> Result<Value, Unfit> {
    let empty = |value: &Value| value.as_str() == Some("");
    match read {
        Ok(value) if input.is_hidden() => {
            let texts = value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice);
            if texts.iter().any(empty) {
                return Err(Unfit {
                    why: "is empty".into(),
                    help: "give it a value".into(),
                    cured: None,
                });
            }
            Ok(value)
        }
        other => other,
    }
}

fn texts(
    inputs: &IndexMap<&str, &Input>,
    texts: Vec<Text<'_>>,
    found: &mut Diagnostics,
) -> IndexMap<String, Option<Value>> {
    let mut values = IndexMap::new();
    for Text { name, value, by } in texts {
        let Some(&input) = inputs.get(name) else {
            continue;
        };
        let read = match fit(input, value::of_text(&input.kind, value)) {
            Ok(value) => Some(here(&input.kind, value)),
            Err(unfit) => {
                found.push(wrong(name, input, value, by, &unfit));
                None
            }
        };
        values.insert(name.to_owned(), read);
    }
    values
}

/// A file that is named on the command line is looked for where the command is typed.
fn here(kind: &InputKind, value: Value) -> Value {
    match (kind, value.as_str()) {
        (InputKind::File, Some(path)) => match std::path::absolute(path) {
            Ok(path) => path.to_string_lossy().into_owned().into(),
            Err(_) => value,
        },
        _ => value,
    }
}

fn file(
    inputs: &IndexMap<&str, &Input>,
    given: &Given,
    sources: &Sources,
    found: &mut Diagnostics,
) -> IndexMap<String, Option<Value>> {
    let mut values = IndexMap::new();
    let Some((id, node)) = &given.file else {
        return values;
    };
    for entry in node.entries() {
        let Some(&input) = inputs.get(entry.key.as_str()) else {
            continue;
        };
        let value = match fit(input, value::of_node(&input.kind, &entry.value, sources)) {
            Ok(value) => Some(value),
            Err(unfit) => {
                let shown = short(&entry.value.to_json());
                let place = sources.get(*id).path();
                found.push(
                    wrong(&entry.key, input, &shown, place, &unfit)
                        .at(entry.value.span, "does not fit")
                        .also(input.span, "declared here"),
                );
                None
            }
        };
        values.insert(entry.key.clone(), value);
    }
    values
}

/// Tells of given values that no input takes.
pub(super) fn unknown(plan: &Plan, given: &Given, found: &mut Diagnostics) {
    let names: Vec<&str> = plan.inputs.keys().map(String::as_str).collect();
    let help = |name: &str| match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "leave it out: the plan takes no inputs".into(),
        None => format!("the plan takes {}", one_of(&names).replace(" or ", " and ")),
    };
    let fault = |name: &str, by: &str| {
        Diagnostic::error(
            Code::UnknownInput,
            format!("`{by}` gives `{name}`, which is no input of the plan"),
        )
        .help(help(name))
    };
    for (name, _) in &given.set {
        if !plan.inputs.contains_key(name) {
            found.push(fault(name, "--set"));
        }
    }
    for (variable, _) in &given.environment {
        if !plan.inputs.keys().any(|name| is_for(variable, name)) {
            let name = variable.strip_prefix(ENVIRONMENT).unwrap_or(variable);
            let message = format!("`{variable}` is in the environment and gives no input a value");
            let fault = Diagnostic::warning(Code::UnknownInputVariable, message);
            found.push(match nearest(&name.to_lowercase(), names.iter().copied()) {
                Some(near) => {
                    fault.help(format!("did you mean `{ENVIRONMENT}{}`?", near.to_uppercase()))
                }
                None => fault.help(help(&name.to_lowercase())),
            });
        }
    }
    let Some((_, node)) = &given.file else {
        return;
    };
    not_a_mapping(node, found);
    for entry in node.entries() {
        if !plan.inputs.contains_key(&entry.key) {
            found.push(fault(&entry.key, "--inputs").at(entry.key_span, "no input of the plan"));
        }
    }
}

fn not_a_mapping(node: &Node, found: &mut Diagnostics) {
    use crate::document::Value;
    if !matches!(node.value, Value::Map(_) | Value::Null) {
        found.push(
            Diagnostic::error(
                Code::WrongType,
                format!("found {}, expected a mapping of inputs", node.kind()),
            )
            .at(node.span, format!("this is {}", node.kind()))
            .help("write a line `name: value` for each input"),
        );
    }
}

fn wrong(name: &str, input: &Input, shown: &str, place: &str, unfit: &Unfit) -> Diagnostic {
    let (message, help) = if input.is_hidden() {
        // What is wrong may tell a part of it.
        let empty = unfit.why == "is empty";
        let why = if empty { "is empty" } else { "does not fit" };
        let help = match &input.kind {
            InputKind::String { pattern: Some(one) } => {
                format!("give a text that matches `{one}` as a whole")
            }
            InputKind::List { .. } => "give a list of texts, within what the input allows".into(),
            _ => "give a text".into(),
        };
        (format!("{place}: the secret `{name}` {why}"), help)
    } else {
        let message = format!("{place}: `{name}` is `{shown}`, which {}", unfit.why);
        (message, unfit.help.clone())
    };
    Diagnostic::error(Code::WrongInput, message).at(input.span, "declared here").help(help)
}

fn lacking(name: &str, input: &Input, hosts: &[HostName], found: &mut Diagnostics) {
    let hosts = hosts::names(hosts);
    let message = format!("the input `{name}` has no value for {hosts}");
    let value = match &input.kind {
        InputKind::Enum(words) => words.first().map_or("VALUE", String::as_str),
        InputKind::Duration { .. } => "15m",
        InputKind::Int { .. } => "1",
        InputKind::Bool => "true",
        InputKind::File => "FILE",
        InputKind::Path => "/PATH",
        InputKind::String { .. } => "VALUE",
        InputKind::List { .. } => "[ONE, OTHER]",
    };
    if input.is_hidden() {
        let variable = variable(name);
        found.push(
            Diagnostic::error(Code::MissingInput, message)
                .at(input.span, "a secret, and not kept")
                .help(format!(
                    "give it by the environment, `{variable}`, in a file, `--inputs FILE`, or in \
                     the inventory"
                )),
        );
        return;
    }
    let typed = match &input.kind {
        InputKind::List { .. } => "ONE,OTHER",
        _ => value,
    };
    found.push(
        Diagnostic::error(Code::MissingInput, message).at(input.span, "has no default").help(
            format!(
                "give it in the inventory (`{name}: {value}`), or for all hosts with \
                 `--set {name}={typed}`"
            ),
        ),
    );
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= 60 {
        return text;
    }
    format!("{}...", text.chars().take(57).collect::<String>())
}
