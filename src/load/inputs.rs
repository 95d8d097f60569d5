//! The values of inputs that a command is given: from options, a file, the environment.

use std::ffi::OsString;
use std::path::Path;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::{self, Node, Value};
use crate::inventory::Inventory;
use crate::inventory::program::{Failure, Programs};
use crate::load::{Request, text};
use crate::plan::Plan;
use crate::resolve::{ENVIRONMENT, Inputs, secrets};
use crate::source::{SourceId, Sources, Span};

/// Maximum size of a secret that a command prints, in bytes.
const MAX_SECRET: usize = 64 * 1024;

/// Brings together what a plan is given; `None` if the file of inputs cannot be used.
pub(super) fn read(
    request: &Request,
    plan_dir: &Path,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Inputs> {
    let file = match &request.inputs {
        None => None,
        Some(path) => {
            let id = text(path, sources, found)?;
            let mut own = Diagnostics::default();
            let node = document::parse(sources, id, &mut own);
            for one in own.sorted() {
                // A fix may show a value, and so may a message about what is inside of one.
                let mut one = Diagnostic { fixes: Vec::new(), help: Vec::new(), ..one.clone() };
                let start = one.primary.as_ref().map(|label| label.span.range().start);
                if start.is_some_and(|at| sources.get(id).line_column(at).1 > 1) {
                    "a value in this file cannot be read".clone_into(&mut one.message);
                }
                found.push(one.help("check the indentation and the quotes; values are not shown"));
            }
            let is_map = |node: &Node| matches!(node.value, Value::Map(_));
            if !node.as_ref().is_some_and(is_map) {
                // It is not known which of them are secrets.
                hide(id, sources);
            }
            let node = node?;
            if !is_map(&node) {
                let fault =
                    Diagnostic::error(Code::InputsFile, "a file of inputs must be a mapping");
                found.push(
                    fault
                        .at(node.span, format!("found {}", node.kind()))
                        .help("write one line `NAME: VALUE` per input"),
                );
                return None;
            }
            Some((id, node))
        }
    };
    Some(Inputs {
        set: request.set.clone(),
        file,
        environment: environment(&request.environment, found),
        commands: Vec::new(),
        without_secrets: false,
        limit: request.limit.clone(),
        serial: request.serial,
        plan_dir: plan_dir.to_owned(),
    })
}

/// Runs the commands of the user for secrets that have no other source on some host.
pub(super) fn run_commands(
    request: &Request,
    plan: &Plan,
    inventory: &Inventory,
    programs: &mut dyn Programs,
    given: &mut Inputs,
) {
    for (name, _) in secrets::hidden(plan) {
        let variable = format!("{ENVIRONMENT}{}", name.to_uppercase());
        let is_given = given.set.iter().any(|(set, _)| set == name)
            || given.file.as_ref().is_some_and(|(_, node)| node.get(name).is_some())
            || given.environment.iter().any(|(set, _)| *set == variable)
            || inventory.hosts.values().all(|host| host.vars.contains_key(name));
        let command = request.secret_commands.iter().find(|(of, _)| of == name);
        if let Some((_, words)) = command.filter(|_| !is_given)
            && let Some((program, arguments)) = words.split_first()
        {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let printed = programs.run(Path::new(program), &arguments);
            given.commands.push((name.clone(), secret(name, program, printed)));
        }
    }
}

/// Returns what a command printed, without the line break at its end.
fn secret(
    name: &str,
    program: &str,
    printed: Result<Vec<u8>, Failure>,
) -> Result<String, Box<Diagnostic>> {
    let why = match printed {
        Ok(bytes) if bytes.len() > MAX_SECRET => format!("printed more than {MAX_SECRET} bytes"),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(mut text) => {
                text.truncate(text.trim_end_matches(['\r', '\n']).len());
                return Ok(text);
            }
            Err(_) => "printed bytes that are not UTF-8".to_owned(),
        },
        Err(failure) => failure.to_string(),
    };
    let message = format!("no value for secret `{name}`: `{program}` {why}");
    let fault = Diagnostic::error(Code::SecretCommand, message);
    Err(Box::new(fault.help(format!("run the command of `{name}` in your configuration by hand"))))
}

/// Removes the values of a file of inputs from what messages show: any of them may be a secret, also
/// one whose name is misspelled.
pub(super) fn hide(id: SourceId, sources: &mut Sources) {
    let mut hidden = Vec::new();
    let mut start = 0;
    for line in sources.get(id).text().split_inclusive('\n') {
        let is_key = line.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let from = line.find(':').filter(|_| is_key).map_or(0, |colon| colon + 1);
        hidden.push(Span::new(id, start + from, start + line.len()));
        start += line.len();
    }
    for span in hidden {
        sources.blot(span);
    }
}

/// Returns the variables of the environment that give inputs, sorted.
fn environment(all: &[(OsString, OsString)], found: &mut Diagnostics) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, value) in all {
        let Some(name) = name.to_str().filter(|name| name.starts_with(ENVIRONMENT)) else {
            continue;
        };
        match value.to_str() {
            Some(value) => variables.push((name.to_owned(), value.to_owned())),
            None => found.push(
                Diagnostic::error(
                    Code::NotUtf8,
                    format!("environment variable `{name}` is not UTF-8"),
                )
                .help("set it to valid UTF-8"),
            ),
        }
    }
    variables.sort();
    variables
}
