//! The list that a step is done for.

use std::rc::Rc;

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

/// See [`ForEach`].
#[derive(Clone, Debug)]
pub enum ItemList {
    Written(Vec<WrittenItem>),
    /// An expression whose value is a list; it may use probes.
    Expression(Rc<Expression>),
}

impl ItemList {
    /// Returns the expression that gives it, if it is not written out.
    pub fn expression(&self) -> Option<&Expression> {
        match self {
            Self::Expression(list) => Some(list),
            Self::Written(_) => None,
        }
    }

    /// Returns the templates of the items that are written out.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let items = match self {
            Self::Expression(_) => &[],
            Self::Written(items) => items.as_slice(),
        };
        items.iter().filter_map(WrittenItem::template)
    }
}

/// An item that is written out.
#[derive(Clone, Debug)]
pub enum WrittenItem {
    /// Text, a number, true or false.
    Value(serde_json::Value),
    /// A template; the value of a single `{{ }}` keeps its type.
    Template(Template),
}

impl WrittenItem {
    /// Returns the template, if it is one.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::Value(_) => None,
            Self::Template(template) => Some(template),
        }
    }
}
