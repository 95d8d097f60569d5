//! The values of inputs: `--set`, then `--inputs`, then the inventory, then the environment, then
//! the default.
//!
//! Which variable of the inventory counts, of a host, its groups and their parents, has been
//! decided by the reader of the inventory.

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::document::Node;
use crate::inventory::{Host, HostName, Inventory, Variable};
use crate::plan::value::InvalidValue;
use crate::plan::{Deferred, Input, InputKind, Plan, value};
use crate::resolve::{ENVIRONMENT, Inputs, hosts};
use crate::schema::one_of;
use crate::source::Sources;
use crate::template::{Mode, Names};

/// Returns the values of the inputs that are wanted, for each host; some are missing if a problem was
/// reported.
pub(super) fn values(
    plan: &Plan,
    wanted: impl Fn(&Input) -> bool,
    inventory: &Inventory,
    targets: &[HostName],
    given: &Inputs,
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
    /// There is one and it is invalid, which has been reported.
    Faulty,
}

/// The values that are the same on all hosts; `None` for an invalid one.
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
                    // With a location it is reported once, for all hosts that have it from there.
                    found.push(if let Some(place) = variable.place.0 {
                        told(&variable.origin)
                            .at(place, "invalid value")
                            .also(input.span, "declared here")
                    } else {
                        told(&format!("{} ({})", variable.origin, host.name))
                    });
                    Found::Faulty
                }
            };
        }
        if let Some(origin) = host.encrypted.get(name) {
            let message = format!("input `{name}` is encrypted by a vault ({origin})");
            Diagnostic::error(Code::VaultValue, message)
                .at(input.span, format!("no value for {}", host.name))
                .help(if input.is_hidden() {
                    "set it in a file and pass it with `--inputs`".into()
                } else {
                    format!("set it with `--set {name}=VALUE`, or in a file with `--inputs`")
                })
                .emit(found);
            return Found::Faulty;
        }
        if let Some(value) = self.environment.get(name) {
            return told(value);
        }
        match &input.default {
            None => Found::Nothing,
            Some(Deferred::Now(value)) => Found::Value(value.clone()),
            Some(Deferred::Template(template)) => {
                let names = Names::from([("host".to_owned(), super::host_value(host))]);
                let rendered = template.render(Mode::Text, &names).map_err(|error| {
                    InvalidValue::new(
                        format!("cannot be rendered: {error}"),
                        format!("set `{name}` for the host, or correct the default"),
                    )
                });
                let value = rendered.and_then(|text| value::of_text(&input.kind, &text));
                match value {
                    Ok(value) => Found::Value(value),
                    Err(unfit) => {
                        let place = format!("default on {}", host.name);
                        let fault = wrong(name, input, &template.text, &place, &unfit);
                        found.push(fault.at(template.span, "invalid value"));
                        Found::Faulty
                    }
                }
            }
        }
    }
}

/// Returns the value that an input takes from a variable: a number if it needs one, else what is
/// written.
fn data<'a>(kind: &InputKind, variable: &'a Variable) -> Result<&'a Value, InvalidValue> {
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
        Some(_) => Err(InvalidValue::new(
            format!("inventories read it as {}", variable.value),
            "write a decimal number without leading zeros and without `:`",
        )),
    }
}

/// A text that gives an input a value, and who says so.
struct Text<'a> {
    name: &'a str,
    value: &'a str,
    by: &'a str,
}

/// Returns what `--set` gives; the last of a name counts.
fn set(given: &Inputs) -> Vec<Text<'_>> {
    let set = given.set.iter();
    set.map(|(name, text)| Text { name, value: text, by: "--set" }).collect()
}

/// Returns what the environment gives.
fn environment<'a>(plan: &'a Plan, given: &'a Inputs) -> Vec<Text<'a>> {
    let variables = given.environment.iter();
    variables
        .filter_map(|(variable, text)| {
            let name = plan.inputs.keys().find(|name| is_for(variable, name))?;
            Some(Text { name, value: text, by: variable })
        })
        .collect()
}

fn is_for(variable: &str, input: &str) -> bool {
    variable.strip_prefix(ENVIRONMENT) == Some(input.to_uppercase().as_str())
}

pub(super) fn variable(input: &str) -> String {
    format!("{ENVIRONMENT}{}", input.to_uppercase())
}

/// Checks that a secret is not empty.
fn fit(input: &Input, read: Result<Value, InvalidValue>) -> Result<Value, InvalidValue> {
    let empty = |value: &Value| value.as_str() == Some("");
    match read {
        Ok(value) if input.is_hidden() => {
            let texts = value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice);
            if texts.iter().any(empty) {
                return Err(InvalidValue {
                    is_empty: true,
                    ..InvalidValue::new("empty", "set a value")
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

/// The path of a file on the command line is relative to the current directory.
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
    given: &Inputs,
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
                        .at(entry.value.span, "invalid value")
                        .also(input.span, "declared here"),
                );
                None
            }
        };
        values.insert(entry.key.clone(), value);
    }
    values
}

pub(super) fn unknown(plan: &Plan, given: &Inputs, found: &mut Diagnostics) {
    let names: Vec<&str> = plan.inputs.keys().map(String::as_str).collect();
    let help = |name: &str| match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "remove it: the plan has no inputs".into(),
        None => format!("inputs of the plan: {}", one_of(&names).replace(" or ", " and ")),
    };
    let fault = |name: &str, by: &str| {
        Diagnostic::error(Code::UnknownInput, format!("unknown input `{name}` in `{by}`"))
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
            let message = format!("environment variable `{variable}` matches no input of the plan");
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
            found
                .push(fault(&entry.key, "--inputs").at(entry.key_span, "not an input of the plan"));
        }
    }
}

fn not_a_mapping(node: &Node, found: &mut Diagnostics) {
    use crate::document::Value;
    if !matches!(node.value, Value::Map(_) | Value::Null) {
        Diagnostic::error(
            Code::WrongType,
            format!("expected a mapping of inputs, found {}", node.kind()),
        )
        .at(node.span, format!("this is {}", node.kind()))
        .help("write one line `NAME: VALUE` per input")
        .emit(found);
    }
}

fn wrong(name: &str, input: &Input, shown: &str, place: &str, unfit: &InvalidValue) -> Diagnostic {
    let (message, help) = if input.is_hidden() {
        // The reason may contain a part of the secret.
        let why = if unfit.is_empty { "empty" } else { "invalid" };
        let help = match &input.kind {
            InputKind::String { pattern: Some(one) } => {
                format!("use a string that matches the whole pattern `{one}`")
            }
            InputKind::List { .. } => "use a list of strings that the input allows".into(),
            _ => "use a string that is not empty".into(),
        };
        (format!("{why} value for secret `{name}` ({place})"), help)
    } else {
        let message =
            format!("invalid value `{shown}` for input `{name}` ({place}): {}", unfit.why);
        (message, unfit.help.clone())
    };
    Diagnostic::error(Code::WrongInput, message).at(input.span, "declared here").help(help)
}

fn lacking(name: &str, input: &Input, hosts: &[HostName], found: &mut Diagnostics) {
    let hosts = hosts::names(hosts);
    let message = format!("input `{name}` has no value for {hosts}");
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
        Diagnostic::error(Code::MissingInput, message)
            .at(input.span, "a secret, which is never stored")
            .help(format!(
                "set it in the environment (`{variable}`), in a file (`--inputs FILE`) or in the \
                     inventory"
            ))
            .emit(found);
        return;
    }
    let typed = match &input.kind {
        InputKind::List { .. } => "ONE,OTHER",
        _ => value,
    };
    Diagnostic::error(Code::MissingInput, message)
        .at(input.span, "has no default")
        .help(format!(
            "set it in the inventory (`{name}: {value}`), or for all hosts with \
                 `--set {name}={typed}`"
        ))
        .emit(found);
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
