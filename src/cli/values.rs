//! The options that give a plan its values and hosts.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::duration;
use crate::load::Request;

/// The values of a plan, and the hosts it is limited to.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Values {
    /// Work only on these hosts of the plan: a host pattern as in Ansible (`backend1`, `web:!web3`)
    #[arg(long, short, value_name = "PATTERN")]
    pub(super) limit: Option<String>,
    /// Work on at most so many hosts at a time: lowers `serial` of the plan, also in its list and its groups
    #[arg(long, value_name = "HOSTS", value_parser = at_least_one)]
    pub(super) serial: Option<NonZeroUsize>,
    /// Set an input of the plan; repeat it for more
    #[arg(long = "set", short = 's', value_name = "NAME=VALUE", value_parser = assignment)]
    pub(super) set: Vec<(String, String)>,
    /// Read inputs from a YAML or JSON file; `--set` takes precedence
    #[arg(long, value_name = "FILE")]
    pub(super) inputs: Option<PathBuf>,
}

impl Values {
    /// Returns what is to be loaded with them, and with these inventories.
    pub(super) fn request(&self, inventories: &[String]) -> Request {
        Request {
            secret_commands: Vec::new(),
            inventories: inventories.to_owned(),
            set: self.set.clone(),
            inputs: self.inputs.clone(),
            limit: self.limit.clone(),
            serial: self.serial,
            environment: std::env::vars_os().collect(),
        }
    }
}

/// Reads a number of hosts.
fn at_least_one(word: &str) -> Result<NonZeroUsize, String> {
    word.parse().map_err(|_| "write a number of hosts, at least 1".to_owned())
}

/// Reads a duration of an option.
pub(super) fn duration(word: &str) -> Result<Duration, String> {
    duration::parse(word).ok_or_else(|| "write a duration with its unit: `30s`, `2m`".to_owned())
}

/// How fast the time of a model passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Speed {
    /// So many seconds in a second; more than 0.
    Times(f64),
    /// It does not pass, it jumps.
    Max,
}

impl Speed {
    /// The flagship takes half a minute.
    pub(super) const USUAL: Self = Self::Times(100.0);

    /// Returns how many seconds pass in a second; `None` if time jumps.
    pub(super) fn times(self) -> Option<f64> {
        match self {
            Self::Times(times) => Some(times),
            Self::Max => None,
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(out, "{times}"),
            Self::Max => out.write_str("max"),
        }
    }
}

/// Reads the pace of a model's time.
pub(super) fn speed(word: &str) -> Result<Speed, String> {
    if word == "max" {
        return Ok(Speed::Max);
    }
    let times = word.parse().ok().filter(|times: &f64| times.is_finite() && *times >= 0.01);
    times.map(Speed::Times).ok_or_else(|| {
        "write how many seconds of the model pass in a second, at least 0.01, or `max`".to_owned()
    })
}

/// Splits `NAME=VALUE`; the value may be empty and may contain more `=`.
pub(super) fn assignment(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((name, value))
            if !name.is_empty()
                && !name.contains(|c: char| c.is_whitespace() || c.is_control()) =>
        {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
