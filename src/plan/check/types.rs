//! The kinds of values, as far as they can be told without a look.
//!
//! Inputs have types, columns of probes have them, counts are numbers. A comparison of two kinds
//! that never are equal is a slip (`vhosts == "0"`), so is a condition that is no bool, or a part
//! that a value does not have. What cannot be told is no fault.

mod infer;
mod kinds;
mod list;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::nearest;
use crate::output::Reading;
use crate::plan::Action;
use crate::plan::Default;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::Word;
use crate::plan::check::command_templates;
use crate::plan::check::expressions;
use crate::plan::check::templates;
use crate::schema::one_of;
use crate::source::Span;
use crate::template::Template;
use crate::template::Written;
use crate::template::expression::Comparison;
use crate::template::expression::Expr;
use crate::template::expression::Expression;
use crate::template::expression::Kind;

use infer::Type;
use infer::Types;
use kinds::compared;

/// Deepest chain of words and parts that is followed.
const MAX_DEPTH: usize = 64;

/// Tells of slips in all expressions of a plan.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let (types, within) = Types::of_plan(plan);
    let mut check = Check { types: &types, found, written: None };
    for word in plan.words.values() {
        match word {
            Word::Expression(expression, _) => check.value(expression, None),
            Word::Rows { from, filter, .. } => {
                let row = plan.probes.get(from).map(|probe| &probe.reading);
                check.condition(filter, row);
            }
        }
    }
    let invariants = &plan.invariants;
    let claims = [&invariants.always, &invariants.at_rest, &invariants.at_end];
    for claim in claims.into_iter().flatten().chain(&plan.preflight) {
        check.condition(&claim.condition, None);
    }
    for probe in plan.probes.values() {
        for template in command_templates(&probe.command) {
            check.template(template);
        }
    }
    for input in plan.inputs.values() {
        if let Some(Default::Template(template)) = &input.default {
            check.template(template);
        }
    }
    for step in &plan.steps {
        step.visit(&mut |step| {
            check.list(step);
            types.inside.set(within.get(&step.path).copied());
            check.step(step);
            types.inside.set(None);
        });
    }
}

/// Finds the same in a text that an upload renders.
pub(super) fn text(plan: &Plan, text: &Template, found: &mut Diagnostics) {
    let (mut types, within) = Types::of_plan(plan);
    // Which item such a step's value is of depends on the upload.
    types.steps.retain(|_, step| !within.contains_key(&step.path));
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
    fn step(&mut self, step: &'a Step) {
        let values: Vec<&Expression> = match &step.action {
            Action::Set(values) => values.iter().map(|(_, value)| value.as_ref()).collect(),
            _ => Vec::new(),
        };
        for expression in expressions(step) {
            if values.iter().any(|value| std::ptr::eq(*value, expression)) {
                self.value(expression, None);
            } else {
                self.condition(expression, None);
            }
        }
        for template in templates(step) {
            self.template(template);
        }
    }

    fn condition(&mut self, expression: &'b Expression, row: Option<&'a Reading>) {
        self.value(expression, row);
        let kind = self.types.of(&expression.root, row, 0);
        if !kind.meets(&Type::Bool) {
            let message = format!("`{}` is {}, not true or false", expression.text, kind.about());
            let mut fault = Diagnostic::error(Code::NotACondition, message);
            if let Some(span) = expression.span {
                fault = fault.at(span, "must be true or false");
            }
            let cure = compared(&expression.text, &kind);
            self.found.push(fault.help(format!("compare it: {cure}")));
        }
    }

    fn value(&mut self, expression: &'b Expression, row: Option<&'a Reading>) {
        self.written = Some(expression);
        self.walk(&expression.root, row, 0);
    }

    /// Checks the expressions of a template. What they are joined by may be of any kind: `{% if %}`
    /// takes what is not empty for true.
    fn template(&mut self, template: &'b Template) {
        self.written = Some(template);
        for used in template.expressions() {
            self.types.locals.replace(used.locals.clone());
            self.compared(&used.expr, 0);
        }
        self.types.locals.take();
    }

    fn compared(&mut self, expr: &Expr, depth: usize) {
        if depth <= MAX_DEPTH {
            self.relations(expr, None);
            for inner in expr.parts() {
                self.compared(inner, depth + 1);
            }
        }
    }

    fn walk(&mut self, expr: &Expr, row: Option<&'a Reading>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        self.relations(expr, row);
        match &expr.kind {
            Kind::And(a, b) | Kind::Or(a, b) => {
                self.operand(a, row);
                self.operand(b, row);
            }
            Kind::Not(a) => self.operand(a, row),
            _ => {}
        }
        for inner in expr.parts() {
            self.walk(inner, row, depth + 1);
        }
    }

    /// Checks what a part compares, and the part that it takes of a value.
    fn relations(&mut self, expr: &Expr, row: Option<&'a Reading>) {
        match &expr.kind {
            Kind::Compare(first, rest) => {
                let mut left = first.as_ref();
                for (how, right) in rest {
                    self.compare(*how, left, right, row);
                    left = right;
                }
            }
            Kind::Attr(base, name) => self.attribute(expr, base, name, row),
            _ => {}
        }
    }

    /// Tells of a part that is joined by `and`, `or`, `not` and is no bool.
    fn operand(&mut self, part: &Expr, row: Option<&'a Reading>) {
        let kind = self.types.of(part, row, 0);
        if !kind.meets(&Type::Bool) {
            let text = self.text(part);
            let message = format!("`{text}` is {}, not true or false", kind.about());
            self.found.push(
                Diagnostic::error(Code::NotACondition, message)
                    .at(self.place(part), "must be true or false")
                    .help(format!("compare it: {}", compared(&text, &kind))),
            );
        }
    }

    fn compare(&mut self, how: Comparison, left: &Expr, right: &Expr, row: Option<&'a Reading>) {
        let kind = self.types.of(left, row, 0);
        let others: Vec<&Expr> = match (how, &right.kind) {
            (Comparison::In | Comparison::NotIn, Kind::List(items)) => items.iter().collect(),
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
                _ => "neither is less than the other",
            };
            let message =
                format!("`{a}` is {} and `{b}` is {}: {end}", kind.about(), against.about());
            let fault = Diagnostic::error(Code::NeverEqual, message)
                .at(self.place(left), format!("this is {}", kind.about()));
            let constant = match &other.kind {
                Kind::Const(value) => Some(value),
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
                    fault.help(format!("how many there are is `{a} | length`"))
                }
                (Type::Number, Type::List, _) => {
                    fault.help(format!("how many there are is `{b} | length`"))
                }
                _ => fault.help("compare values of one kind"),
            };
            self.found.push(fault);
        }
    }

    /// Reports that nothing, or nothing of this kind, can be in a value.
    fn inside(&mut self, left: &Expr, right: &Expr, row: Option<&'a Reading>) {
        let (kind, whole) = (self.types.of(left, row, 0), self.types.of(right, row, 0));
        let text = self.text(right);
        let (message, help) = match whole {
            Type::Number | Type::Bool => {
                let message = format!("`{text}` is {}: nothing is in it", whole.about());
                (message, format!("write a list: `in [{text}]`"))
            }
            Type::Text | Type::Words(_) if !kind.meets(&Type::Text) => {
                let part = self.text(left);
                let message =
                    format!("`{part}` is {} and `{text}` is text: it is never in it", kind.about());
                (message, format!("write a list: `in [{text}]`, or compare text with text"))
            }
            _ => return,
        };
        let place = self.place(right);
        self.found.push(
            Diagnostic::error(Code::NeverEqual, message)
                .at(place, format!("this is {}", whole.about()))
                .help(help),
        );
    }

    /// Tells of a word that an enum does not have.
    fn among(&mut self, kind: &Type<'_>, expr: &Expr, other: &Expr) {
        let (Type::Words(words), Kind::Const(value)) = (kind, &other.kind) else {
            return;
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(text) = value.as_str().filter(|text| !words.contains(text)) else {
            return;
        };
        let name = self.text(expr);
        let fault = Diagnostic::error(Code::NeverEqual, format!("`{name}` is never `{text}`"))
            .at(self.place(expr), format!("is {}", one_of(&words)));
        let fault = match nearest(text, words.iter().copied()) {
            Some(near) => {
                let order = format!("did you mean `{near}`?");
                self.replaced(fault, order, other, &format!("\"{near}\""))
            }
            None => fault.help(format!("write {}", one_of(&words))),
        };
        self.found.push(fault);
    }

    fn attribute(&mut self, whole: &Expr, base: &Expr, name: &str, row: Option<&'a Reading>) {
        let kind = self.types.of(base, row, 0);
        if self.types.part(&kind, name, 0).is_some() {
            return;
        }
        let base = self.text(base);
        let parts = Types::parts(&kind);
        let fault = Diagnostic::error(Code::UnknownPart, format!("`{base}` has no `{name}`"))
            .at(self.place(whole), "no such value");
        let fault = match nearest(name, parts.iter().copied()) {
            _ if matches!(kind, Type::Text | Type::Words(_) | Type::Number | Type::Bool) => {
                let about = format!("`{base}` is {}, and has no parts", kind.about());
                match name {
                    // What a command printed, after `parse`.
                    "stdout" => {
                        self.replaced(fault, format!("{about}: write `{base}`"), whole, &base)
                    }
                    "stderr" | "exit" => fault
                        .help(about)
                        .help("remove `parse` to have `exit`, `stdout` and `stderr`"),
                    _ => fault.help(about),
                }
            }
            _ if matches!(kind, Type::List) => fault.help(format!(
                "`{base}` is a list: write `{base}[0].{name}`, or \
                 `{base} | map(attribute=\"{name}\") | list`"
            )),
            _ if matches!(kind, Type::Results) => fault.help(format!(
                "`{base}` is the list of the results, one for each item: write `{base}[0].{name}`, \
                 or `{base} | map(attribute=\"{name}\") | list`"
            )),
            Some(near) => {
                let order = format!("did you mean `{base}.{near}`?");
                self.replaced(fault, order, whole, &format!("{base}.{near}"))
            }
            None => fault.help(format!("`{base}` has {}", one_of(&parts).replace(" or ", " and "))),
        };
        self.found.push(fault);
    }

    fn text(&self, expr: &Expr) -> String {
        self.written.map_or_else(String::new, |written| written.part(expr).to_owned())
    }

    /// Offers other words for a part of the expression; in words alone where they cannot be put
    /// there.
    fn replaced(&self, fault: Diagnostic, order: String, part: &Expr, with: &str) -> Diagnostic {
        let edit = self.written.and_then(|one| one.edit(part, with));
        fault.fix_all(order, edit.into_iter().collect())
    }

    /// Returns where a part of the text is.
    fn place(&self, part: &Expr) -> Span {
        let written = self.written.expect("set before a walk begins");
        written.place(part).expect("what is checked was read from a file")
    }
}
