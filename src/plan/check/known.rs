//! Values of steps: used only where they are known, and only if there is one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::check::{Texts, rendered};
use crate::plan::lower::ITEM;
use crate::plan::{Action, NamedExpression, Plan, Purpose, Rollback, Step, Text};
use crate::template::Name;
use crate::template::expression::Expr;

/// Reports values that are read before they are recorded, or that no step records.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let mut order = Order::new(plan, None, found);
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

/// Checks the templates of uploads in the same way, by the paths of their files.
pub(super) fn texts(plan: &Plan, texts: &Texts, found: &mut Diagnostics) {
    let mut order = Order::new(plan, Some(texts), found);
    for name in texts.values().flat_map(|text| &text.names) {
        if let Some(fault) = without_value(&order.ids, name) {
            order.found.push(fault);
        }
    }
    order.sequence(&plan.steps);
}

fn ids(plan: &Plan) -> HashMap<&str, &Step> {
    let mut ids = HashMap::new();
    plan.visit_sound(&mut |step| ids.extend(step.id.as_deref().map(|id| (id, step))));
    ids
}

/// The steps with a `for_each`, by the ids of the steps that they hold.
fn parts(plan: &Plan) -> HashMap<&str, &Step> {
    let mut parts = HashMap::new();
    plan.visit_sound(&mut |step| {
        if step.for_each.is_some() {
            step.visit_sound(&mut |part| {
                if let Some(id) = part.id.as_deref().filter(|_| part.path != step.path) {
                    parts.insert(id, step);
                }
            });
        }
    });
    parts
}

struct Order<'a> {
    plan: &'a Plan,
    ids: HashMap<&'a str, &'a Step>,
    /// The steps with a `for_each` that hold the step with an id.
    parts: HashMap<&'a str, &'a Step>,
    /// The step with a `for_each` that is gone through.
    inside: Option<&'a Step>,
    /// For each id the conditions on which its step is done at all.
    conditions: HashMap<&'a str, Vec<&'a str>>,
    /// The conditions of the present step and of the blocks around it.
    whens: Vec<&'a str>,
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

fn conditions(plan: &Plan) -> HashMap<&str, Vec<&str>> {
    let mut all = HashMap::new();
    conditional(&plan.steps, &mut Vec::new(), &mut all);
    all
}

/// Notes for each id the conditions on which its step is done.
fn conditional<'a>(
    steps: &'a [Step],
    around: &mut Vec<&'a str>,
    all: &mut HashMap<&'a str, Vec<&'a str>>,
) {
    for step in steps {
        let before = around.len();
        let when = step.when.iter().filter(|when| !when.is_poisoned());
        around.extend(when.map(|when| when.text.as_str()));
        if let (Some(id), false) = (&step.id, around.is_empty()) {
            all.insert(id, around.clone());
        }
        if let Action::Block { steps, rescue } = &step.action {
            conditional(steps, around, all);
            conditional(rescue, around, all);
        }
        around.truncate(before);
    }
}

impl<'a> Order<'a> {
    fn new(plan: &'a Plan, texts: Option<&'a Texts>, found: &'a mut Diagnostics) -> Self {
        Self {
            plan,
            ids: ids(plan),
            parts: parts(plan),
            inside: None,
            conditions: conditions(plan),
            whens: Vec::new(),
            texts,
            needed: HashMap::new(),
            known: HashSet::new(),
            learnt: Vec::new(),
            found,
        }
    }

    /// Walks through steps in order; their results are known after them.
    fn sequence(&mut self, steps: &'a [Step]) {
        for step in steps {
            self.step(step);
        }
    }

    /// Walks through a step. The results of its parts are known after it, except in a step with a
    /// `for_each`: there they are only known inside, like `item`.
    fn step(&mut self, step: &'a Step) {
        if step.is_poisoned {
            return;
        }
        self.list(step);
        let before = self.whens.len();
        self.whens.extend(step.when.iter().map(|when| when.text.as_str()));
        self.each(step);
        self.whens.truncate(before);
    }

    /// Checks the names of a text.
    fn used(&mut self, text: Text<'a>) {
        self.names(text.names());
        for name in text.names() {
            if let Some((fault, when)) = self.skipped(name, &text.roots()) {
                let help = format!("use it under the same condition: `when: {when}`");
                let defined = format!("`{} is defined and ...`", name.name);
                let or = format!("or handle the missing value: {defined}");
                self.found.push(fault.help(help).help(or));
            }
        }
    }

    /// Returns the warning about a value that is missing if its step is skipped, and the condition of
    /// that step.
    fn skipped(&self, name: &Name, roots: &[&Expr]) -> Option<(Diagnostic, &'a str)> {
        let step = self.ids.get(name.name.as_str())?;
        let conditions = self.conditions.get(name.name.as_str())?;
        let when = *conditions.iter().find(|when| !self.whens.contains(*when))?;
        if roots.iter().any(|root| root.allows_missing_name(&name.name)) {
            return None;
        }
        let message = format!("`{}` has no value if its step is skipped", name.name);
        let fault = Diagnostic::warning(Code::MaybeMissing, message)
            .at(name.span, "used here without that condition")
            .also(step.span, format!("runs only when `{when}`"));
        Some((fault, when))
    }

    /// Checks the list of a `for_each`, which is evaluated before the `when` of its step.
    fn list(&mut self, step: &'a Step) {
        for one in step.uses().into_iter().filter(|one| one.purpose == Purpose::Item) {
            self.names(one.text.names());
            for name in one.text.names() {
                if let Some((fault, when)) = self.skipped(name, &one.text.roots()) {
                    let help = format!("put the step into a block with `when: {when}`");
                    let default = format!("`... if {} is defined else []`", name.name);
                    let fault = fault.help(help).help(format!("or write {default}"));
                    self.found.push(fault);
                }
            }
        }
    }

    fn each(&mut self, step: &'a Step) {
        if step.for_each.is_none() {
            self.once(step);
            return;
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
            let text = rendered(step).and_then(|path| texts.get(&path.text));
            self.names(text.iter().flat_map(|text| &text.names));
        } else {
            for one in step.uses() {
                match one.purpose {
                    Purpose::Item => {}
                    // Its other names must be known before the run.
                    Purpose::Path { .. } => {
                        self.names(one.text.names().iter().filter(|name| name.name == ITEM));
                    }
                    _ => self.used(one.text),
                }
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

    /// Walks through a side branch: what becomes known in it is forgotten after it.
    fn aside(&mut self, way: impl FnOnce(&mut Self)) {
        let before = self.learnt.len();
        way(self);
        for id in self.learnt.drain(before..) {
            self.known.remove(id);
        }
    }

    /// Reports names whose values are not known yet, also through probes and named expressions.
    fn names(&mut self, names: impl IntoIterator<Item = &'a Name>) {
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
            let message = format!("{used} only available in a step with `for_each`");
            Diagnostic::error(Code::NoItem, message)
                .help("add a list to the step: `for_each: [a, b]`; or use another value")
        } else {
            let step = self.ids[id];
            let inside = self.inside.map(|inside| &inside.path);
            match self.parts.get(id) {
                Some(within) if inside != Some(&within.path) => {
                    let message = format!("{used} only available inside its `for_each`");
                    Diagnostic::error(Code::InsideForEach, message)
                        .also(step.span, "recorded once per item")
                        .also(within.span, "only available inside this step")
                        .help("use it in a step inside that one")
                }
                _ => Diagnostic::error(Code::NotKnownYet, format!("{used} not known yet"))
                    .also(step.span, "recorded by this step")
                    .help("use it after that step, or move that step before this one"),
            }
        };
        fault.at(name.span, "used here")
    }

    fn no_item(&mut self, names: &'a [Name]) {
        for name in names {
            if self.needs(&name.name).contains(ITEM) {
                let fault = self.unknown(name, ITEM);
                self.found.push(fault);
            }
        }
    }

    /// Returns the steps whose values a name needs. A name that is defined by itself needs
    /// nothing: it has been reported.
    fn needs(&mut self, name: &'a str) -> Rc<BTreeSet<&'a str>> {
        if let Some(needs) = self.needed.get(name) {
            return Rc::clone(needs);
        }
        self.needed.insert(name, Rc::default());
        let mut needs = BTreeSet::new();
        if name == ITEM {
            needs.insert(ITEM);
        }
        if let Some((id, _)) = self.ids.get_key_value(name) {
            needs.insert(*id);
        }
        let inner: Vec<&'a str> = if let Some(probe) = self.plan.probes.get(name) {
            let names = probe.command.uses().into_iter().flat_map(|one| one.text.names());
            names.map(|name| name.name.as_str()).collect()
        } else {
            self.plan.named.get(name).map(NamedExpression::names).unwrap_or_default()
        };
        for name in inner {
            needs.extend(self.needs(name).iter());
        }
        let needs = Rc::new(needs);
        self.needed.insert(name, Rc::clone(&needs));
        needs
    }

    /// Reports uses of steps that have no result.
    fn results(&mut self) {
        let Self { plan, ids, found, .. } = self;
        plan.each_sound_use(&mut |one| {
            let names = one.text.names().iter();
            names.filter_map(|name| without_value(ids, name)).for_each(|one| found.push(one));
        });
    }
}

/// Reports a name whose step has no result.
fn without_value(ids: &HashMap<&str, &Step>, name: &Name) -> Option<Diagnostic> {
    let step = ids.get(name.name.as_str())?;
    if matches!(step.action, Action::Effect(_) | Action::Set(_)) {
        return None;
    }
    let action = step.action_word();
    Some(
        Diagnostic::error(Code::NoResult, format!("step `{}` has no result", name.name))
            .at(name.span, "used as a value")
            .also(step.span, format!("`{action}` does not record a result"))
            .help("use a probe, or record values with `set`"),
    )
}

/// Returns the names that a plan and its texts use.
pub(super) fn used(plan: &Plan, texts: &Texts) -> HashSet<String> {
    let names = texts.values().flat_map(|text| &text.names);
    let mut used: HashSet<String> = names.map(|name| name.name.clone()).collect();
    plan.each_use(&mut |one| {
        used.extend(one.text.names().iter().map(|name| name.name.clone()));
        if let Purpose::Rows(from) = one.purpose {
            used.insert(from.to_owned());
        }
    });
    used
}

/// Reports names that are never used.
pub(super) fn unused(plan: &Plan, used: &HashSet<String>, found: &mut Diagnostics) {
    // A named expression used only by an unused one counts as used.
    let words = plan.named.iter().map(|(name, word)| (name, word.span(), "named expression"));
    let probes = plan.probes.values().map(|probe| (&probe.name, probe.span, "probe"));
    for (name, span, what) in words.chain(probes) {
        if !used.contains(name) {
            Diagnostic::warning(Code::UnusedName, format!("unused {what} `{name}`"))
                .at(span, "never used")
                .help("use it or remove it")
                .emit(found);
        }
    }
    for (name, input) in &plan.inputs {
        if !used.contains(name) {
            Diagnostic::warning(Code::UnusedInput, format!("unused input `{name}`"))
                .at(input.span, "never used")
                .help(format!("use it as `{{{{ {name} }}}}` or remove it"))
                .emit(found);
        }
    }
}
