//! Keys of other tools, and what to write in planrun.
//!
//! People who know another tool write its keys: `register`, `timeout-minutes`,
//! `ansible.builtin.service`. A [`Keyword`] has the tool, what to write instead and, if possible, how to
//! convert its value, so that the help shows the exact line to write. The tables are data files:
//! `words.tsv` for keys, [`names`] for expressions, [`values`] for values, [`variables`] for
//! inventories, [`mod@file`] for whole files. `docs/coming-from.md` is generated from them.
//!
//! The keys of Ansible and GitHub Actions are complete. For other tools, planrun recognises their
//! files, and the keys that several of them share.

pub mod carry;
pub mod file;
pub mod names;
pub mod values;
pub mod variables;

use std::sync::LazyLock;

use crate::document::Entry;
use crate::schema::Record;
use crate::schema::foreign::carry::Carry;
use crate::table::rows;

/// A tool that users know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum Tool {
    /// Ansible: playbooks, roles, inventories.
    Ansible,
    /// GitHub Actions: workflows.
    Actions,
    /// Several tools, or a natural guess.
    Other,
    /// planrun itself: a key in the wrong place.
    Planrun,
}

/// A key of another tool.
#[derive(Debug)]
pub struct Keyword {
    /// The mapping in which people write it.
    pub place: &'static str,
    pub tools: Vec<Tool>,
    pub word: &'static str,
    /// How its value is converted.
    pub carry: Carry,
    /// Keys of planrun that are not missing if it is written, in addition to that of `carry`.
    replaces: Vec<&'static str>,
    /// What to write instead, as an imperative; empty if `carry` is enough.
    say: &'static str,
}

pub const TABLE: &str = include_str!("foreign/words.tsv");

/// The keys, by place.
pub static WORDS: LazyLock<Vec<Keyword>> =
    LazyLock::new(|| rows(TABLE).filter_map(Keyword::of).collect());

/// Matches every module of a collection that is not in the table.
pub const ANY_MODULE: &str = "NAMESPACE.COLLECTION.MODULE";

impl Tool {
    /// All tools, in the order of the manual.
    pub const ALL: [Self; 4] = [Self::Ansible, Self::Actions, Self::Other, Self::Planrun];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ansible => "Ansible",
            Self::Actions => "GitHub Actions",
            Self::Other => "other tools",
            Self::Planrun => "planrun",
        }
    }

    fn of(cell: &str) -> Option<Self> {
        cell.parse().ok()
    }
}

impl Keyword {
    fn of([place, tools, word, carry, replaces, say]: [&'static str; 6]) -> Option<Self> {
        let tools: Option<Vec<Tool>> = tools.split(' ').map(Tool::of).collect();
        let replaces = replaces.split_whitespace().collect();
        Some(Self { place, tools: tools?, word, carry: Carry::of(carry)?, replaces, say })
    }

    pub fn label(&self) -> String {
        let names: Vec<&str> = self.tools.iter().map(|tool| tool.name()).collect();
        match *self.tools {
            [Tool::Planrun] => "not allowed here".to_owned(),
            [Tool::Other] => "this is a keyword of other tools".to_owned(),
            [Tool::Actions] => "this is a GitHub Actions keyword".to_owned(),
            _ => format!("this is an {} keyword", names.join(" and ")),
        }
    }

    /// Returns what to write instead, whatever the value is.
    pub fn advice(&self) -> String {
        match (self.say, self.carry.key()) {
            ("", Some(key)) => format!("write `{key}` instead"),
            (say, _) => say.to_owned(),
        }
    }

    /// Returns what to write instead of an entry: the line itself if its value can be converted, and
    /// further advice.
    pub fn help(&self, entry: &Entry) -> Vec<String> {
        match self.carry.line(&entry.value) {
            Some(line) if self.say.is_empty() || self.carry.says_all() => {
                vec![format!("write `{line}`")]
            }
            Some(line) => vec![format!("write `{line}`"), self.say.to_owned()],
            None => vec![self.advice()],
        }
    }

    /// Whether it is written instead of one of these keys. If they are missing, nothing more is reported.
    pub fn replaces(&self, keys: &[&str]) -> bool {
        self.carry.key().iter().chain(&self.replaces).any(|key| keys.contains(key))
    }
}

/// Finds a foreign key of a record. Modules of Ansible are also found by their full names.
pub fn find(record: &Record, key: &str) -> Option<&'static Keyword> {
    let exact = |key: &str| {
        let mut places = record.foreign.iter();
        places.find_map(|place| WORDS.iter().find(|word| word.place == *place && word.word == key))
    };
    exact(key).or_else(|| {
        let (_, module) = key.rsplit_once('.').filter(|_| key.matches('.').count() == 2)?;
        let any = exact(ANY_MODULE)?;
        Some(exact(module).filter(|word| word.tools.contains(&Tool::Ansible)).unwrap_or(any))
    })
}
