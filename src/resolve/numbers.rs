//! Numbers of an inventory that a plan uses as strings.
//!
//! Inventories are read by the rules of YAML 1.1: `0644` is the number 420 and `3.10` is 3.1.
//! An input that is text gets what is written. `host.vars` has the number, for conditions: a template
//! that would show it in another form than it is written is an error, and so is any number for the
//! `mode` of an upload, whose digits are octal.

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::inventory::{HostName, Variable};
use crate::plan::{Deferred, Input, InputKind, Purpose, Text};
use crate::resolve::{Inputs, ResolvedPlan, hosts};
use crate::source::Span;
use crate::template::Template;
use crate::template::expression::{Expr, ExprKind};

/// Filters that ask for the number.
const NUMERIC: [&str; 4] = ["abs", "float", "int", "round"];

/// Returns what a value is used for, as a label: as the mode of an upload, or as a string.
fn label(is_mode: bool) -> &'static str {
    if is_mode { "the digits of a mode are octal" } else { "used as a string here" }
}

/// Something a template shows: a variable of the host (with the keys of a part of it), or a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Shown {
    Variable(Vec<String>),
    Name(String),
}

/// Reports the numbers that templates of the plan, and `texts` of files, show.
pub(super) fn check(
    resolved: &ResolvedPlan,
    texts: &[Template],
    given: &Inputs,
    found: &mut Diagnostics,
) {
    let mut modes = IndexMap::new();
    let mut shown = IndexMap::new();
    resolved.plan.each_use(&mut |one| match (one.text, one.purpose) {
        (Text::Template(template), _) => {
            add_shown(template, &mut shown);
        }
        // What these return is most likely shown by a template.
        (Text::Expression(expression), Purpose::Item | Purpose::Set) => {
            if let Some(span) = expression.span {
                add(&expression.root, span, &mut shown);
            }
        }
        _ => {}
    });
    for template in texts {
        add_shown(template, &mut shown);
    }
    resolved.plan.visit(&mut |step| {
        let mode = step.upload().and_then(|upload| upload.mode.as_ref());
        if let Some(mode) = mode.and_then(Deferred::template) {
            add_shown(mode, &mut modes);
        }
    });
    for (what, used) in modes {
        mode(resolved, &what, used, given, found);
        shown.shift_remove(&what);
    }
    for (what, used) in shown {
        if let Shown::Variable(path) = what {
            let odd = |value: &Value, written: &Value| value != written;
            report(resolved, &path, odd, used, false, found);
        }
    }
}

/// Adds what a template shows, with its place.
fn add_shown(template: &Template, all: &mut IndexMap<Shown, Span>) {
    template.shown().for_each(|used| add(&used.expr, template.span, all));
}

/// Adds what an expression gives on as it is, with a place for it.
fn add(expr: &Expr, span: Span, all: &mut IndexMap<Shown, Span>) {
    if let Some(path) = path(expr) {
        all.entry(Shown::Variable(path)).or_insert(span);
        return;
    }
    match &expr.kind {
        ExprKind::Var(name) => {
            all.entry(Shown::Name(name.clone())).or_insert(span);
        }
        ExprKind::Filter(name, ..) if NUMERIC.contains(&name.as_str()) => {}
        ExprKind::Arithmetic("~", ..)
        | ExprKind::Filter(..)
        | ExprKind::List(_)
        | ExprKind::Map(_) => expr.parts().into_iter().for_each(|part| add(part, span, all)),
        ExprKind::If(_, yes, no) => {
            [Some(yes), no.as_ref()].into_iter().flatten().for_each(|one| add(one, span, all));
        }
        _ => {}
    }
}

/// Returns the variable that an expression is, and the keys of the part of it.
fn path(expr: &Expr) -> Option<Vec<String>> {
    if let Some(name) = expr.host_variable() {
        return Some(vec![name.to_owned()]);
    }
    let (of, key) = match &expr.kind {
        ExprKind::Attr(of, name) => (of, name.clone()),
        ExprKind::Item(of, key) => match &key.kind {
            ExprKind::Const(value) => (of, value.to_string()),
            _ => return None,
        },
        _ => return None,
    };
    let mut path = path(of)?;
    path.push(key);
    Some(path)
}

fn part<'a>(value: &'a Value, keys: &[String]) -> Option<&'a Value> {
    keys.iter().try_fold(value, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        value => value.get(key),
    })
}

/// Reports a `mode` of an upload that is not a string.
fn mode(
    resolved: &ResolvedPlan,
    what: &Shown,
    used: Span,
    given: &Inputs,
    found: &mut Diagnostics,
) {
    match what {
        Shown::Variable(path) => {
            report(resolved, path, |value, _| value.is_number(), used, true, found);
        }
        Shown::Name(name) => {
            let Some(input) = resolved.plan.inputs.get(name) else { return };
            if matches!(input.kind, InputKind::Int { .. }) {
                let message = format!("`mode` requires a string, and `{name}` is a number");
                Diagnostic::error(Code::NumberAsText, message)
                    .at(used, label(true))
                    .also(input.span, "declared here")
                    .help(format!("declare it as a string: `{name}: {{type: string}}`"))
                    .emit(found);
            } else if is_of_inventory(name, input, given) {
                // `0644` can mean nothing else; `420` may be the same mode, counted by tens.
                let odd = |value: &Value, written: &Value| {
                    value.is_number() && !written.as_str().is_some_and(|one| one.starts_with('0'))
                };
                report(resolved, std::slice::from_ref(name), odd, used, true, found);
            }
        }
    }
}

/// Whether an input takes its value from the inventory if that has one.
fn is_of_inventory(name: &str, input: &Input, given: &Inputs) -> bool {
    let in_file = given.file.as_ref().is_some_and(|(_, node)| node.get(name).is_some());
    let is_set = given.set.iter().any(|(set, _)| set == name);
    !in_file && !is_set && !input.sensitive
}

/// Reports a variable of which `odd` is true on some hosts, each place once.
fn report(
    resolved: &ResolvedPlan,
    path: &[String],
    odd: impl Fn(&Value, &Value) -> bool,
    used: Span,
    is_mode: bool,
    found: &mut Diagnostics,
) {
    let Some((name, keys)) = path.split_first() else { return };
    let label = label(is_mode);
    let mut all: IndexMap<&str, (&Variable, Vec<HostName>)> = IndexMap::new();
    let hosts = resolved.hosts.iter().filter_map(|host| resolved.inventory.host(host));
    for host in hosts {
        let Some(variable) = host.vars.get(name) else { continue };
        let parts = part(&variable.value, keys).zip(part(variable.as_written(), keys));
        if parts.is_some_and(|(value, written)| odd(value, written)) {
            let (_, hosts) = all.entry(&variable.origin).or_insert((variable, Vec::new()));
            hosts.push(host.name.clone());
        }
    }
    for (origin, (variable, hosts)) in all {
        let hosts = hosts::names(&hosts);
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let shown = part(&variable.value, keys).map(text).unwrap_or_default();
        let written = part(variable.as_written(), keys).map(text).unwrap_or_default();
        let path = path.join(".");
        let message = format!("`{path}` of {hosts} is the number {shown}, not a string");
        let fault = Diagnostic::error(Code::NumberAsText, message);
        // The digits of a mode that is counted by tens would be another mode.
        let octal = variable.value.as_u64().filter(|_| is_mode && !written.starts_with('0'));
        found.push(match variable.place.0 {
            Some(place) if let Some(octal) = octal => fault
                .at(place, "a number, because it is not quoted")
                .also(used, label)
                .help(format!(
                    "quote the mode: `\"0{written}\"`, or `\"0{octal:o}\"` if you mean that one"
                )),
            Some(place) if keys.is_empty() && variable.value.is_number() => {
                let fault = fault.at(place, "a number, because it is not quoted");
                fault.also(used, label).fix("put quotes around it", place, format!("\"{written}\""))
            }
            Some(place) => fault
                .at(place, format!("written as {written}, without quotes"))
                .also(used, label)
                .help("put quotes around the numbers in it"),
            None => fault.at(used, label).help(format!("put quotes around it: {origin}")),
        });
    }
}
