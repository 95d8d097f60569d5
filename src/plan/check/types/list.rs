//! `for_each` requires a list.

use crate::diagnostic::{Code, Diagnostic};
use crate::plan::check::types::Check;
use crate::plan::check::types::kinds::Type;
use crate::template::expression::Expression;

impl<'a, 'b> Check<'a, 'b>
where
    'a: 'b,
{
    /// Reports a `for_each` whose value is not a list.
    pub(super) fn list(&mut self, list: &'b Expression) {
        self.value(list, None);
        let kind = self.types.of(&list.root, None, 0);
        if kind.meets(&Type::List) {
            return;
        }
        let text = &list.text;
        let help = match kind {
            Type::Rows(_) => format!(
                "to use its rows, write `let: {{rows: {{from: {text}, where: true}}}}` and \
                 `for_each: rows`"
            ),
            _ => format!("write a list: `for_each: [{text}]`"),
        };
        let message = format!("`{text}` is {}, not a list", kind.about());
        let fault = Diagnostic::error(Code::NotAList, message).help(help);
        self.found.push(match list.span {
            Some(span) => fault.at(span, "expected a list"),
            None => fault,
        });
    }
}
