//! Secrets of a run: the values of inputs that are `sensitive`.
//!
//! They are found as other inputs are and then kept apart: they are in no [`ResolvedPlan::inputs`],
//! in no variable of the inventory that is kept, and no text but `stdin` and what an upload renders
//! can see them. A run is kept without them, so a resume asks the same sources again ([`again`]).
//! If the text that they were read from is available, they are blotted out in it: a message may show
//! the line. Secret files have a part of their own.

pub(super) mod files;

use indexmap::IndexMap;
use minijinja::Value;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::file::FileSystem;
use crate::inventory::{HostName, Inventory};
use crate::plan::{Input, Plan};
use crate::resolve::secrets::files::Files;
use crate::resolve::{Inputs, ResolvedPlan, inputs};
use crate::secret::{Redactor, SHORTEST, Secret};
use crate::source::Sources;
use crate::template::Names;

/// Values of inputs, host by host.
type Values = IndexMap<HostName, IndexMap<String, serde_json::Value>>;

/// The secrets of a run.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Host by host, by the names of the inputs.
    of_hosts: IndexMap<HostName, IndexMap<String, Secret>>,
    files: Files,
    /// Finds them where they do not belong.
    pub redactor: Redactor,
}

impl Secrets {
    /// Returns the additional names that `stdin` and uploads of a host can use.
    pub fn names(&self, host: &HostName) -> Names {
        // Those that `setup` and `finish` use are the same on all hosts.
        let any = || self.of_hosts.values().next();
        let secrets = self.of_hosts.get(host).or_else(any).into_iter().flatten();
        let exposed = secrets.map(|(name, secret)| {
            let value = if secret.is_list() {
                secret.expose().map(Value::from).collect::<Vec<_>>().into()
            } else {
                secret.expose().next().map_or(Value::UNDEFINED, Value::from)
            };
            (name.clone(), value)
        });
        exposed.collect()
    }

    /// Returns what other texts and conditions of a host see of optional secrets: that they are given.
    pub(super) fn marks(&self, plan: &Plan, host: &HostName) -> Names {
        let given = self.of_hosts.get(host).into_iter().flatten();
        let optional =
            given.filter(|(name, _)| plan.inputs.get(*name).is_some_and(|input| input.optional));
        optional.map(|(name, _)| (name.clone(), Value::from(format!("«secret {name}»")))).collect()
    }

    /// Returns the content of the file at a path as inputs name it, if it is a secret.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path)
    }

    /// Takes them out of values; what is left are inputs that may be shown.
    pub(super) fn take(plan: &Plan, values: &mut Values) -> Self {
        let mut secrets = Self::default();
        for (host, values) in values.iter_mut() {
            let mut own = IndexMap::new();
            for (name, _) in hidden(plan) {
                if let Some(value) = values.shift_remove(name) {
                    own.insert(name.clone(), secret(value));
                }
            }
            if !own.is_empty() {
                secrets.of_hosts.insert(host.clone(), own);
            }
        }
        secrets.redactor = Redactor::new(secrets.each());
        secrets
    }

    /// Reads the files that are secrets; `help` says what to do about one that cannot be read.
    pub(super) fn read(
        &mut self,
        plan: &Plan,
        inputs: &Values,
        help: &str,
        disk: &dyn FileSystem,
        found: &mut Diagnostics,
    ) {
        self.files = Files::read(plan, inputs, help, disk, found);
        self.redactor = Redactor::new(self.each());
    }

    /// Returns all texts and files with the names of their inputs.
    fn each(&self) -> Vec<(&str, &[u8])> {
        let secrets = self.of_hosts.values().flatten();
        let texts = secrets.flat_map(|(name, secret)| {
            let texts = secret.expose();
            texts.map(move |text| (name.as_str(), text.as_bytes()))
        });
        texts.chain(self.files.each()).collect()
    }
}

fn secret(value: serde_json::Value) -> Secret {
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    match value {
        serde_json::Value::Array(items) => Secret::list(items.into_iter().map(text)),
        value => Secret::text(text(value)),
    }
}

/// Whether a run of a plan needs secrets.
pub fn are_needed(plan: &Plan) -> bool {
    plan.inputs.values().any(|input| input.sensitive)
}

/// Returns the inputs whose values are secrets; a secret file is none of them, by its path.
pub fn hidden(plan: &Plan) -> impl Iterator<Item = (&String, &Input)> {
    plan.inputs.iter().filter(|(_, input)| input.is_hidden())
}

/// Takes secrets out of all that is kept or shown: the variables of hosts, and the texts at hand.
pub(super) fn hide(plan: &Plan, inventory: &mut Inventory, given: &Inputs, sources: &mut Sources) {
    for (name, _) in hidden(plan) {
        for host in inventory.hosts.values_mut() {
            let variable = host.vars.shift_remove(name);
            if let Some(place) = variable.and_then(|variable| variable.place.0) {
                sources.blot(place);
            }
        }
        let node = given.file.as_ref().and_then(|(_, node)| node.get(name));
        if let Some(node) = node {
            sources.blot(node.span);
        }
    }
}

pub(super) fn check(
    resolved: &ResolvedPlan,
    given: &Inputs,
    sources: &Sources,
    found: &mut Diagnostics,
) {
    let inputs = resolved.plan.inputs.iter();
    for (name, input) in inputs.filter(|(_, input)| input.sensitive) {
        if input.is_hidden() && given.set.iter().any(|(set, _)| set == name) {
            let message = format!("`--set` exposes secret `{name}` to every user of this machine");
            Diagnostic::warning(Code::SecretOnCommandLine, message)
                .at(input.span, "declared as a secret")
                .help(format!(
                    "set it in the environment (`{}`), in a file (`--inputs FILE`) or in the \
                         inventory",
                    inputs::variable(name)
                ))
                .emit(found);
        }
        let short = resolved.secrets.each().into_iter();
        if short.filter(|(of, _)| of == name).any(|(_, bytes)| bytes.trim_ascii().len() < SHORTEST)
        {
            let message = format!("secret `{name}` has fewer than {SHORTEST} bytes");
            Diagnostic::warning(Code::ShortSecret, message)
                .at(input.span, "too short to redact from output without false matches")
                .help("use a longer secret, or make sure that no command prints it")
                .emit(found);
        }
    }
    copied(resolved, sources, found);
}

/// Reports secrets that would be stored, inside other values.
fn copied(resolved: &ResolvedPlan, sources: &Sources, found: &mut Diagnostics) {
    let redactor = &resolved.secrets.redactor;
    if redactor.is_idle() {
        return;
    }
    let fault = |what: String| {
        Diagnostic::error(Code::SecretInOtherValue, what)
            .help("remove it there: everything except secrets is stored with the run")
            .help("or use a secret that occurs neither in the plan nor in the inventory")
    };
    // Where it is written is not shown: that would show the secret.
    let mut inputs = hidden(&resolved.plan);
    if inputs.any(|(_, input)| redactor.finds(sources.get(input.span.source).text())) {
        found.push(fault(format!("the text of plan {} contains a secret", resolved.plan.name)));
    }
    if resolved.inventory.hosts.keys().any(|name| redactor.finds(name.as_str())) {
        found.push(fault("the name of a host contains a secret".to_owned()));
    }
    for host in resolved.inventory.hosts.values() {
        for (name, variable) in &host.vars {
            if redactor.finds(&variable.value.to_string()) {
                let (origin, host) = (&variable.origin, &host.name);
                found.push(fault(format!(
                    "variable `{name}` of {host} contains a secret ({origin})"
                )));
            }
        }
    }
    for (host, values) in &resolved.inputs {
        for (name, value) in values {
            if redactor.finds(&value.to_string()) {
                found.push(fault(format!("input `{name}` of {host} contains a secret")));
            }
        }
    }
}

/// Reports secret files that would be stored, inside other files.
pub(super) fn copied_files(resolved: &ResolvedPlan, found: &mut Diagnostics) {
    resolved.secrets.files.copied(resolved, found);
}

/// Finds the secrets of a resumed run, which was stored without them.
///
/// The inventory is the one the run was started with, read again if possible; `given` is what the
/// operator passes now. All problems are reported, including every missing secret.
pub fn again(
    resolved: &mut ResolvedPlan,
    inventory: Option<Inventory>,
    given: &Inputs,
    sources: &mut Sources,
    found: &mut Diagnostics,
) {
    let hosts = resolved.hosts.clone();
    let mut inventory = inventory.unwrap_or_else(|| resolved.inventory.clone());
    // A host that is gone from the inventory since is still a host of the run.
    for (name, host) in &resolved.inventory.hosts {
        if !inventory.hosts.contains_key(name) {
            inventory.hosts.insert(name.clone(), host.clone());
        }
    }
    let wanted = Input::is_hidden;
    let (mut values, _) =
        inputs::values(&resolved.plan, wanted, &inventory, &hosts, given, sources, found);
    resolved.secrets = Secrets::take(&resolved.plan, &mut values);
    let help = "restore the file: its content is a secret and was not stored";
    let (plan, inputs) = (&resolved.plan, &resolved.inputs);
    resolved.secrets.read(plan, inputs, help, &*sources.files(), found);
    hide(&resolved.plan, &mut inventory, given, sources);
    check(resolved, given, sources, found);
}
