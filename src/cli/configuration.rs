//! The configuration of the user: `planrun/config.yaml` in their configuration directory.
//!
//! It names commands that print secrets, and planrun runs these; it names the inventory of a run. So it is
//! never read from the working directory, or from next to a plan: a repository that was checked out must
//! not start programs or redirect a run. The file and its directory must belong to the user, or to root,
//! and no one else may write to them.
//!
//! A command reads it once, when it first needs a setting. A file with an error has no settings: what was
//! meant is not known, so a command that needs one fails ([`crate::cli::setting`]). Not here: which setting
//! is in force.

mod targets;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::{ColorChoice, ValueEnum as _};

use crate::cli::values::Speed;
use crate::cli::view::Output;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::{self, Node, Value};
use crate::inventory::find::configuration;
use crate::notify::Target;
use crate::schema;
use crate::schema::{RecordId, Shape};
use crate::source::Sources;

/// The file, as it was read.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    /// Its path; `None` if the user has no configuration directory.
    pub(super) path: Option<PathBuf>,
    pub(super) exists: bool,
    pub(super) sources: Sources,
    pub(super) found: Diagnostics,
    settings: Settings,
}

/// A value of the file, and its line.
#[derive(Clone, Debug)]
pub(super) struct Set<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// The commands that print secrets, by the names of inputs.
pub(super) type SecretCommands = Vec<(String, Vec<String>)>;

/// What the file sets.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) inventory: Option<Set<Vec<String>>>,
    pub(super) state_dir: Option<Set<PathBuf>>,
    pub(super) color: Option<Set<ColorChoice>>,
    pub(super) output: Option<Set<Output>>,
    pub(super) pace: Option<Set<Speed>>,
    pub(super) secrets: Option<Set<SecretCommands>>,
    pub(super) notify: Option<Set<Vec<Target>>>,
}

impl Settings {
    /// Returns who is notified of what happens in a run.
    pub(super) fn targets(&self) -> &[Target] {
        self.notify.as_ref().map_or(&[], |set| &set.value)
    }

    /// Returns the commands that print secrets, by the names of inputs.
    pub(super) fn secret_commands(&self) -> SecretCommands {
        self.secrets.as_ref().map(|set| set.value.clone()).unwrap_or_default()
    }
}

impl Configuration {
    /// Reads the file; one that does not exist sets nothing.
    pub(super) fn read() -> Self {
        let mut read = Self {
            path: configuration().map(|directory| directory.join("planrun/config.yaml")),
            ..Self::default()
        };
        let Some(file) = read.path.clone() else { return read };
        // A link that leads nowhere exists, and cannot be read.
        let missing = [ErrorKind::NotFound, ErrorKind::NotADirectory];
        read.exists =
            fs::symlink_metadata(&file).err().is_none_or(|error| !missing.contains(&error.kind()));
        if !read.exists {
            return read;
        }
        if let Some(fault) = file.ancestors().take(2).find_map(unsafe_place) {
            read.found.push(fault);
            return read;
        }
        if let Some(node) = read.node(&file) {
            let settings = read.lower(&node, &file);
            read.settings = settings;
        }
        read
    }

    /// Returns what the file sets; `None` if it has an error.
    pub(super) fn settings(&self) -> Option<&Settings> {
        (!self.found.has_errors()).then_some(&self.settings)
    }

    /// Reads and checks the document; `None` if it sets nothing or has an error.
    fn node(&mut self, file: &Path) -> Option<Node> {
        let shown = file.display().to_string();
        let id = match self.sources.read(file, &shown) {
            Ok(id) => id,
            Err(error) => {
                self.found.push(Diagnostic::unreadable(&shown, &error));
                return None;
            }
        };
        let node = document::parse(&self.sources, id, &mut self.found)?;
        if matches!(node.value, Value::Null) {
            return None;
        }
        let record = RecordId::named("configuration").expect("the tables have it");
        schema::check(&node, &Shape::Record(record), &mut self.found);
        self.hide_addresses(&node);
        (!self.found.has_errors()).then_some(node)
    }

    /// Returns what a document that has passed the check sets.
    fn lower(&mut self, node: &Node, file: &Path) -> Settings {
        let notify = node.entry("notify").map(|entry| self.targets(&entry.value, file));
        let set = |key: &str| {
            let entry = node.entry(key)?;
            let source = self.sources.get(entry.key_span.source);
            Some((&entry.value, source.line_column(entry.key_span.range().start).0))
        };
        let notify = notify.zip(set("notify")).map(|(value, (_, line))| Set { value, line });
        let word = |key: &str| set(key).and_then(|(node, line)| Some((node.as_text()?, line)));
        let inventory = set("inventory").map(|(node, line)| {
            let one = std::slice::from_ref(node);
            let items = if matches!(node.value, Value::List(_)) { node.items() } else { one };
            let value = items.iter().filter_map(Node::as_text).map(|name| inventory(name, file));
            Set { value: value.collect(), line }
        });
        let secrets = set("secrets").map(|(node, line)| {
            let entries = node.entries().iter();
            let value = entries.map(|entry| (entry.key.clone(), words(&entry.value, file)));
            Set { value: value.collect(), line }
        });
        Settings {
            inventory,
            state_dir: word("state_dir").map(|(text, line)| Set { value: path(text, file), line }),
            color: word("color").and_then(|(text, line)| {
                Some(Set { value: ColorChoice::from_str(text, false).ok()?, line })
            }),
            output: word("output").and_then(|(text, line)| {
                Some(Set { value: Output::from_str(text, false).ok()?, line })
            }),
            pace: set("pace").map(|(node, line)| Set { value: pace(node), line }),
            secrets,
            notify,
        }
    }
}

/// Returns an inventory that the file names: a path is one of the file, a name is searched as always.
fn inventory(name: &str, file: &Path) -> String {
    let is_list = name.contains(',');
    if name.contains('/') && !is_list {
        path(name, file).display().to_string()
    } else {
        name.to_owned()
    }
}

/// Returns a path that the file names: relative to its directory, or with `~/` to the home directory.
fn path(text: &str, file: &Path) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => file.parent().unwrap_or(file).join(text),
    }
}

/// Returns a pace that has passed the check.
fn pace(node: &Node) -> Speed {
    match node.value {
        #[expect(clippy::cast_precision_loss, reason = "a speed")]
        Value::Int(times) => Speed::Times(times as f64),
        _ => Speed::Max,
    }
}

/// Returns the words of a command; the program by its path, which never depends on the working directory: one
/// that is not in PATH is searched next to the file.
fn words(node: &Node, file: &Path) -> Vec<String> {
    let mut words: Vec<String> =
        node.items().iter().filter_map(Node::as_text).map(str::to_owned).collect();
    if let Some(program) = words.first_mut() {
        let found = Some(&*program).filter(|program| !program.contains('/'));
        let found = found.and_then(|program| in_path(program));
        *program = found.unwrap_or_else(|| path(program, file)).display().to_string();
    }
    words
}

/// Returns the path of a program.
fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders.find_map(|folder| {
        let file = folder.join(program);
        let mode = fs::metadata(&file).ok().filter(fs::Metadata::is_file)?.mode();
        (mode & 0o111 != 0).then_some(file)
    })
}

/// Returns why a file, or its directory, must not be used, if another user could have changed the file.
fn unsafe_place(place: &Path) -> Option<Diagnostic> {
    let found = fs::metadata(place).ok()?;
    let is_own = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
    let why = match (is_own, found.mode() & 0o022 == 0) {
        (true, true) => return None,
        (false, _) => "belongs to another user",
        (true, false) => "can be written by other users",
    };
    let shown = place.display();
    let fault = Diagnostic::error(Code::UserConfiguration, format!("`{shown}` {why}"))
        .help("planrun runs commands that it names; make sure that only you can write to it");
    Some(fault.help(format!("`chmod go-w {}`", crate::quote::readable(&shown.to_string()))))
}
