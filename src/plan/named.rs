//! Named expressions (`let`).

use std::rc::Rc;

use crate::source::Span;
use crate::template::expression::Expression;

#[derive(Clone, Debug)]
pub struct NamedExpression {
    pub expression: Rc<Expression>,
    /// The probe of which it selects rows: then the expression is a condition over `row`.
    pub from: Option<String>,
    pub span: Span,
}

impl NamedExpression {
    /// Returns the names it uses.
    pub fn names(&self) -> Vec<&str> {
        let names = self.expression.names.iter().map(|name| name.name.as_str());
        self.from.as_deref().into_iter().chain(names).collect()
    }
}
