//! The list that a step is done for.

use std::rc::Rc;

use crate::plan::Deferred;
use crate::source::Span;
use crate::template::Template;
use crate::template::expression::Expression;

/// What a step is done for, once for each.
#[derive(Clone, Debug)]
pub struct ForEach {
    pub list: ItemList,
    /// The location of its key.
    pub span: Span,
}
#[derive(Clone, Debug)]
pub enum ItemList {
    /// Text, numbers, true or false; the value of a single `{{ }}` keeps its type.
    Written(Vec<Deferred<serde_json::Value>>),
    /// An expression whose value is a list; it may use probes.
    Expression(Rc<Expression>),
    /// The hosts of this group, by their names.
    HostsOf(String, Span),
}

impl ItemList {
    /// Returns the expression that gives it, if it is not written out.
    pub fn expression(&self) -> Option<&Expression> {
        match self {
            Self::Expression(list) => Some(list),
            Self::Written(_) | Self::HostsOf(..) => None,
        }
    }

    /// Returns the group whose hosts are the items.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::HostsOf(group, _) => Some(group),
            Self::Written(_) | Self::Expression(_) => None,
        }
    }

    /// Returns the templates of the items that are written out.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let items = match self {
            Self::Expression(_) | Self::HostsOf(..) => &[],
            Self::Written(items) => items.as_slice(),
        };
        items.iter().filter_map(Deferred::template)
    }
}
