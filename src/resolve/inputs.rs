//! The values of inputs: `--set`, then `--inputs`, then the inventory, then the environment, then
//! the default. A secret with `ask` may be missing: it is typed later.
//!
//! Which variable of the inventory counts, of a host, its groups and their parents, has been
//! decided by the reader of the inventory.

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::document;
use crate::inventory::{Host, HostName, Inventory, Variable};
use crate::plan::value::{InvalidValue, unfit};
use crate::plan::{Deferred, Input, InputKind, Plan, value};
use crate::resolve::{ENVIRONMENT, Inputs, Origins, hosts};
use crate::schema::one_of;
use crate::source::Sources;
use crate::template::{Mode, Names};

/// Returns the values of the inputs that are wanted, for each host, and where they come from; some are missing if a problem was
/// reported.
pub(super) fn values(
    plan: &Plan,
    wanted: impl Fn(&Input) -> bool,
    inventory: &Inventory,
    targets: &[HostName],
    given: &Inputs,
    sources: &Sources,
    found: &mut Diagnostics,
) -> (IndexMap<HostName, IndexMap<String, Value>>, Origins) {
    let mut origins = Origins::default();
    let hosts: Vec<&Host> = targets.iter().filter_map(|name| inventory.host(name)).collect();
    let mut all: IndexMap<HostName, IndexMap<String, Value>> =
        hosts.iter().map(|host| (host.name.clone(), IndexMap::new())).collect();
    for (name, input) in plan.inputs.iter().filter(|(_, input)| wanted(input)) {
        let search = Search { name, input, given, sources };
        let mut missing = Vec::new();
        let mut last = None;
        for host in &hosts {
            match search.on(host) {
                Some(Ok((value, origin))) => {
                    all[&host.name].insert(name.clone(), value);
                    origins.entry(host.name.clone()).or_default().insert(name.clone(), origin);
                }
                // Most are the same on all hosts, and reported once.
                Some(Err(fault)) if last.as_ref() != Some(&fault) => {
                    fault.clone().emit(found);
                    last = Some(fault);
                }
                Some(Err(_)) => {}
                None if input.optional || input.ask => {}
                None if input.sensitive && given.without_secrets => {}
                None => missing.push(host.name.clone()),
            }
        }
        if !missing.is_empty() {
            lacking(name, input, &missing, found);
        }
    }
    (all, origins)
}

/// The search for the value of an input.
struct Search<'a> {
    name: &'a str,
    input: &'a Input,
    given: &'a Inputs,
    sources: &'a Sources,
}

impl Search<'_> {
    /// Returns the value on a host and where it is from, or why it is invalid; `None` if there is none.
    fn on(&self, host: &Host) -> Option<Result<(Value, String), Diagnostic>> {
        let from = |origin: &str, read: Result<Value, Diagnostic>| {
            Some(read.map(|value| (value, origin.to_owned())))
        };
        let Self { name, input, given, .. } = *self;
        let kind = &input.kind;
        // Of several, the last counts.
        if let Some((_, text)) = given.set.iter().rfind(|(set, _)| set == name) {
            let read = self.text(text).map_err(|unfit| wrong(name, input, text, "--set", &unfit));
            return from("--set", read);
        }
        let file = given.file.as_ref().and_then(|(id, node)| Some((id, node.get(name)?)));
        if let Some((id, node)) = file {
            let read = fit(input, value::of_node(kind, node, self.sources));
            let place = self.sources.get(*id).path();
            let read = read.map_err(|unfit| {
                wrong(name, input, &short(&node.to_json()), place, &unfit)
                    .at(node.span, "invalid value")
                    .also(input.span, "declared here")
            });
            return from(place, read);
        }
        if let Some(variable) = host.vars.get(name) {
            let data = data(kind, variable).and_then(|data| value::of_data(kind, data));
            let read = fit(input, data).map_err(|unfit| {
                let shown = short(variable.as_written());
                let wrong = |place: &str| wrong(name, input, &shown, place, &unfit);
                // With a location it is reported once, for all hosts that have it from there.
                match variable.place.0 {
                    Some(place) => wrong(&variable.origin)
                        .at(place, "invalid value")
                        .also(input.span, "declared here"),
                    None => wrong(&format!("{} ({})", variable.origin, host.name)),
                }
            });
            return from(&variable.origin, read);
        }
        if let Some(origin) = host.encrypted.get(name) {
            let message = format!("input `{name}` is encrypted by a vault ({origin})");
            let fault = Diagnostic::error(Code::VaultValue, message)
                .at(input.span, format!("no value for {}", host.name));
            return Some(Err(fault.help(if input.is_hidden() {
                "set it in a file and pass it with `--inputs`".into()
            } else {
                format!("set it with `--set {name}=VALUE`, or in a file with `--inputs`")
            })));
        }
        let mut environment = given.environment.iter();
        if let Some((variable, text)) = environment.rfind(|(set, _)| *set == variable(name)) {
            let read = self.text(text).map_err(|unfit| wrong(name, input, text, variable, &unfit));
            return from(&format!("environment ({variable})"), read);
        }
        if let Some((_, printed)) = given.commands.iter().find(|(of, _)| of == name) {
            let read = match printed {
                Err(fault) => Err((**fault).clone().at(input.span, "declared here")),
                Ok(text) => {
                    self.text(text).map_err(|unfit| wrong(name, input, text, "its command", &unfit))
                }
            };
            return from("command in your configuration", read);
        }
        from("default", self.default_on(host)?)
    }

    /// Returns the default on a host.
    fn default_on(&self, host: &Host) -> Option<Result<Value, Diagnostic>> {
        let Self { name, input, .. } = *self;
        let kind = &input.kind;
        let template = match input.default.as_ref()? {
            Deferred::Now(value) => return Some(Ok(value.clone())),
            Deferred::Template(template) => template,
        };
        let names = Names::from([("host".to_owned(), super::host_value(host))]);
        let rendered = template.render(Mode::Text, &names).map_err(|error| {
            unfit(
                format!("cannot be rendered: {error}"),
                format!("set `{name}` for the host, or correct the default"),
            )
        });
        let read = rendered.and_then(|text| value::of_text(kind, &text));
        Some(read.map_err(|unfit| {
            let place = format!("default on {}", host.name);
            wrong(name, input, &template.text, &place, &unfit).at(template.span, "invalid value")
        }))
    }

    /// Reads a value from the command line or the environment.
    fn text(&self, text: &str) -> Result<Value, InvalidValue> {
        let value = fit(self.input, value::of_text(&self.input.kind, text))?;
        // There the path of a file is relative to the current directory.
        let path = value.as_str().filter(|_| self.input.kind == InputKind::File);
        let path = path.and_then(|path| std::path::absolute(path).ok());
        Ok(path.map_or(value, |path| path.to_string_lossy().into_owned().into()))
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
        Some(_) => Err(unfit(
            format!("inventories read it as {}", variable.value),
            "write a decimal number without leading zeros and without `:`",
        )),
    }
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
                return Err(InvalidValue { is_empty: true, ..unfit("empty", "set a value") });
            }
            Ok(value)
        }
        other => other,
    }
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
    for (set, _) in &given.environment {
        if !plan.inputs.keys().any(|name| *set == variable(name)) {
            let name = set.strip_prefix(ENVIRONMENT).unwrap_or(set);
            let message = format!("environment variable `{set}` matches no input of the plan");
            let fault = Diagnostic::warning(Code::UnknownInputVariable, message);
            found.push(match nearest(&name.to_lowercase(), names.iter().copied()) {
                Some(near) => fault.help(format!("did you mean `{}`?", variable(near))),
                None => fault.help(help(&name.to_lowercase())),
            });
        }
    }
    let Some((_, node)) = &given.file else { return };
    let kind = node.kind();
    if !matches!(node.value, document::Value::Map(_) | document::Value::Null) {
        Diagnostic::error(Code::WrongType, format!("expected a mapping of inputs, found {kind}"))
            .at(node.span, format!("this is {kind}"))
            .help("write one line `NAME: VALUE` per input")
            .emit(found);
    }
    for entry in node.entries() {
        if !plan.inputs.contains_key(&entry.key) {
            found
                .push(fault(&entry.key, "--inputs").at(entry.key_span, "not an input of the plan"));
        }
    }
}

fn wrong(name: &str, input: &Input, shown: &str, place: &str, unfit: &InvalidValue) -> Diagnostic {
    let (message, help) = if input.is_hidden() {
        // The reason may contain a part of the secret.
        let why = if unfit.is_empty { "empty" } else { "invalid" };
        let help = match &input.kind {
            InputKind::String { pattern: Some(one) } => {
                format!("use a string that matches the whole pattern `{}`", one.text)
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
            .help(format!(
                "or configure a command that prints it: `secrets: {{{name}: [PROGRAM, ARGUMENT]}}`"
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
