//! Values of steps: used only where they are known, and only where there is one.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::rc::Rc;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::plan::Action;
use crate::plan::Default;
use crate::plan::Plan;
use crate::plan::Rollback;
use crate::plan::Step;
use crate::plan::Word;
use crate::plan::check::command_templates;
use crate::plan::check::expressions;
use crate::plan::check::templates;
use crate::plan::check::texts::Texts;
use crate::plan::check::texts::rendered_file;
use crate::template::Name;

/// Tells of values that are read before they are recorded, or that no step gives.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let mut order = Order {
        plan,
        ids: ids(plan),
        texts: None,
        needed: HashMap::new(),
        known: HashSet::new(),
        learnt: Vec::new(),
        found,
    };
    order.results();
    for claim in &plan.preflight {
        order.names(&claim.condition.names);
    }
    order.sequence(&plan.steps);
}

/// Tells the same of the texts that uploads render, by the paths of their files.
pub(super) fn texts(plan: &Plan, texts: &Texts, found: &mut Diagnostics) {
    let mut order = Order {
        plan,
        ids: ids(plan),
        texts: Some(texts),
        needed: HashMap::new(),
        known: HashSet::new(),
        learnt: Vec::new(),
        found,
    };
    for name in texts.values().flat_map(|text| &text.names) {
        if let Some(fault) = without_value(&order.ids, name) {
            order.found.push(fault);
        }
    }
    order.sequence(&plan.steps);
}

fn ids(plan: &Plan) -> HashMap<&str, &Step> {
    let mut ids = HashMap::new();
    for step in &plan.steps {
        step.visit(&mut |step| {
            if let Some(id) = &step.id {
                ids.insert(id.as_str(), step);
            }
        });
    }
    ids
}

struct Order<'a> {
    plan: &'a Plan,
    ids: HashMap<&'a str, &'a Step>,
    /// The texts to be checked alone; `None`: what the plan itself says.
    texts: Option<&'a Texts>,
    /// The steps whose values each name needs, as far as that was asked.
    needed: HashMap<&'a str, Rc<BTreeSet<&'a str>>>,
    /// The steps whose values are known here.
    known: HashSet<&'a str>,
    /// The same in the order in which they became known, so that it can be forgotten again.
    learnt: Vec<&'a str>,
    found: &'a mut Diagnostics,
}

impl<'a> Order<'a> {
    /// Goes through steps in their order; what they give is known behind them.
    fn sequence(&mut self, steps: &'a [Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &'a Step) {
        if let Some(texts) = self.texts {
            let text = rendered_file(step).and_then(|path| texts.get(path));
            self.names(text.map_or(&[], |text| &text.names));
        } else {
            for expression in expressions(step) {
                self.names(&expression.names);
            }
            for template in templates(step) {
                self.names(&template.names);
            }
        }
        if let Action::Block { steps, rescue } = &step.action {
            self.sequence(steps);
            // A rescue runs where some part failed: those before it may have their values.
            self.aside(|order| order.sequence(rescue));
        }
        if let Some(id) = step.id.as_deref()
            && self.known.insert(id)
        {
            self.learnt.push(id);
        }
        if let Rollback::Handler(handler) = &step.rollback {
            self.aside(|order| order.step(handler));
        }
    }

    /// Goes another way for a while: what becomes known on it is forgotten behind it.
    fn aside(&mut self, way: impl FnOnce(&mut Self)) {
        let before = self.learnt.len();
        way(self);
        for id in self.learnt.drain(before..) {
            self.known.remove(id);
        }
    }

    /// Tells of names whose values are not known yet, through probes and words, too.
    fn names(&mut self, names: &'a [Name]) {
        for name in names {
            let needs = self.needs(&name.name);
            for &id in needs.iter().filter(|&id| !self.known.contains(id)) {
                let message = if id == name.name {
                    format!("`{id}` is not known yet")
                } else {
                    format!("`{}` uses `{id}`, which is not known yet", name.name)
                };
                self.found.push(
                    Diagnostic::error("not-known-yet", message)
                        .at(name.span, "used here")
                        .also(self.ids[id].span, "recorded only by this step")
                        .help("use it behind that step, or move that step before this one"),
                );
            }
        }
    }

    /// Returns the steps whose values a name needs. Words are not made of themselves: that has been
    /// told, and no plan came of it.
    fn needs(&mut self, name: &'a str) -> Rc<BTreeSet<&'a str>> {
        if let Some(needs) = self.needed.get(name) {
            return Rc::clone(needs);
        }
        let mut needs = BTreeSet::new();
        if let Some((id, _)) = self.ids.get_key_value(name) {
            needs.insert(*id);
        }
        let inner: Vec<&'a str> = if let Some(probe) = self.plan.probes.get(name) {
            let templates = command_templates(&probe.command).into_iter();
            let names = templates.flat_map(|template| &template.names);
            names.map(|name| name.name.as_str()).collect()
        } else {
            self.plan
                .words
                .get(name)
                .map(Word::names)
                .unwrap_or_default()
        };
        for name in inner {
            needs.extend(self.needs(name).iter());
        }
        let needs = Rc::new(needs);
        self.needed.insert(name, Rc::clone(&needs));
        needs
    }

    /// Tells of uses of steps that give no value at all.
    fn results(&mut self) {
        let mut told = Vec::new();
        each_name(self.plan, &mut |name| {
            told.extend(without_value(&self.ids, name));
        });
        for one in told {
            self.found.push(one);
        }
    }
}

/// Tells of a name whose step gives no value.
fn without_value(ids: &HashMap<&str, &Step>, name: &Name) -> Option<Diagnostic> {
    let step = ids.get(name.name.as_str())?;
    if matches!(step.action, Action::Effect(_) | Action::Set(_)) {
        return None;
    }
    let action = step.action_word();
    let message = format!("the step `{}` gives no value", name.name);
    Some(
        Diagnostic::error("no-result", message)
            .at(name.span, "used as a value")
            .also(step.span, format!("`{action}` records nothing"))
            .help("use a probe to look, or record values with `set`"),
    )
}

/// Calls a function on every name that is used in a plan.
fn each_name(plan: &Plan, see: &mut dyn FnMut(&Name)) {
    for input in plan.inputs.values() {
        if let Some(Default::Template(template)) = &input.default {
            template.names.iter().for_each(&mut *see);
        }
    }
    for probe in plan.probes.values() {
        for template in command_templates(&probe.command) {
            template.names.iter().for_each(&mut *see);
        }
    }
    for word in plan.words.values() {
        let (Word::Expression(expression, _)
        | Word::Rows {
            filter: expression, ..
        }) = word;
        expression.names.iter().for_each(&mut *see);
    }
    let invariants = &plan.invariants;
    let claims = [&invariants.always, &invariants.at_rest, &invariants.at_end];
    for claim in claims.into_iter().flatten().chain(&plan.preflight) {
        claim.condition.names.iter().for_each(&mut *see);
    }
    for step in &plan.steps {
        step.visit(&mut |step| {
            for expression in expressions(step) {
                expression.names.iter().for_each(&mut *see);
            }
            for template in templates(step) {
                template.names.iter().for_each(&mut *see);
            }
        });
    }
}

/// Tells of inputs that nothing uses, nor the texts that uploads render.
pub(super) fn unused(plan: &Plan, texts: &Texts, found: &mut Diagnostics) {
    let mut used: HashSet<String> = HashSet::new();
    for name in texts.values().flat_map(|text| &text.names) {
        used.insert(name.name.clone());
    }
    each_name(plan, &mut |name| {
        used.insert(name.name.clone());
    });
    for (name, input) in &plan.inputs {
        if !used.contains(name) {
            found.push(
                Diagnostic::warning("unused-input", format!("nothing uses the input `{name}`"))
                    .at(input.span, "declared here")
                    .help(format!("use it, `{{{{ {name} }}}}`, or remove it")),
            );
        }
    }
}
