//! The types of values, as far as they are known without running a probe.
//!
//! Inputs have types, columns of probes have them, counts are numbers. A comparison of two kinds
//! that are never equal is a mistake (`vhosts == "0"`), as is a condition that is not a boolean, or a
//! field that a value does not have. What is not known is not reported.

mod infer;
mod kinds;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest};
use crate::output::{Data, Reading};
use crate::plan::{Plan, Probe, Purpose, Target, Text};
use crate::schema::one_of;
use crate::source::Span;
use crate::template::expression::{Comparison, Expr, ExprKind, Expression};
use crate::template::{Template, Written};

use infer::Types;
use kinds::{Type, compared};

/// Deepest chain of words and parts that is followed.
const MAX_DEPTH: usize = 64;

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let types = Types::new(plan);
    let mut check = Check { types: &types, found, written: None };
    plan.each_sound_use(&mut |one| {
        let step = one.step.filter(|_| one.purpose != Purpose::Item);
        types.inside.set(step.and_then(|step| plan.find(&step.path)?.1));
        match (one.text, one.purpose) {
            (Text::Template(template), _) => check.template(template),
            (Text::Expression(list), Purpose::Item) => check.list(list),
            (Text::Expression(value), Purpose::Named | Purpose::Set) => check.value(value, None),
            (Text::Expression(condition), Purpose::Rows(name)) => {
                let row = plan.named[name].from.as_deref().and_then(|from| check.table(from));
                check.condition(condition, row);
            }
            (Text::Expression(condition), _) => check.condition(condition, None),
        }
    });
}

/// Finds the same in a text that an upload renders.
pub(super) fn text(plan: &Plan, text: &Template, found: &mut Diagnostics) {
    let mut types = Types::new(plan);
    // Which item such a step's value is of depends on the upload.
    types.steps.retain(|_, step| plan.find(&step.path).is_none_or(|(_, of)| of.is_none()));
    Check { types: &types, found, written: None }.template(text);
}

struct Check<'a, 'b> {
    types: &'b Types<'a>,
    found: &'b mut Diagnostics,
    /// The text that is checked.
    written: Option<&'b dyn Written>,
}

impl<'a, 'b> Check<'a, 'b>
where
    'a: 'b,
{
    fn condition(&mut self, expression: &'b Expression, row: Option<&'a Data>) {
        self.value(expression, row);
        self.operand(&expression.root, row);
    }

    /// Checks the table of which rows are selected, and returns what is known of its rows.
    fn table(&mut self, from: &'b Expression) -> Option<&'a Data> {
        let kind = self.types.of(&from.root, None, 0);
        if !kind.meets(&Type::List) && !kind.meets(&Type::Mapping) {
            let message = format!("`{}` is {}, not a table", from.text, kind.about());
            Diagnostic::error(Code::NotAList, message)
                .at(from.span, "expected a list or a mapping of rows")
                .help("use a probe with rows (`parse: tsv`), or a list")
                .emit(self.found);
        }
        match (&from.root.kind, kind) {
            (_, Type::Rows(data)) => Some(data),
            (ExprKind::Var(name), _) => {
                let Probe { reading, target, .. } = self.types.plan.probes.get(name)?;
                let is_of_members = matches!(target, Target::RowsOf(..));
                match reading {
                    Reading::Data(data) if !is_of_members || reading.is_row() => Some(data),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Checks a `for_each`, which requires a list.
    fn list(&mut self, list: &'b Expression) {
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
        Diagnostic::error(Code::NotAList, format!("`{text}` is {}, not a list", kind.about()))
            .at(list.span, "expected a list")
            .help(help)
            .emit(self.found);
    }

    fn value(&mut self, expression: &'b Expression, row: Option<&'a Data>) {
        self.written = Some(expression);
        for expr in expression.root.all() {
            self.relations(expr, row);
            match &expr.kind {
                ExprKind::And(a, b) | ExprKind::Or(a, b) => {
                    self.operand(a, row);
                    self.operand(b, row);
                }
                ExprKind::Not(a) => self.operand(a, row),
                _ => {}
            }
        }
    }

    /// Checks the expressions of a template. What they are joined by may be of any kind: `{% if %}`
    /// takes what is not empty for true.
    fn template(&mut self, template: &'b Template) {
        self.written = Some(template);
        for used in template.expressions() {
            self.types.locals.replace(used.locals.clone());
            used.expr.all().into_iter().for_each(|expr| self.relations(expr, None));
        }
        self.types.locals.take();
    }

    /// Checks what a part compares, and the part that it takes of a value.
    fn relations(&mut self, expr: &Expr, row: Option<&'a Data>) {
        match &expr.kind {
            ExprKind::Compare(first, rest) => {
                let mut left = first.as_ref();
                for (how, right) in rest {
                    self.compare(*how, left, right, row);
                    left = right;
                }
            }
            ExprKind::Attr(base, name) => self.attribute(expr, base, name, row),
            _ => {}
        }
    }

    /// Reports a condition, or an operand of `and`, `or` or `not`, that is not a boolean.
    fn operand(&mut self, part: &Expr, row: Option<&'a Data>) {
        let kind = self.types.of(part, row, 0);
        if !kind.meets(&Type::Bool) {
            let text = self.text(part);
            let message = format!("`{text}` is {}, not a condition", kind.about());
            Diagnostic::error(Code::NotACondition, message)
                .at(self.place(part), "expected a bool")
                .help(format!("compare it: {}", compared(&text, &kind)))
                .emit(self.found);
        }
    }

    fn compare(&mut self, how: Comparison, left: &Expr, right: &Expr, row: Option<&'a Data>) {
        let kind = self.types.of(left, row, 0);
        let others: Vec<&Expr> = match (how, &right.kind) {
            (Comparison::In | Comparison::NotIn, ExprKind::List(items)) => items.iter().collect(),
            (Comparison::In | Comparison::NotIn, _) => return self.inside(left, right, row),
            _ => vec![right],
        };
        for other in others {
            let against = self.types.of(other, row, 0);
            if kind.meets(&against) {
                self.among(&kind, left, other);
                self.among(&against, other, left);
                continue;
            }
            let (a, b) = (self.text(left), self.text(other));
            let end = match how {
                Comparison::Eq | Comparison::Ne | Comparison::In | Comparison::NotIn => {
                    "they are never equal"
                }
                _ => "they cannot be ordered",
            };
            let message =
                format!("`{a}` is {} and `{b}` is {}: {end}", kind.about(), against.about());
            let fault = Diagnostic::error(Code::NeverEqual, message)
                .at(self.place(left), format!("this is {}", kind.about()));
            let constant = match &other.kind {
                ExprKind::Const(value) => Some(value),
                _ => None,
            };
            let fault = match (&kind, &against, constant) {
                (Type::Number, Type::Text, Some(value))
                    if value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()) =>
                {
                    let number = value.as_str().unwrap_or_default();
                    let order = format!("write {number} without quotes");
                    self.replaced(fault, order, other, number)
                }
                (Type::Bool, Type::Text, Some(_)) => {
                    fault.help(format!("write `{a}`, or `not {a}`"))
                }
                (Type::Text, Type::Number, Some(value)) => fault.help(format!(
                    "write `\"{value}\"`, or give `{a}` a type: `types: {{...: int}}`"
                )),
                (Type::List, Type::Number, _) => {
                    fault.help(format!("for the number of items, write `{a} | length`"))
                }
                (Type::Number, Type::List, _) => {
                    fault.help(format!("for the number of items, write `{b} | length`"))
                }
                _ => fault.help("compare values of the same type"),
            };
            self.found.push(fault);
        }
    }

    /// Reports that nothing, or nothing of this kind, can be in a value.
    fn inside(&mut self, left: &Expr, right: &Expr, row: Option<&'a Data>) {
        let (kind, whole) = (self.types.of(left, row, 0), self.types.of(right, row, 0));
        let text = self.text(right);
        let (message, help) = match whole {
            Type::Number | Type::Bool => {
                let message = format!("`{text}` is {} and cannot contain anything", whole.about());
                (message, format!("write a list: `in [{text}]`"))
            }
            Type::Text | Type::Words(_) if !kind.meets(&Type::Text) => {
                let part = self.text(left);
                let message =
                    format!("`{text}` is a string and cannot contain `{part}`, {}", kind.about());
                (message, format!("write a list: `in [{text}]`, or compare two strings"))
            }
            _ => return,
        };
        let place = self.place(right);
        Diagnostic::error(Code::NeverEqual, message)
            .at(place, format!("this is {}", whole.about()))
            .help(help)
            .emit(self.found);
    }

    /// Reports a value that an enum does not have.
    fn among(&mut self, kind: &Type<'_>, expr: &Expr, other: &Expr) {
        let (Type::Words(words), ExprKind::Const(value)) = (kind, &other.kind) else { return };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(text) = value.as_str().filter(|text| !words.contains(text)) else { return };
        let name = self.text(expr);
        let fault = Diagnostic::error(Code::NeverEqual, format!("`{name}` is never `{text}`"))
            .at(self.place(expr), format!("can only be {}", one_of(&words)));
        let fault = match nearest(text, words.iter().copied()) {
            Some(near) => {
                let order = format!("did you mean `{near}`?");
                self.replaced(fault, order, other, &format!("\"{near}\""))
            }
            None => fault.help(format!("use {}", one_of(&words))),
        };
        self.found.push(fault);
    }

    fn attribute(&mut self, whole: &Expr, base: &Expr, name: &str, row: Option<&'a Data>) {
        let kind = self.types.of(base, row, 0);
        if self.types.part(&kind, name, 0).is_some() {
            return;
        }
        let base = self.text(base);
        let parts = Types::parts(&kind);
        let fault = Diagnostic::error(Code::UnknownPart, format!("`{base}` has no field `{name}`"))
            .at(self.place(whole), "unknown field");
        let fault = match nearest(name, parts.iter().copied()) {
            _ if matches!(kind, Type::Text | Type::Words(_) | Type::Number | Type::Bool) => {
                let about = format!("`{base}` is {} and has no fields", kind.about());
                match name {
                    // What a command printed, after `parse`.
                    "stdout" => {
                        self.replaced(fault, format!("{about}: write `{base}`"), whole, &base)
                    }
                    "stderr" | "exit" => fault
                        .help(about)
                        .help("remove `parse` to get `exit`, `stdout` and `stderr`"),
                    _ => fault.help(about),
                }
            }
            _ if matches!(kind, Type::List) => fault.help(format!(
                "`{base}` is a list: write `{base}[0].{name}`, or \
                 `{base} | map(attribute=\"{name}\") | list`"
            )),
            _ if matches!(kind, Type::Results) => fault.help(format!(
                "`{base}` is a list of results, one per item: write `{base}[0].{name}`, \
                 or `{base} | map(attribute=\"{name}\") | list`"
            )),
            Some(near) => {
                let order = format!("did you mean `{base}.{near}`?");
                self.replaced(fault, order, whole, &format!("{base}.{near}"))
            }
            None => fault
                .help(format!("fields of `{base}`: {}", one_of(&parts).replace(" or ", " and "))),
        };
        self.found.push(fault);
    }

    fn text(&self, expr: &Expr) -> String {
        self.written.map_or_else(String::new, |written| written.part(expr).to_owned())
    }

    /// Offers a replacement for a part of the expression; only as a help if it cannot be applied.
    fn replaced(&self, fault: Diagnostic, order: String, part: &Expr, with: &str) -> Diagnostic {
        let edit = self.written.and_then(|one| one.edit(part, with));
        fault.fix_all(order, edit.into_iter().collect())
    }

    fn place(&self, part: &Expr) -> Span {
        let written = self.written.expect("set before a walk starts");
        written.place(part).expect("what is checked was read from a file")
    }
}
