//! Named expressions (`let`).

use std::rc::Rc;

use crate::source::Span;
use crate::template::expression::Expression;

#[derive(Clone, Debug)]
pub enum NamedExpression {
    Expression(Rc<Expression>, Span),
    /// The rows of a probe for which a condition is true.
    Rows {
        from: String,
        /// The condition, over `row`.
        filter: Rc<Expression>,
        span: Span,
    },
}

impl NamedExpression {
    /// Returns its expression; of rows, their condition.
    pub fn expression(&self) -> &Expression {
        match self {
            Self::Expression(expression, _) | Self::Rows { filter: expression, .. } => expression,
        }
    }

    pub fn span(&self) -> Span {
        match self {
            Self::Expression(_, span) | Self::Rows { span, .. } => *span,
        }
    }

    /// Returns the names it uses.
    pub fn names(&self) -> Vec<&str> {
        let from = match self {
            Self::Expression(..) => None,
            Self::Rows { from, .. } => Some(from.as_str()),
        };
        let names = self.expression().names.iter();
        from.into_iter().chain(names.map(|name| name.name.as_str())).collect()
    }
}
