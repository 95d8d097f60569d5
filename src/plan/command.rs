//! Commands of a plan, before their templates are rendered, and where they run.

use std::time::Duration;

use indexmap::IndexMap;

use crate::source::Span;
use crate::template::Template;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// On the host itself.
    #[default]
    Here,
    /// On this host of the inventory.
    Host(String, Span),
    /// On the host that is the item of a `for_each` over hosts.
    Item(Span),
    /// On any one member of this group.
    OneOf(String, Span),
    /// On every member of this group: a condition must be true for each (probes only).
    EachOf(String, Span),
    /// On every member of this group: a table with a row for each that answers (probes only).
    RowsOf(String, Span),
}

impl Target {
    /// Returns the host or group that it names.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Here | Self::Item(_) => None,
            Self::Host(name, _)
            | Self::OneOf(name, _)
            | Self::EachOf(name, _)
            | Self::RowsOf(name, _) => Some(name),
        }
    }
}

/// A command before its templates are rendered.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    pub work: Work,
    /// As whom; `None` leaves it to the inventory.
    pub r#become: Option<Become>,
    pub env: IndexMap<String, Template>,
    pub dir: Option<Template>,
    pub stdin: Option<Template>,
    /// How long it may take.
    pub timeout: Deferred<Duration>,
}

#[derive(Clone, Debug, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Work {
    /// A program and its arguments; each is rendered alone.
    Run(Vec<Template>),
    /// A script for `sh`.
    Shell(Template),
    /// A file that is put in place.
    Upload(Upload),
}

impl Work {
    /// Whether it could not be read, which was reported.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Run(words) if words.is_empty())
    }
}
#[derive(Clone, Debug)]
pub struct Upload {
    /// Where its content comes from.
    pub source: UploadSource,
    /// The path on the host.
    pub to: Template,
    /// Its mode, in octal.
    pub mode: Option<Deferred<String>>,
    pub owner: Option<Deferred<String>>,
}

/// Where the content of an upload comes from. Paths are on this machine, relative to the plan.
#[derive(Clone, Debug)]
pub enum UploadSource {
    /// The file at this path, as it is.
    File(Template),
    /// The text of the file at this path, rendered.
    Rendered(Template),
    Content(Template),
}

impl UploadSource {
    /// Returns what the plan says of it: a path, or the text.
    pub fn template(&self) -> &Template {
        match self {
            Self::File(template) | Self::Rendered(template) | Self::Content(template) => template,
        }
    }
    pub fn path(&self) -> Option<&Template> {
        match self {
            Self::File(path) | Self::Rendered(path) => Some(path),
            Self::Content(_) => None,
        }
    }
}

/// As whom a command runs.
#[derive(Clone, Debug)]
pub enum Become {
    /// As the login user.
    No,
    /// As this user; `None` is the inventory's `ansible_become_user`, else root.
    Yes(Option<Deferred<String>>),
}

/// A value, or a template for it that is evaluated when its time comes.
#[derive(Clone, Debug)]
pub enum Deferred<T> {
    Now(T),
    /// The template: exactly one `{{ }}`, or text around it.
    Template(Template),
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitCodes {
    Any,
    These(Vec<i32>),
}
