//! Reads the output of inventory programs (Ansible's inventory scripts) into a draft.
//!
//! A program is called with `--list`. If its output has no `_meta.hostvars`, it is called with
//! `--host NAME` for each host.

use std::path::Path;

use crate::diagnostic::{Code, Diagnostic};
use crate::document;
use crate::document::yaml11::Sealed;
use crate::document::{Entry, Node, Value};
use crate::duration;
use crate::inventory::draft::{Draft, give};
use crate::inventory::files::Files;
use crate::inventory::program::Failure;
use crate::inventory::yaml::{self, Shape};
use crate::source::{SourceId, Span};

/// Maximum number of lines of standard error that are shown.
const MAX_SAID: usize = 12;

pub(super) fn read(path: &Path, shown: &str, draft: &mut Draft, files: &mut Files<'_>) {
    let Some(id) = ask(path, shown, &["--list"], files) else { return };
    let Some((root, sealed)) = parse(id, shown, files) else { return };
    if !matches!(root.value, Value::Map(_)) {
        let message =
            format!("`{shown} --list` must print a mapping of groups, not {}", root.kind());
        let help = "change it to print `{\"web\": {\"hosts\": [\"web1\"]}}`";
        files.fault(fault(message, help).at(root.span, ""));
        return;
    }
    let has_vars = root.get("_meta").is_some_and(|meta| meta.get("hostvars").is_some());
    let names = names(&root);
    yaml::take(id, root, sealed, Shape::Listed, files.sources, draft);
    if has_vars {
        return;
    }
    for name in names {
        if draft.is_full() {
            return;
        }
        // A rejected name was reported already.
        if !draft.hosts.contains_key(&name) {
            continue;
        }
        let Some(id) = ask(path, shown, &["--host", &name], files) else {
            // The others would most likely fail in the same way.
            return;
        };
        if files.sources.get(id).text().trim().is_empty() {
            continue;
        }
        let Some((root, sealed)) = parse(id, shown, files) else { return };
        let is_mapping = matches!(root.value, Value::Map(_));
        if let Some(host) = draft.hosts.get_mut(&name).filter(|_| is_mapping) {
            let vars = yaml::given(root.entries(), &sealed, files.sources, Shape::Listed);
            give(&mut host.vars, vars);
        } else {
            let message =
                format!("`{shown} --host {name}` must print a mapping, not {}", root.kind());
            let help = "change it to print a mapping of variables, or `{}` if there are none";
            files.fault(fault(message, help).at(root.span, ""));
            return;
        }
    }
}

/// Returns the hosts of the groups in an answer, each once.
fn names(root: &Node) -> Vec<String> {
    let mut names = indexmap::IndexSet::new();
    let groups = root.entries().iter().filter(|entry| entry.key != "_meta");
    for Entry { value, .. } in groups {
        let hosts = value.get("hosts").unwrap_or(value);
        names.extend(hosts.items().iter().filter_map(Node::as_text).map(str::to_owned));
        let keys = value.get("hosts").map(Node::entries).unwrap_or_default();
        names.extend(keys.iter().map(|entry| entry.key.clone()));
    }
    names.into_iter().collect()
}

/// Calls a program; its output becomes a source text.
fn ask(path: &Path, shown: &str, words: &[&str], files: &mut Files<'_>) -> Option<SourceId> {
    let command = format!("{shown} {}", words.join(" "));
    match files.programs.run(path, words) {
        Ok(bytes) => {
            if let Ok(text) = String::from_utf8(bytes) {
                return Some(files.sources.add(command, text));
            }
            let message = format!("the output of `{command}` is not valid UTF-8");
            files.fault(fault(message, "change it to print JSON in UTF-8"));
        }
        Err(failure) => files.fault(failed(&failure, shown, &command)),
    }
    None
}

/// Parses the output, which must be strictly valid JSON.
fn parse(id: SourceId, shown: &str, files: &mut Files<'_>) -> Option<(Node, Sealed)> {
    let source = files.sources.get(id);
    let (text, command) = (source.text(), source.path());
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let start: usize = lines.map(str::len).sum();
        // The column counts bytes, and is 0 at the end of a line.
        let at = (start + error.column().saturating_sub(1)).min(text.len());
        let at = (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let width = text[at..].chars().next().map_or(0, char::len_utf8);
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
        let message = format!("the output of `{command}` is not valid JSON");
        let fault = Diagnostic::error(Code::InventoryProgram, message);
        let fault = if text.trim().is_empty() {
            fault.help("change it to print `{}` if there are no variables")
        } else {
            fault.at(Span::new(id, at, at + width), why)
        };
        let help = format!("change it to print only JSON; to see its output, run `{shown} --list`");
        files.fault(fault.help(help));
        return None;
    }
    let root = document::parse_data(files.sources, id, files.found);
    files.usable &= root.is_some();
    root.map(|root| (root, Sealed::default()))
}

fn fault(message: String, help: &str) -> Diagnostic {
    Diagnostic::error(Code::InventoryProgram, message).help(help)
}

fn failed(failure: &Failure, shown: &str, command: &str) -> Diagnostic {
    match failure {
        Failure::NotRun => Diagnostic::error(
            Code::ExecutableInventory,
            format!("inventory program `{shown}` was not run"),
        )
        .help(format!(
            "save its output, and use that file: \
             `planrun inventory {shown} --format json > hosts.json`"
        ))
        .help("if it is not a program, make it not executable: `chmod -x`"),
        Failure::NotStarted(why) => fault(
            format!("cannot run `{command}`: {why}"),
            "check its `#!` line and its permissions",
        ),
        Failure::Late(limit) => {
            let message = format!("`{command}` exceeded its timeout of {}", duration::show(*limit));
            fault(message, "change `--list` to print `_meta`, so that it is called only once")
                .help("or increase the timeout: `--inventory-timeout 2m`")
        }
        Failure::TooLong(bytes) => {
            let message = format!("`{command}` printed more than {bytes} bytes");
            fault(message, "change it to print fewer variables, or split it")
        }
        Failure::Ended { how, said } => {
            let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
            let last = lines[lines.len().saturating_sub(MAX_SAID)..].join("\n");
            let help = match last.as_str() {
                "" => "run it by hand: it printed no message".to_owned(),
                last => format!("see its standard error:\n{last}"),
            };
            fault(format!("`{command}` failed {how}"), &help)
        }
    }
}
