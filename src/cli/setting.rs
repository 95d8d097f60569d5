//! Settings: which value is in force, and where it comes from.
//!
//! An option of the command line comes first, then the environment, then the configuration of the user, then
//! the default. A command that needs a setting of a configuration with an error fails, with the diagnostics:
//! another state directory or another inventory than the user meant would mislead them. Only colour
//! falls back to its default; a warning at the end of the command says so.

use std::fmt;
use std::path::PathBuf;

use clap::ColorChoice;

use crate::cli::configuration::{Set, Settings};
use crate::cli::values::Speed;
use crate::cli::view::Output;
use crate::cli::{Context, Exit, Fault, print};
use crate::report::text::{list, printable};
use crate::store;

/// The environment variables of settings.
const INVENTORY: &str = "PLANRUN_INVENTORY";
const NO_COLOR: &str = "NO_COLOR";

/// What to do if a command needs the whole configuration.
const FIX: &str = "fix the file; to check it, run `planrun config`";

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Option(&'static str),
    Environment(&'static str),
    /// The configuration of the user.
    File {
        path: PathBuf,
        line: usize,
    },
    Default,
}

/// The value of a setting that is in force.
#[derive(Clone, Debug)]
pub(super) struct InForce<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

impl<T> InForce<T> {
    fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    fn default(value: T) -> Self {
        Self::new(value, Origin::Default)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) | Self::Environment(name) => out.write_str(name),
            Self::File { path, line } => write!(out, "{}:{line}", path.display()),
            Self::Default => out.write_str("default"),
        }
    }
}

/// Returns a variable of the environment that is set and not empty.
fn variable(name: &str) -> Option<String> {
    // A path that is not UTF-8 cannot be shown, and is not used.
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Context {
    /// Returns what the configuration of the user sets; an error says what is wrong with it.
    pub(super) fn settings(&self) -> Result<&Settings, Fault> {
        self.configuration().settings().ok_or_else(|| self.unusable(FIX))
    }

    /// Shows what is wrong with the configuration, and what to do about it.
    pub(super) fn unusable(&self, help: &str) -> Fault {
        let read = self.configuration();
        let what = "your configuration is not used, and nothing was changed";
        print::refuse(&read.found, &read.sources, what, self);
        self.configuration_was_reported();
        self.say(&format!("{} {help}", self.strong("help:")));
        Fault::reported(Exit::INVALID)
    }

    /// Returns the state directory; `None` if it depends on a configuration with an error.
    pub(super) fn state_dir(&self) -> Option<InForce<PathBuf>> {
        let option = self.state_dir_option().map(|path| (path, Origin::Option("--state-dir")));
        let set = option.or_else(|| {
            let path = store::named_dir()?;
            Some((path, Origin::Environment(store::STATE_DIR)))
        });
        let set = set.map(|(value, origin)| InForce::new(value, origin));
        self.or_file(
            set,
            |settings| settings.state_dir.clone(),
            || InForce::default(store::default_dir()),
        )
    }

    /// Returns when to use colour; `None` if that depends on a configuration with an error.
    pub(super) fn color(&self) -> Option<InForce<ColorChoice>> {
        let is_refused = std::env::var_os(NO_COLOR).is_some_and(|value| !value.is_empty());
        let set = match self.color_option() {
            // `--color auto` means what `auto` always means.
            Some(ColorChoice::Auto) | None if is_refused => {
                Some(InForce::new(ColorChoice::Never, Origin::Environment(NO_COLOR)))
            }
            option => option.map(|value| InForce::new(value, Origin::Option("--color"))),
        };
        self.or_file(set, |settings| settings.color.clone(), || InForce::default(ColorChoice::Auto))
    }

    /// Returns how a run is shown, if the command line does not say it; `None` if that depends on a
    /// configuration with an error.
    pub(super) fn output(&self) -> Option<InForce<Output>> {
        self.or_file(
            None,
            |settings| settings.output.clone(),
            || InForce::default(Output::default()),
        )
    }

    /// Returns the pace of a model in the live view; `None` if that depends on a configuration with an error.
    pub(super) fn pace(&self) -> Option<InForce<Speed>> {
        self.or_file(None, |settings| settings.pace.clone(), || InForce::default(Speed::USUAL))
    }

    /// Returns the pace of a model in the live view.
    pub(super) fn usual_pace(&self) -> Result<Speed, Fault> {
        self.pace().map(|set| set.value).ok_or_else(|| self.unusable(FIX))
    }

    /// Returns how a run is shown: as the option of the command says, or else as it is set.
    pub(super) fn output_or(&self, option: Option<Output>) -> Result<Output, Fault> {
        match option {
            Some(output) => Ok(output),
            None => self.output().map(|set| set.value).ok_or_else(|| self.unusable(FIX)),
        }
    }

    /// Returns the inventories that are used if the command line names none; `None` if that depends on a
    /// configuration with an error.
    pub(super) fn inventory(&self) -> Option<InForce<Vec<String>>> {
        let set = variable(INVENTORY)
            .map(|name| InForce::new(vec![name], Origin::Environment(INVENTORY)));
        self.or_file(set, |settings| settings.inventory.clone(), || InForce::default(Vec::new()))
    }

    /// Returns the inventories of the command line, or else those that are set, and says which these are.
    pub(super) fn inventory_or(&self, options: &[String]) -> Result<Vec<String>, Fault> {
        if !options.is_empty() {
            return Ok(options.to_vec());
        }
        let Some(InForce { value, origin }) = self.inventory() else {
            return Err(self.unusable("name it with `--inventory`"));
        };
        if origin != Origin::Default {
            let names = list(value.iter().map(|name| format!("`{name}`")), value.len());
            let line = format!("inventory {names}, as set by {origin}");
            self.say(&printable(&line));
        }
        Ok(value)
    }

    /// Returns a setting, or else what the file sets, or else the default; `None` if the file has an error.
    fn or_file<T>(
        &self,
        set: Option<InForce<T>>,
        of_file: impl FnOnce(&Settings) -> Option<Set<T>>,
        default: impl FnOnce() -> InForce<T>,
    ) -> Option<InForce<T>> {
        if set.is_some() {
            return set;
        }
        let of_file = of_file(self.configuration().settings()?);
        let with_place = |Set { value, line }| InForce::new(value, self.origin_in_file(line));
        Some(of_file.map_or_else(default, with_place))
    }

    /// Returns a line of the file.
    pub(super) fn origin_in_file(&self, line: usize) -> Origin {
        Origin::File { path: self.configuration().path.clone().unwrap_or_default(), line }
    }
}
