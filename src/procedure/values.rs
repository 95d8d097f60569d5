//! Texts of a plan with the values that are known, and with placeholders for the others.

use std::cell::RefCell;
use std::time::Duration;

use indexmap::IndexSet;

use crate::duration;
use crate::inventory::HostName;
use crate::page::Text;
use crate::plan::{Deferred, Plan};
use crate::quote::readable;
use crate::resolve::{ResolvedPlan, names};
use crate::template::expression::{Expr, ExprKind};
use crate::template::{Mode, Names, Template, Written as _};

/// Filters that only say how a value is inserted.
const OF_FORM: [&str; 3] = ["allow_empty", "each", "raw"];

pub(super) struct Values<'a> {
    pub(super) plan: &'a Plan,
    resolved: Option<&'a ResolvedPlan>,
    /// The placeholders that were used, without their brackets.
    pub(super) placeholders: RefCell<IndexSet<String>>,
}

/// What a text is on some hosts; on all of them if `hosts` is empty.
pub(super) struct Variant {
    pub(super) hosts: Vec<HostName>,
    pub(super) text: String,
}

impl<'a> Values<'a> {
    pub(super) fn new(plan: &'a Plan, resolved: Option<&'a ResolvedPlan>) -> Self {
        Self { plan, resolved, placeholders: RefCell::default() }
    }

    /// Returns the names that a host knows before the run.
    pub(super) fn names(&self, host: Option<&HostName>) -> Option<Names> {
        let mut known = names(self.resolved?, host?);
        // A secret is typed or read when it is needed.
        for (name, input) in &self.plan.inputs {
            if input.sensitive {
                known.remove(name);
            }
        }
        Some(known)
    }

    /// Returns a text for each of some hosts, those with the same one together.
    pub(super) fn on(
        &self,
        hosts: &[HostName],
        text: impl Fn(Option<&Names>) -> String,
    ) -> Vec<Variant> {
        let mut out: Vec<Variant> = Vec::new();
        for host in hosts {
            let text = text(self.names(Some(host)).as_ref());
            match out.iter_mut().find(|one| one.text == text) {
                Some(same) => same.hosts.push(host.clone()),
                None => out.push(Variant { hosts: vec![host.clone()], text }),
            }
        }
        if out.is_empty() {
            out.push(Variant { hosts: Vec::new(), text: text(None) });
        } else if let [only] = out.as_mut_slice() {
            only.hosts.clear();
        }
        out
    }

    /// Returns a template with what is known, as a word of a command, a script or a text.
    pub(super) fn text(&self, template: &Template, mode: Mode, names: Option<&Names>) -> String {
        let quote = |text: &str| match mode {
            Mode::Word if !text.is_empty() => readable(text),
            _ => text.to_owned(),
        };
        if template.is_plain() {
            return if mode == Mode::Word {
                readable(&template.text)
            } else {
                template.text.clone()
            };
        }
        if let Some(text) = names.and_then(|names| template.render(mode, names).ok()) {
            let words: Vec<String> = text.split_terminator('\0').map(quote).collect();
            return words.join(" ");
        }
        let (mut out, mut done) = (String::new(), 0);
        for used in template.shown() {
            let text = template.text.as_str();
            let (Some(start), Some(length)) = (
                text.get(..used.expr.range.start).and_then(|before| before.rfind("{{")),
                text.get(used.expr.range.end..).and_then(|rest| rest.find("}}")),
            ) else {
                continue;
            };
            let end = used.expr.range.end + length + 2;
            if start < done {
                continue;
            }
            out.push_str(&quote(&text[done..start]));
            let part = Template::plain(&text[start..end], template.span);
            let value = names.filter(|_| used.locals.is_empty());
            let value = value.and_then(|names| part.render(mode, names).ok());
            out.push_str(
                &value.map_or_else(|| self.placeholder(template, &used.expr), |it| quote(&it)),
            );
            done = end;
        }
        out.push_str(&quote(&template.text[done..]));
        out
    }

    fn placeholder(&self, template: &Template, expr: &Expr) -> String {
        let name = template.part(bare(expr)).to_owned();
        let shown = format!("<{name}>");
        self.placeholders.borrow_mut().insert(name);
        shown
    }

    /// Returns a deferred value: as it is written, or with what its input is by default.
    pub(super) fn deferred<T>(
        &self,
        late: &Deferred<T>,
        names: Option<&Names>,
        show: impl Fn(&T) -> String,
    ) -> String {
        match late {
            Deferred::Now(value) => show(value),
            Deferred::Template(template) => self.text(template, Mode::Text, names),
        }
    }

    /// Returns a deferred value on hosts, in a sentence.
    pub(super) fn deferred_on<T>(
        &self,
        late: &Deferred<T>,
        hosts: &[HostName],
        show: impl Fn(&T) -> String,
    ) -> Text {
        let variants = self.on(hosts, |names| self.deferred(late, names, &show));
        let text = |one: &Variant| match (late, one.text.starts_with('<')) {
            (Deferred::Template(_), true) => Text::new().code(&one.text),
            _ => Text::new().plain(&one.text),
        };
        match variants.as_slice() {
            [only] => text(only),
            several => several.iter().fold(Text::new(), |out, one| {
                let hosts: Vec<&str> = one.hosts.iter().map(HostName::as_str).collect();
                out.and(", ", text(one)).plain(" on ").plain(&hosts.join(", "))
            }),
        }
    }
}

/// Returns an expression without the filters that only say how its value is inserted.
fn bare(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Filter(name, inner, _) if OF_FORM.contains(&name.as_str()) => bare(inner),
        _ => expr,
    }
}

/// Returns a title with its `{{ }}` as placeholders.
pub(super) fn with_placeholders(title: &str) -> String {
    title.replace("{{ ", "<").replace(" }}", ">")
}

/// Writes a time.
pub(super) fn shown(time: &Duration) -> String {
    duration::show(*time)
}
