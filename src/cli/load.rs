//! Texts that a command line names: plans, inventories, values.
//!
//! What cannot be read is a diagnostic like any other fault of a text, so that one invocation
//! tells all there is to mend.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document;
use crate::document::parse::MAX_BYTES;
use crate::document::{Node, Value};
use crate::inventory::program::Programs;
use crate::inventory::{Inventory, read};
use crate::plan;
use crate::plan::Plan;
use crate::resolve::{ENVIRONMENT, Given, texts};
use crate::source::{SourceId, Sources, Span};

/// The values a plan is given, and the hosts it is kept to.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Values {
    /// Work only on these hosts of the plan: a host pattern, as Ansible has them (`backend1`, `web:!web3`)
    #[arg(long, short, value_name = "PATTERN")]
    pub(super) limit: Option<String>,
    /// Give an input of the plan a value; repeat it for more
    #[arg(long = "set", short = 's', value_name = "NAME=VALUE", value_parser = assignment)]
    pub(super) set: Vec<(String, String)>,
    /// Take inputs from a YAML or JSON file; `--set` wins over it
    #[arg(long, value_name = "FILE")]
    pub(super) inputs: Option<PathBuf>,
}

/// Splits `NAME=VALUE`; the value may be empty and may hold more `=`.
fn assignment(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((name, value)) if is_name(name) => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, the name of an input and its value".to_owned()),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Reads a text under the name the user gave it.
pub(super) fn text(
    path: &Path,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<SourceId> {
    let shown = path.display().to_string();
    match content(path, &shown) {
        Ok(text) => Some(sources.add(shown, text)),
        Err(fault) => {
            found.push(*fault);
            None
        }
    }
}

/// Returns the text of a file.
pub(super) fn content(path: &Path, shown: &str) -> Result<String, Box<Diagnostic>> {
    let mut bytes = Vec::new();
    let most = MAX_BYTES as u64 + 1;
    let done = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    if let Err(error) = done {
        return Err(Box::new(unreadable(path, shown, &error)));
    }
    as_text(bytes, shown)
}

/// Makes a text of the bytes of a file.
pub(super) fn as_text(bytes: Vec<u8>, shown: &str) -> Result<String, Box<Diagnostic>> {
    if bytes.len() > MAX_BYTES {
        let message = format!("`{shown}` has more than {MAX_BYTES} bytes");
        let fault = Diagnostic::error(Code::FileTooLarge, message);
        return Err(Box::new(fault.help("split it, or keep large data out of it")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].split(|byte| *byte == b'\n').count();
        let message = format!("`{shown}` is not UTF-8 text: line {line}");
        Box::new(Diagnostic::error(Code::NotUtf8, message).help("save the file as UTF-8"))
    })
}

fn unreadable(path: &Path, shown: &str, error: &std::io::Error) -> Diagnostic {
    if error.kind() == ErrorKind::NotFound {
        let message = format!("there is no file `{shown}`");
        return Diagnostic::error(Code::NoSuchFile, message).help("look at the path");
    }
    if path.is_dir() {
        let message = format!("`{shown}` is a directory, not a file");
        return Diagnostic::error(Code::UnreadableFile, message)
            .help(format!("name the files in it: `{}/*.yaml`", shown.trim_end_matches('/')));
    }
    Diagnostic::error(Code::UnreadableFile, format!("`{shown}` cannot be read: {error}"))
        .help("look at the path and its permissions")
}

/// Reads a plan; its text stays among the sources also where it gives none.
pub(super) fn plan(
    path: &Path,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<(SourceId, Plan)> {
    let id = text(path, sources, found)?;
    let plan = plan::read(sources, id, found)?;
    texts::check(&plan, directory(path), sources, found);
    Some((id, plan))
}

/// Finds inventories and reads them as one; programs that print one are run by `programs`.
pub(super) fn inventory(
    names: &[String],
    plan_dir: Option<&Path>,
    programs: &mut dyn Programs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<(Vec<PathBuf>, Inventory)> {
    let paths = find(names, plan_dir, found)?;
    if let Some(plan_dir) = plan_dir {
        tell_vars_beside(plan_dir, &paths, found);
    }
    let inventory = read::read_all(&paths, programs, sources, found)?;
    Some((paths, inventory))
}

/// Finds the inventories that were named; `None` where one is not there, which is told.
pub(super) fn find(
    names: &[String],
    plan_dir: Option<&Path>,
    found: &mut Diagnostics,
) -> Option<Vec<PathBuf>> {
    let paths = names.iter().map(|name| {
        let path = read::find(name, plan_dir);
        path.map_err(|fault| found.push(*fault)).ok()
    });
    // All that are missing are told.
    let paths: Vec<Option<PathBuf>> = paths.collect();
    paths.into_iter().collect()
}

/// Tells of folders of variables that Ansible would read beside a playbook.
pub(super) fn tell_vars_beside(plan_dir: &Path, paths: &[PathBuf], found: &mut Diagnostics) {
    let bases = paths.iter().filter(|path| path.exists());
    let bases = bases.map(|path| if path.is_dir() { path.as_path() } else { directory(path) });
    let bases: Vec<&Path> = bases.collect();
    let Some(base) = bases.first() else { return };
    let same = |one: &Path, other: &Path| {
        let (one, other) = (one.canonicalize(), other.canonicalize());
        one.is_ok_and(|one| other.is_ok_and(|other| one == other))
    };
    for name in ["group_vars", "host_vars"] {
        let folder = plan_dir.join(name);
        let is_read =
            bases.iter().any(|base| same(plan_dir, base) || same(&folder, &base.join(name)));
        if folder.is_dir() && !is_read {
            let message = format!("`{}` is not read", folder.display());
            found.push(Diagnostic::warning(Code::VarsBesidePlan, message).help(format!(
                "put it beside the inventory, as `{}`: what is said of hosts belongs there",
                base.join(name).display()
            )));
        }
    }
}

/// Brings together what a plan is given; `None` where the file of inputs is of no use.
pub(super) fn given(
    values: &Values,
    plan_dir: &Path,
    sources: &mut Sources,
    found: &mut Diagnostics,
) -> Option<Given> {
    let file = match &values.inputs {
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
                // Which of them are secrets is not known.
                hide_inputs(id, sources);
            }
            let node = node?;
            if !is_map(&node) {
                let fault = Diagnostic::error(Code::InputsFile, "a file of inputs is a mapping");
                found.push(
                    fault
                        .at(node.span, format!("this is {}", node.kind()))
                        .help("write a line `NAME: VALUE` for each input"),
                );
                return None;
            }
            Some((id, node))
        }
    };
    Some(Given {
        set: values.set.clone(),
        file,
        environment: environment(found),
        without_secrets: false,
        limit: values.limit.clone(),
        plan_dir: plan_dir.to_owned(),
    })
}

/// Takes the values of a file of inputs out of what messages show: any of them may be a secret, also
/// one whose name is misspelled.
pub(super) fn hide_inputs(id: SourceId, sources: &mut Sources) {
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
fn environment(found: &mut Diagnostics) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(ENVIRONMENT)) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => variables.push((name.to_owned(), value)),
            Err(_) => found.push(
                Diagnostic::error(Code::NotUtf8, format!("`{name}` is not UTF-8 text"))
                    .help("give the environment variable as UTF-8"),
            ),
        }
    }
    variables.sort();
    variables
}

/// Returns the directory of a file, `.` for a bare name.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(path: &Path) -> (Code, String) {
        let fault = content(path, &path.display().to_string()).unwrap_err();
        (fault.code, fault.message)
    }

    #[test]
    fn a_value_is_split_at_the_first_equals_sign() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(assignment("wait=15m"), pair("wait", "15m"));
        assert_eq!(assignment("query=a=b"), pair("query", "a=b"));
        assert_eq!(assignment("note="), pair("note", ""));
        assert!(assignment("wait").is_err());
        assert!(assignment("=15m").is_err());
        assert!(assignment("a b=1").is_err());
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_kind() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(code_of(&dir.path().join("none.yaml")).0, Code::NoSuchFile);
        let (code, message) = code_of(dir.path());
        assert_eq!(code, Code::UnreadableFile);
        assert!(message.ends_with("is a directory, not a file"), "{message}");
        let latin = dir.path().join("latin.yaml");
        std::fs::write(&latin, b"a: 1\nb: caf\xe9\n").unwrap();
        let (code, message) = code_of(&latin);
        assert_eq!(code, Code::NotUtf8);
        assert!(message.ends_with("line 2"), "{message}");
    }

    #[test]
    fn inputs_in_a_list_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inputs.yaml");
        std::fs::write(&path, "- wait\n").unwrap();
        let values = Values { inputs: Some(path), ..Values::default() };
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let given = given(&values, dir.path(), &mut sources, &mut found);
        assert!(given.is_none());
        assert_eq!(found.sorted()[0].code, Code::InputsFile);
    }

    #[test]
    fn a_bare_name_is_in_this_directory() {
        assert_eq!(directory(Path::new("p.yaml")), Path::new("."));
        assert_eq!(directory(Path::new("plans/p.yaml")), Path::new("plans"));
    }
}
