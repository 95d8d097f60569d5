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
use crate::plan::check::listed;
use crate::plan::check::templates;
use crate::plan::check::texts::Texts;
use crate::plan::check::texts::rendered_file;
use crate::plan::lower::ITEM;
use crate::template::Name;

/// Tells of values that are read before they are recorded, or that no step gives.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let mut order = Order {
        plan,
        ids: ids(plan),
        parts: parts(plan),
        inside: None,
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
    let invariants = &plan.invariants;
    let claims = [&invariants.always, &invariants.at_rest, &invariants.at_end];
    for claim in claims.into_iter().flatten() {
        order.no_item(&claim.condition.names);
    }
    order.sequence(&plan.steps);
}

/// Tells the same of the texts that uploads render, by the paths of their files.
pub(super) fn texts(plan: &Plan, texts: &Texts, found: &mut Diagnostics) {
    let mut order = Order {
        plan,
        ids: ids(plan),
        parts: parts(plan),
        inside: None,
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

/// The steps with a `for_each`, by the ids of the steps that they hold.
fn parts(plan: &Plan) -> HashMap<&str, &Step> {
    let mut parts = HashMap::new();
    for step in &plan.steps {
        step.visit(&mut |step| {
            if step.for_each.is_some() {
                step.visit(&mut |part| {
                    if let Some(id) = part.id.as_deref().filter(|_| part.path != step.path) {
                        parts.insert(id, step);
                    }
                });
            }
        });
    }
    parts
}

struct Order<'a> {
    plan: &'a Plan,
    ids: HashMap<&'a str, &'a Step>,
    /// The steps with a `for_each` that hold the step with an id.
    parts: HashMap<&'a str, &'a Step>,
    /// The step with a `for_each` that is gone through.
    inside: Option<&'a Step>,
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

    /// Goes through a step. What its parts give is known behind it, but for a step with a
    /// `for_each`: there it is known inside alone, as `item` is.
    fn step(&mut self, step: &'a Step) {
        if step.for_each.is_none() {
            self.once(step);
            return;
        }
        for name in listed(step) {
            self.names(std::slice::from_ref(name));
        }
        let outer = self.inside.replace(step);
        self.aside(|order| {
            order.learn(ITEM);
            order.once(step);
        });
        self.inside = outer;
        step.id.iter().for_each(|id| self.learn(id));
    }

    fn once(&mut self, step: &'a Step) {
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
        step.id.iter().for_each(|id| self.learn(id));
        if let Rollback::Handler(handler) = &step.rollback {
            self.aside(|order| order.step(handler));
        }
    }

    fn learn(&mut self, id: &'a str) {
        if self.known.insert(id) {
            self.learnt.push(id);
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
            for &id in needs.iter() {
                if !self.known.contains(id) {
                    let fault = self.unknown(name, id);
                    self.found.push(fault);
                }
            }
        }
    }

    fn unknown(&self, name: &Name, id: &str) -> Diagnostic {
        let used = if id == name.name {
            format!("`{id}` is")
        } else {
            format!("`{}` uses `{id}`, which is", name.name)
        };
        let fault = if id == ITEM {
            let message = format!("{used} known only in a step with `for_each`");
            Diagnostic::error("no-item", message)
                .help("add the list that it is done for: `for_each: [a, b]`; or use another value")
        } else {
            let step = self.ids[id];
            let inside = self.inside.map(|inside| &inside.path);
            match self.parts.get(id) {
                Some(within) if inside != Some(&within.path) => {
                    let message = format!("{used} known only inside of a `for_each`");
                    Diagnostic::error("inside-for-each", message)
                        .also(step.span, "recorded once for each item")
                        .also(within.span, "known inside of this step alone")
                        .help("use it in a step inside of that one")
                }
                _ => Diagnostic::error("not-known-yet", format!("{used} not known yet"))
                    .also(step.span, "recorded only by this step")
                    .help("use it behind that step, or move that step before this one"),
            }
        };
        fault.at(name.span, "used here")
    }

    /// Tells of an item where there never is one.
    fn no_item(&mut self, names: &'a [Name]) {
        for name in names {
            if self.needs(&name.name).contains(ITEM) {
                let fault = self.unknown(name, ITEM);
                self.found.push(fault);
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
        if name == ITEM {
            needs.insert(ITEM);
        }
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
            listed(step).into_iter().for_each(&mut *see);
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
