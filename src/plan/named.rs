//! Named expressions (`let`).

use std::rc::Rc;

use crate::source::Span;
use crate::template::expression::Expression;

#[derive(Clone, Debug)]
pub struct NamedExpression {
    pub expression: Rc<Expression>,
    /// The table of which it selects rows: then the expression is a condition over `row`.
    pub from: Option<Rc<Expression>>,
    pub span: Span,
}

impl NamedExpression {
    /// Returns the names it uses.
    pub fn names(&self) -> Vec<&str> {
        let expressions = self.from.iter().chain([&self.expression]);
        expressions.flat_map(|one| &one.names).map(|name| name.name.as_str()).collect()
    }
}
