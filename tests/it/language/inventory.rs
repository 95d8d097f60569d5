//! Helpers for the tests of the inventory: read files in a temporary directory, and show the result.

mod build;
mod ini;
mod link;
mod pattern;
mod program;
mod read;
mod route;
mod vars;
mod yaml;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use planrun::diagnostic::{Diagnostic, Diagnostics};
use planrun::inventory::program::{NoPrograms, Programs};
use planrun::inventory::read::read_with;
use planrun::inventory::{Host, HostName, Inventory};
use planrun::source::Sources;

/// An inventory and its diagnostics.
pub(crate) struct Reading {
    pub(crate) inventory: Option<Inventory>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    sources: Sources,
}

/// Reads one file.
pub(crate) fn read_text(name: &str, text: &str) -> Reading {
    read_files(name, &[(name, text)])
}

/// Reads the inventory `name`, a file or a directory, among these files. Files whose names end in `*`
/// are executable.
pub(crate) fn read_files(name: &str, files: &[(&str, &str)]) -> Reading {
    read_programs(name, files, &mut NoPrograms)
}

/// Reads the inventory `name` among these files; what is executable is run by `programs`.
pub(crate) fn read_programs(
    name: &str,
    files: &[(&str, &str)],
    programs: &mut dyn Programs,
) -> Reading {
    let directory = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = directory.path().join(file.trim_end_matches('*'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if file.ends_with('*') {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let mut sources = Sources::default();
    let mut found = Diagnostics::default();
    let path = directory.path().join(name);
    let inventory = read_with(&path, name, programs, &mut sources, &mut found);
    Reading { inventory, diagnostics: found.sorted().into_iter().cloned().collect(), sources }
}

impl Reading {
    /// Returns the inventory, which must have no diagnostics.
    #[track_caller]
    pub(crate) fn clean(self) -> Inventory {
        assert_eq!(self.told(), "");
        self.inventory.expect("an inventory without diagnostics")
    }

    /// Shows the diagnostics, one per line: `code line:column message | label`.
    pub(crate) fn told(&self) -> String {
        let lines = self.diagnostics.iter().map(|one| {
            let Some(label) = &one.primary else {
                return format!("{} {}", one.code, one.message);
            };
            let source = self.sources.get(label.span.source);
            let (line, column) = source.line_column(label.span.range().start);
            let text = Some(&label.text).filter(|text| !text.is_empty());
            let text = text.map(|text| format!(" | {text}")).unwrap_or_default();
            format!("{} {line}:{column} {}{text}", one.code, one.message)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Returns the source under the label of the only diagnostic.
    #[track_caller]
    pub(crate) fn place(&self) -> &str {
        assert_eq!(self.diagnostics.len(), 1, "{}", self.told());
        let label = self.diagnostics[0].primary.as_ref().unwrap();
        self.sources.slice(label.span)
    }

    /// Returns the help of the only diagnostic.
    #[track_caller]
    pub(crate) fn help(&self) -> String {
        assert_eq!(self.diagnostics.len(), 1, "{}", self.told());
        self.diagnostics[0].help.join(" / ")
    }
}

/// Returns a host, which must exist.
#[track_caller]
pub(crate) fn host<'a>(inventory: &'a Inventory, name: &str) -> &'a Host {
    let host = inventory.host(&HostName::new(name));
    host.unwrap_or_else(|| panic!("no host {name}"))
}

/// Returns a variable of a host; null if it is not set.
#[track_caller]
pub(crate) fn var(inventory: &Inventory, name: &str, variable: &str) -> Value {
    let variable = host(inventory, name).vars.get(variable);
    variable.map_or(Value::Null, |variable| variable.value.clone())
}

/// Shows the hosts in order.
pub(crate) fn hosts(inventory: &Inventory) -> String {
    let names = inventory.hosts.keys().map(HostName::as_str);
    names.collect::<Vec<_>>().join(" ")
}

/// Shows the hosts of a group in order.
#[track_caller]
pub(crate) fn members(inventory: &Inventory, group: &str) -> String {
    let names = inventory.groups[group].iter().map(HostName::as_str);
    names.collect::<Vec<_>>().join(" ")
}
