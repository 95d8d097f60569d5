//! Words of other tools, and what to write in planrun.
//!
//! Who comes from elsewhere writes what her fingers know: `register`, `timeoutSeconds`,
//! `ansible.builtin.service`. A [`Word`] says whose it is, what to write instead, and where it can
//! be done, how its own value is carried over, so that the help shows the very line to write. The
//! tables are data: [`step`] for what stands in steps and probes, [`plan`] for the places around
//! them, [`names`] for what stands in expressions, [`values`] for values, [`variables`] for
//! inventories. [`mod@file`] recognises whole files. `docs/coming-from.md` is made of the same tables.

pub mod carry;
pub mod file;
pub mod model;
pub mod names;
pub mod plan;
pub mod step;
pub mod values;
pub mod variables;

use crate::document::Entry;
use crate::schema::Record;
use crate::schema::foreign::carry::Carry;

/// A tool that people come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// Ansible: playbooks, roles, inventories.
    Ansible,
    /// GitHub Actions: workflows.
    Actions,
    /// AWS Systems Manager: automation and command documents.
    Ssm,
    /// Puppet Bolt: plans in YAML.
    Bolt,
    /// Salt: states and orchestration.
    Salt,
    /// Rundeck: jobs in YAML.
    Rundeck,
    /// Terraform.
    Terraform,
    /// cloud-init: cloud-config.
    CloudInit,
    /// planrun itself: a word at a place where it does not belong.
    Planrun,
}

/// A word of another tool.
#[derive(Debug)]
pub struct Word {
    /// The key.
    pub word: &'static str,
    /// Whose it is.
    pub tools: &'static [Tool],
    /// What to write instead, as an order; where it is empty, `carry` says all.
    pub say: &'static str,
    /// How its value is carried over.
    pub carry: Carry,
}

// Whose a word is, as the tables write it.
const ANSIBLE: &[Tool] = &[Tool::Ansible];
const ACTIONS: &[Tool] = &[Tool::Actions];
const SSM: &[Tool] = &[Tool::Ssm];
const BOLT: &[Tool] = &[Tool::Bolt];
const SALT: &[Tool] = &[Tool::Salt];
const RUNDECK: &[Tool] = &[Tool::Rundeck];
const TERRAFORM: &[Tool] = &[Tool::Terraform];
const CLOUD_INIT: &[Tool] = &[Tool::CloudInit];
const PLANRUN: &[Tool] = &[Tool::Planrun];

/// A word that is another key in planrun.
const fn is(tools: &'static [Tool], word: &'static str, key: &'static str) -> Word {
    carried(tools, word, Carry::Value(key), "")
}

/// A word for which there is only advice.
const fn say(tools: &'static [Tool], word: &'static str, say: &'static str) -> Word {
    carried(tools, word, Carry::Nothing, say)
}

/// A word with advice and a value that is carried over.
const fn carried(
    tools: &'static [Tool],
    word: &'static str,
    carry: Carry,
    say: &'static str,
) -> Word {
    Word { word, tools, say, carry }
}

/// The tables of a plan, each with the place its words are written at, for the manual.
pub static PLACES: &[(&str, &[Word])] = &[
    ("plan", plan::PLAN),
    ("`defaults`", plan::DEFAULTS),
    ("input", plan::INPUT),
    ("step", step::STEP),
    ("probe", step::PROBE),
    ("`retry`", plan::RETRY),
    ("`wait`", plan::WAIT),
    ("`upload`", plan::UPLOAD),
    ("`parse`", plan::PARSE),
    ("`delegate_to`", plan::ONE_OF),
];

impl Tool {
    /// Every tool, in the order of the manual.
    pub const ALL: [Self; 9] = [
        Self::Ansible,
        Self::Actions,
        Self::Ssm,
        Self::Bolt,
        Self::Salt,
        Self::Rundeck,
        Self::Terraform,
        Self::CloudInit,
        Self::Planrun,
    ];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ansible => "Ansible",
            Self::Actions => "GitHub Actions",
            Self::Ssm => "AWS SSM",
            Self::Bolt => "Puppet Bolt",
            Self::Salt => "Salt",
            Self::Rundeck => "Rundeck",
            Self::Terraform => "Terraform",
            Self::CloudInit => "cloud-init",
            Self::Planrun => "planrun",
        }
    }
}

impl Word {
    /// Says what is at the place of the word.
    pub fn label(&self) -> String {
        if self.tools == PLANRUN {
            return "does not belong here".to_owned();
        }
        let names: Vec<&str> = self.tools.iter().map(|tool| tool.name()).collect();
        match names.as_slice() {
            [first, second] => format!("a word of {first} and {second}"),
            [first, .., last] => format!("a word of {first}, {last} and others"),
            _ => format!("a word of {}", names.join("")),
        }
    }

    /// Says what to write instead, without regard to a value.
    pub fn advice(&self) -> String {
        match (self.say, self.carry.key()) {
            ("", Some(key)) => format!("in planrun this is `{key}`"),
            (say, _) => say.to_owned(),
        }
    }

    /// Says what to write instead of an entry: the line itself where its value can be carried over,
    /// and what else there is to know.
    pub fn help(&self, entry: &Entry) -> Vec<String> {
        match self.carry.line(&entry.value) {
            Some(line) if self.say.is_empty() || self.carry.says_all() => {
                vec![format!("write `{line}`")]
            }
            Some(line) => vec![format!("write `{line}`"), self.say.to_owned()],
            None => vec![self.advice()],
        }
    }

    /// Whether it stands for a key of planrun: where that is missing, nothing more need be told.
    pub fn stands_for(&self, key: &str) -> bool {
        self.carry.key() == Some(key) || self.say.contains(&format!("`{key}`"))
    }

    /// Whether it stands for one of these actions.
    pub fn is_action(&self, actions: &[&str]) -> bool {
        match self.carry.key() {
            // What is only told needs no action.
            Some(key) => key == "name" || actions.contains(&key),
            None => actions.iter().any(|action| {
                let begins = [format!("`{action}:"), format!("`{action}`")];
                begins.iter().any(|begin| self.say.contains(begin.as_str()))
            }),
        }
    }
}

/// Finds a foreign word of a record. A module of Ansible is found by its full name too, and a name
/// with a dot that nobody knows is still a module of Ansible or a function of Salt.
pub fn find(record: &Record, key: &str) -> Option<&'static Word> {
    let exact = |key: &str| {
        let mut words = record.foreign.iter().copied().flatten();
        words.find(|word| word.word == key)
    };
    exact(key).or_else(|| {
        let acts = record.one_of.contains(&"run");
        let (_, module) = key.rsplit_once('.').filter(|_| acts)?;
        let collections = key.matches('.').count() == 2;
        let found = exact(module).filter(|word| collections && word.tools.contains(&Tool::Ansible));
        Some(found.unwrap_or(if collections {
            &step::ANSIBLE_MODULE
        } else {
            &step::SALT_FUNCTION
        }))
    })
}

#[cfg(test)]
mod tests;
