//! Converts variables to a [`Link`]: how to connect to a host.
//!
//! Ansible's own variables keep their meaning; planrun's start with `planrun_`. A value is checked once,
//! at its location, however many hosts share it. Relative paths are made absolute: as in Ansible, they
//! are relative to the working directory, and a run may be resumed in another one. Whether a key file
//! exists and is safe is checked by the transport.

use std::collections::HashSet;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::file::absolute;
use crate::inventory::draft::{self, Given, unsafe_name};
use crate::inventory::{BecomeMethod, Connection, Link, Locking, SecretFrom, is_lock_dir};
use crate::inventory::{route, user};
use crate::source::Span;

// If a variable has several names, the one that Ansible prefers is first.
const ADDRESS: [&str; 2] = ["ansible_ssh_host", "ansible_host"];
const PORT: [&str; 2] = ["ansible_ssh_port", "ansible_port"];
const USER: [&str; 2] = ["ansible_ssh_user", "ansible_user"];
const TIMEOUT: [&str; 2] = ["ansible_ssh_timeout", "ansible_timeout"];
const KEY: [&str; 2] = ["ansible_ssh_private_key_file", "ansible_private_key_file"];

const MAX_CONNECT_TIMEOUT: u64 = 3600;

pub(super) struct LinkReader<'a> {
    /// The variables of the host that is read.
    pub(super) vars: HostVars<'a>,
    pub(super) found: &'a mut Diagnostics,
    reported: HashSet<(Span, Code)>,
    home: Option<String>,
    /// The directory of locks of hosts whose inventory does not name one.
    lock_dir: Option<String>,
}

type HostVars<'a> = IndexMap<&'a str, &'a Given>;

impl<'a> LinkReader<'a> {
    /// Starts to read; `~` is the home of the user who runs planrun.
    pub(super) fn new(found: &'a mut Diagnostics) -> Self {
        let home = std::env::var("HOME").ok().filter(|home| !home.is_empty());
        let lock_dir = std::env::var("PLANRUN_LOCK_DIR").ok().filter(|dir| is_lock_dir(dir));
        Self { vars: IndexMap::new(), found, reported: HashSet::new(), home, lock_dir }
    }

    pub(super) fn link(&mut self, host: &str, place: Span) -> Link {
        let connection = self.connection();
        let model = self.text(&["planrun_model"]);
        if connection == Connection::Model && model.is_none() && self.is_new(place, Code::NoModel) {
            let message = format!("missing model for `{host}`");
            let missing = Diagnostic::error(Code::NoModel, message);
            self.found.push(
                missing
                    .at(place, "`planrun_model` is not set")
                    .help("set it for all hosts: `planrun_model: models/NAME.yaml`"),
            );
        }
        if connection == Connection::OpenSsh {
            for name in ["planrun_password", "planrun_passphrase"] {
                if let Some(given) = self.known(&[name]) {
                    let message =
                        format!("`{name}` is not implemented for the connection `openssh`");
                    let fault = Diagnostic::error(Code::NotYet, message);
                    let fault =
                        fault.help("put the key into an agent, or use the connection `ssh`");
                    self.report(fault, given, "`ssh` is not given it");
                }
            }
        }
        Link {
            connection,
            address: self
                .name(&ADDRESS, "host address", draft::wrong, draft::LETTERS)
                .unwrap_or_else(|| host.to_owned()),
            port: self.port(),
            user: self.user(&USER),
            connect_timeout: self.seconds(&TIMEOUT),
            identity_file: self.path(&KEY),
            known_hosts: self.path(&["planrun_known_hosts"]),
            ssh_args: {
                let set = route::OPTIONS.iter().filter_map(|&name| self.vars.get(name));
                set.flat_map(|given| route::arguments(&given.value)).collect()
            },
            password: self.secret("planrun_password"),
            passphrase: self.secret("planrun_passphrase"),
            // Another one is reported as without effect.
            become_method: self
                .text(&["ansible_become_method"])
                .and_then(|name| BecomeMethod::named(&name))
                .unwrap_or_default(),
            become_password: self.secret("planrun_become_password"),
            r#become: self.bool("ansible_become"),
            become_user: self.user(&["ansible_become_user"]),
            locking: self.locking(),
            model,
            state: self.state(),
        }
    }

    fn connection(&mut self) -> Connection {
        if let Some((given, text)) = self.given_text(&["planrun_connection"]) {
            if let Ok(known) = text.parse() {
                return known;
            }
            let near = nearest(&text, ["ssh", "openssh", "local", "model"]);
            let message = format!("unknown connection `{text}`");
            let fault = Diagnostic::error(Code::InventoryValue, message)
                .suggest(near, "use `ssh`, `openssh`, `local` or `model`");
            self.report(fault, given, "");
            return Connection::Ssh;
        }
        let Some((given, text)) = self.given_text(&["ansible_connection"]) else {
            return Connection::Ssh;
        };
        if !route::is_known(&text) {
            let message = format!("the connection `{text}` is not supported");
            let fault = Diagnostic::warning(Code::ForeignConnection, message);
            let fault = fault.help("to use SSH, set `planrun_connection: ssh`");
            self.report(fault, given, "planrun cannot connect to these hosts");
        }
        match text.rsplit('.').next() {
            Some("local") if route::is_known(&text) => Connection::Local,
            _ => Connection::Ssh,
        }
    }

    fn locking(&mut self) -> Locking {
        if let Some((given, text)) = self.given_text(&["planrun_locks"]) {
            if text == "none" {
                return Locking::None;
            }
            let message = "`planrun_locks` can only be `none`";
            let fault = Diagnostic::error(Code::InventoryValue, message);
            let fault = fault.help("write `none`, or remove the variable: then runs lock the host");
            self.report(fault, given, "unknown value");
        }
        if let Some((given, dir)) = self.given_text(&["planrun_lock_dir"]) {
            if is_lock_dir(&dir) {
                return Locking::Dir(dir);
            }
            let message = "invalid `planrun_lock_dir`: expected an absolute path of letters, digits and \
                           `/._-@:+`";
            let fault = Diagnostic::error(Code::InventoryValue, message);
            let fault = fault.help("name a directory of the host, as in `/var/lib/planrun`");
            self.report(fault, given, "not such a path");
        }
        self.lock_dir.clone().map_or(Locking::Usual, Locking::Dir)
    }

    fn port(&mut self) -> Option<u16> {
        let message = "invalid port: expected an integer from 1 to 65535";
        let help = "write a valid port, or remove the variable";
        let port = self.number(&PORT, u64::from(u16::MAX), message, help)?;
        u16::try_from(port).ok()
    }

    /// Reads a number of seconds; Ansible accepts no other unit here.
    fn seconds(&mut self, names: &[&'static str]) -> Option<Duration> {
        let max = MAX_CONNECT_TIMEOUT;
        let message = format!("invalid timeout: expected seconds from 1 to {max}");
        let help = "write a number of seconds, or remove the variable";
        self.number(names, max, &message, help).map(Duration::from_secs)
    }

    /// Reads a positive integer; another value is an error with this message and help.
    fn number(
        &mut self,
        names: &[&'static str],
        max: u64,
        message: &str,
        help: &str,
    ) -> Option<u64> {
        let given = self.known(names)?;
        // `0022` is 18 in YAML 1.1, but its author meant 22.
        let number = match given.as_written() {
            Value::String(text) if text.trim().starts_with('0') => None,
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_u64(),
        };
        let number = number.filter(|number| (1..=max).contains(number));
        number.or_else(|| self.wrong(given, message, help))
    }

    fn bool(&mut self, name: &'static str) -> Option<bool> {
        let given = self.known(&[name])?;
        let word = match &*given.value {
            Value::Bool(value) => return Some(*value),
            Value::Number(number) => number.as_f64().map(|number| number.to_string()),
            Value::String(text) => Some(text.trim().to_ascii_lowercase()),
            _ => None,
        };
        match word.as_deref() {
            Some("true" | "yes" | "on" | "y" | "t" | "1") => Some(true),
            Some("false" | "no" | "off" | "n" | "f" | "0") => Some(false),
            _ => self.wrong(given, &format!("`{name}` is not a bool"), "write `true` or `false`"),
        }
    }

    /// Reads a name that must be valid; `what` is what it names.
    fn name(
        &mut self,
        names: &[&'static str],
        what: &'static str,
        wrong: fn(&str) -> Option<String>,
        letters: &str,
    ) -> Option<String> {
        let (given, text) = self.given_text(names)?;
        let Some(why) = wrong(&text) else { return Some(text) };
        if self.is_new(given.place, Code::UnsafeName) {
            self.found.push(unsafe_name(what, &text, given.place, why, letters));
        }
        None
    }

    fn user(&mut self, names: &[&'static str]) -> Option<String> {
        self.name(names, "user name", user::wrong, user::LETTERS)
    }

    /// Reads a path; `~` is the home of the user.
    fn path(&mut self, names: &[&'static str]) -> Option<String> {
        let path = self.text(names)?;
        Some(whole_path(path, self.home.as_deref()))
    }

    /// Reads where a password comes from. A value that may be the password itself is not shown.
    fn secret(&mut self, name: &'static str) -> Option<SecretFrom> {
        let given = self.first(&[name])?;
        let text = given.value.as_str().unwrap_or_default();
        let from = match text.split_once(':') {
            None if text == "ask" => Some(SecretFrom::Ask),
            Some(("env", name)) if !name.is_empty() => Some(SecretFrom::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => {
                Some(SecretFrom::File(whole_path(path.to_owned(), self.home.as_deref())))
            }
            _ => None,
        };
        if from.is_none() && self.is_new(given.name, Code::InventoryValue) {
            let message = format!("`{name}` does not say where the password comes from");
            Diagnostic::error(Code::InventoryValue, message)
                .at(given.name, "expected `ask`, `env:NAME` or `file:PATH`")
                .help("never write a password into an inventory")
                .emit(self.found);
        }
        from
    }

    fn state(&mut self) -> IndexMap<String, Value> {
        let Some(given) = self.known(&["planrun_state"]) else { return IndexMap::new() };
        if let Value::Object(state) = &*given.value {
            return state.clone().into_iter().collect();
        }
        let help = "write the values that differ from the model: `planrun_state: {users: 50}`";
        let wrong = self.wrong(given, "`planrun_state` is not a mapping", help);
        wrong.unwrap_or_default()
    }

    fn text(&mut self, names: &[&'static str]) -> Option<String> {
        self.given_text(names).map(|(_, text)| text)
    }

    /// Returns the string of the first of these variables that is set.
    fn given_text(&mut self, names: &[&'static str]) -> Option<(&'a Given, String)> {
        let given = self.known(names)?;
        match given.as_written() {
            Value::String(text) => Some((given, text.clone())),
            // The name of a user may be a number.
            Value::Number(number) => Some((given, number.to_string())),
            value => {
                let name = names.iter().find(|&&name| self.vars.contains_key(name));
                let message = format!("`{}` is not a string", name.unwrap_or(&""));
                let help = match value {
                    Value::Array(_) | Value::Object(_) => "write a single string",
                    _ => "put quotes around it",
                };
                self.wrong(given, &message, help)
            }
        }
    }

    /// Returns the first of these variables that is set. An encrypted value is set.
    fn first(&self, names: &[&str]) -> Option<&'a Given> {
        let mut set = names.iter().filter_map(|&name| self.vars.get(name).copied());
        set.find(|given| given.encrypted || !given.value.is_null())
    }

    /// Returns the first of these variables that is set, unless its value cannot be known here, which is
    /// reported: it is encrypted, or contains a template.
    fn known(&mut self, names: &[&str]) -> Option<&'a Given> {
        let given = self.first(names)?;
        let text = given.value.as_str().unwrap_or_default();
        if given.encrypted {
            let message = "this connection variable is encrypted by a vault";
            let fault = Diagnostic::error(Code::VaultValue, message);
            let fault = fault.help("write the value without encryption: it is not a password");
            self.report(fault, given, "planrun cannot decrypt vaults");
            None
        } else if text.contains("{{") || text.contains("{%") {
            let message = "templates are not allowed in inventory values";
            let fault = Diagnostic::error(Code::TemplateInInventory, message);
            let fault = fault.help("write the value for each host or group");
            self.report(fault, given, "not rendered");
            None
        } else {
            Some(given)
        }
    }

    /// Reports a value of the wrong type.
    fn wrong<T>(&mut self, given: &Given, message: &str, help: &str) -> Option<T> {
        let label = match &*given.value {
            Value::Null => "this is empty",
            Value::Bool(_) => "this is a bool",
            Value::Number(_) => "this is a number",
            Value::String(_) => "this is a string",
            Value::Array(_) => "this is a list",
            Value::Object(_) => "this is a mapping",
        };
        let fault = Diagnostic::error(Code::InventoryValue, message);
        self.report(fault.help(help), given, label);
        None
    }

    /// Adds a diagnostic about a value, once.
    fn report(&mut self, fault: Diagnostic, given: &Given, label: &str) {
        if self.is_new(given.place, fault.code) {
            self.found.push(fault.at(given.place, label));
        }
    }

    fn is_new(&mut self, place: Span, code: Code) -> bool {
        self.reported.insert((place, code))
    }
}

/// Returns an absolute path, with the home of the user for `~`; `~other` is not changed.
fn whole_path(path: String, home: Option<&str>) -> String {
    let below = path.strip_prefix('~');
    let below = below.filter(|below| below.is_empty() || below.starts_with('/'));
    match (home, below) {
        (Some(home), Some(below)) => absolute(&format!("{}{below}", home.trim_end_matches('/'))),
        _ if path.starts_with('~') => path,
        _ => absolute(&path),
    }
}
