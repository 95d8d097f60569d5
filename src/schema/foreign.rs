//! Words of other tools, and what to write in planrun.
//!
//! People who know another tool write its keys: `register`, `timeout-minutes`,
//! `ansible.builtin.service`. A [`Word`] says whose key it is, what to write instead and, if possible,
//! how its value is carried over, so that the help shows the exact line to write. The tables are data
//! files: `words.tsv` for keys, [`names`] for expressions, [`values`] for values, [`variables`] for
//! inventories, [`mod@file`] for whole files. `docs/coming-from.md` is made of the same tables.
//!
//! Ansible and GitHub Actions are here word by word; of other tools planrun knows the files, and those
//! words that several of them share.

pub mod carry;
pub mod file;
pub mod names;
pub mod table;
pub mod values;
pub mod variables;

use std::sync::LazyLock;

use crate::document::Entry;
use crate::schema::Record;
use crate::schema::foreign::carry::Carry;
use crate::schema::foreign::table::rows;

/// A tool that people come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// Ansible: playbooks, roles, inventories.
    Ansible,
    /// GitHub Actions: workflows.
    Actions,
    /// Several tools, or a word that seems natural.
    Other,
    /// planrun itself: a word at a place where it does not belong.
    Planrun,
}

/// A word of another tool.
#[derive(Debug)]
pub struct Word {
    /// The mapping in which it is written.
    pub place: &'static str,
    /// Whose it is.
    pub tools: Vec<Tool>,
    /// The key.
    pub word: &'static str,
    /// How its value is carried over.
    pub carry: Carry,
    /// Keys of planrun that are not missing if it is written, besides that of `carry`.
    replaces: Vec<&'static str>,
    /// What to write instead, as an order; empty if `carry` says all.
    say: &'static str,
}

/// The rows, separated by tabs.
pub const TABLE: &str = include_str!("foreign/words.tsv");

/// The words, by places.
pub static WORDS: LazyLock<Vec<Word>> =
    LazyLock::new(|| rows(TABLE).filter_map(Word::of).collect());

/// The word that stands for every module of a collection that the table does not name.
pub const ANY_MODULE: &str = "NAMESPACE.COLLECTION.MODULE";

impl Tool {
    /// Every tool, in the order of the manual.
    pub const ALL: [Self; 4] = [Self::Ansible, Self::Actions, Self::Other, Self::Planrun];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ansible => "Ansible",
            Self::Actions => "GitHub Actions",
            Self::Other => "other tools",
            Self::Planrun => "planrun",
        }
    }

    /// Reads a cell of a table.
    fn of(cell: &str) -> Option<Self> {
        Some(match cell {
            "ansible" => Self::Ansible,
            "actions" => Self::Actions,
            "other" => Self::Other,
            "planrun" => Self::Planrun,
            _ => return None,
        })
    }
}

impl Word {
    /// Reads a row of the table.
    fn of([place, tools, word, carry, replaces, say]: [&'static str; 6]) -> Option<Self> {
        let tools: Option<Vec<Tool>> = tools.split(' ').map(Tool::of).collect();
        let replaces = replaces.split_whitespace().collect();
        Some(Self { place, tools: tools?, word, carry: Carry::of(carry)?, replaces, say })
    }

    /// Says what is at the place of the word.
    pub fn label(&self) -> String {
        let names: Vec<&str> = self.tools.iter().map(|tool| tool.name()).collect();
        match *self.tools {
            [Tool::Planrun] => "not allowed here".to_owned(),
            [Tool::Other] => "this is a keyword of other tools".to_owned(),
            [Tool::Actions] => "this is a GitHub Actions keyword".to_owned(),
            _ => format!("this is an {} keyword", names.join(" and ")),
        }
    }

    /// Says what to write instead, without regard to a value.
    pub fn advice(&self) -> String {
        match (self.say, self.carry.key()) {
            ("", Some(key)) => format!("write `{key}` instead"),
            (say, _) => say.to_owned(),
        }
    }

    /// Says what to write instead of an entry: the line itself if its value can be carried over, and
    /// what else there is to know.
    pub fn help(&self, entry: &Entry) -> Vec<String> {
        match self.carry.line(&entry.value) {
            Some(line) if self.say.is_empty() || self.carry.says_all() => {
                vec![format!("write `{line}`")]
            }
            Some(line) => vec![format!("write `{line}`"), self.say.to_owned()],
            None => vec![self.advice()],
        }
    }

    /// Whether it is written for one of these keys of planrun: if they are missing, nothing more need
    /// be reported.
    pub fn replaces(&self, keys: &[&str]) -> bool {
        self.carry.key().iter().chain(&self.replaces).any(|key| keys.contains(key))
    }
}

/// Finds a foreign word of a record. A module of Ansible is found by its full name too.
pub fn find(record: &Record, key: &str) -> Option<&'static Word> {
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
