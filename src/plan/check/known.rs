//! Values of steps: used only where they are known, and only if there is one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use indexmap::{IndexMap, IndexSet};

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::check::{Texts, rendered};
use crate::plan::lower::ITEM;
use crate::plan::{Action, NamedExpression, Plan, Purpose, Rollback, Step, Target, Text};
use crate::source::Span;
use crate::task::Stage;
use crate::template::Name;
use crate::template::expression::Expr;

/// Reports values that are read before they are recorded, or that no step records.
pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    let mut order = Order::new(plan, None, found);
    order.results();
    for check in plan.preflight.iter().chain(&plan.preflight_start) {
        order.names(&check.condition.names);
    }
    let invariants = &plan.invariants;
    let checks = [&invariants.always, &invariants.at_rest, &invariants.at_end];
    for check in checks.into_iter().flatten() {
        order.no_item(&check.condition.names);
    }
    order.run();
}

/// Checks the templates of uploads in the same way, by the paths of their files.
pub(super) fn texts(plan: &Plan, texts: &Texts, found: &mut Diagnostics) {
    let mut order = Order::new(plan, Some(texts), found);
    for name in texts.values().flat_map(|text| &text.names) {
        if let Some(fault) = without_value(&order.ids, name) {
            order.found.push(fault);
        }
    }
    order.run();
}

/// In what is known: `item` is a host. No name of a plan has a space.
const ITEM_IS_HOST: &str = "the item is a host";

struct Order<'a> {
    plan: &'a Plan,
    ids: IndexMap<&'a str, &'a Step>,
    /// The last stage, once all hosts have been gone through.
    stage: Option<Stage>,
    /// The step with a `for_each` that is gone through.
    inside: Option<&'a Step>,
    /// The conditions of the present step and of the blocks around it.
    whens: Vec<&'a str>,
    /// The texts to be checked alone; `None`: what the plan itself says.
    texts: Option<&'a Texts>,
    /// The steps whose values each name needs, as far as that was asked.
    needed: HashMap<&'a str, Rc<BTreeSet<&'a str>>>,
    /// The steps whose values are known here, in the order in which they became known.
    known: IndexSet<&'a str>,
    found: &'a mut Diagnostics,
}

impl<'a> Order<'a> {
    fn new(plan: &'a Plan, texts: Option<&'a Texts>, found: &'a mut Diagnostics) -> Self {
        Self {
            plan,
            ids: plan.ids(),
            stage: None,
            inside: None,
            whens: Vec::new(),
            texts,
            needed: HashMap::new(),
            known: IndexSet::new(),
            found,
        }
    }

    /// Walks through the run: results of the setup are known to the hosts, and those of the hosts only on
    /// their own host.
    fn run(&mut self) {
        let plan = self.plan;
        self.sequence(&plan.setup);
        self.aside(|order| {
            if order.texts.is_none() {
                for check in &plan.preflight_turn {
                    order.names(&check.condition.names);
                }
            }
            order.sequence(&plan.steps);
        });
        self.stage = Some(Stage::Finish);
        self.sequence(&plan.finish);
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
        // The list is evaluated before the `when`.
        for one in step.uses().into_iter().filter(|one| one.purpose == Purpose::Item) {
            self.used(one.text, true);
        }
        let before = self.whens.len();
        self.whens.extend(step.when.iter().map(|when| when.text.as_str()));
        self.each(step);
        self.whens.truncate(before);
    }

    /// Checks the names of a text, or of the list of a `for_each`.
    fn used(&mut self, text: Text<'a>, is_list: bool) {
        self.names(text.names());
        for Name { name, span } in text.names() {
            let Some((step, when)) = self.skipped(name, &text.roots()) else { continue };
            let message = format!("`{name}` has no value if its step is skipped");
            let fault = Diagnostic::warning(Code::MaybeMissing, message)
                .at(*span, "used here without that condition")
                .also(step.span, format!("runs only when `{when}`"));
            let (help, or) = if is_list {
                let help = format!("put the step into a block with `when: {when}`");
                (help, format!("or write `... if {name} is defined else []`"))
            } else {
                let help = format!("use it under the same condition: `when: {when}`");
                (help, format!("or handle the missing value: `{name} is defined and ...`"))
            };
            fault.help(help).help(or).emit(self.found);
        }
    }

    /// Returns the step of a name and a condition on which it is done, if that is not a condition here,
    /// too: without it the value is missing.
    fn skipped(&self, name: &str, roots: &[&Expr]) -> Option<(&'a Step, &'a str)> {
        let step = *self.ids.get(name)?;
        let around = self.plan.around(&step.path).into_iter().map(|(step, _)| step).chain([step]);
        let whens = around.filter_map(|step| step.when.as_ref()).filter(|when| !when.is_poisoned());
        let mut whens = whens.map(|when| when.text.as_str());
        let when = whens.find(|when| !self.whens.contains(when))?;
        let allowed = roots.iter().any(|root| root.allows_missing_name(name));
        (!allowed).then_some((step, when))
    }

    fn each(&mut self, step: &'a Step) {
        if step.for_each.is_none() {
            self.once(step);
            return;
        }
        let outer = self.inside.replace(step);
        let is_of_hosts = step.for_each.as_ref().is_some_and(|each| each.list.group().is_some());
        self.aside(|order| {
            order.known.insert(ITEM);
            if is_of_hosts {
                order.known.insert(ITEM_IS_HOST);
            }
            order.once(step);
        });
        self.inside = outer;
        self.known.extend(step.id.as_deref());
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
                    _ => self.used(one.text, false),
                }
            }
        }
        if let Some(Target::Item(span)) = step.effect().map(|effect| &effect.target)
            && self.texts.is_none()
            && !self.known.contains(ITEM_IS_HOST)
        {
            let label = "`item` is not a host of the inventory here";
            self.found.push(self.no_host("the step", *span, label));
        }
        if let Action::Block { steps, rescue } = &step.action {
            self.sequence(steps);
            // A rescue runs where some part failed: those before it may have their values.
            self.aside(|order| order.sequence(rescue));
        }
        self.known.extend(step.id.as_deref());
        if let Rollback::Handler(handler) = &step.rollback {
            self.aside(|order| order.step(handler));
        }
    }

    /// Walks through a side branch: what becomes known in it is forgotten after it.
    fn aside(&mut self, way: impl FnOnce(&mut Self)) {
        let before = self.known.len();
        way(self);
        self.known.truncate(before);
    }

    /// Reports names whose values are not known yet, also through probes and named expressions.
    fn names(&mut self, names: impl IntoIterator<Item = &'a Name>) {
        for name in names {
            let needs = self.needs(&name.name);
            for &id in needs.iter() {
                let is_reported =
                    id == ITEM_IS_HOST && needs.contains(ITEM) && !self.known.contains(ITEM);
                if !self.known.contains(id) && !is_reported {
                    self.unknown(name, id).emit(self.found);
                }
            }
        }
    }

    fn no_host(&self, what: &str, span: Span, label: &str) -> Diagnostic {
        let inside = self.inside.and_then(|step| step.for_each.as_ref());
        Diagnostic::error(Code::ItemNotHost, format!("{what} runs on `{{{{ item }}}}`"))
            .at(span, label)
            .also(inside.map(|each| each.span), "a loop over other items")
            .help("use it in a step with `for_each: {hosts_of: GROUP}`")
    }

    fn unknown(&self, name: &Name, id: &str) -> Diagnostic {
        if id == ITEM_IS_HOST {
            let label = "`item` is not a host of the inventory here";
            return self.no_host(&format!("`{}`", name.name), name.span, label);
        }
        let used = if id == name.name {
            format!("`{id}` is")
        } else {
            format!("`{}` uses `{id}`, which is", name.name)
        };
        let fault = if id == ITEM {
            let message = format!("{used} only available in a step with `for_each`");
            Diagnostic::error(Code::NoItem, message)
                .help("add a list to the step: `for_each: [a, b]`; or use another value")
        } else if self.stage.is_some() && self.plan.stage_of(&self.ids[id].path).is_none() {
            let message = format!("{used} recorded on each host: `finish` has no host");
            Diagnostic::error(Code::NoHostHere, message)
                .also(self.ids[id].span, "recorded by this step")
                .help("read it again with a probe that has `delegate_to`, or use it in `steps`")
        } else {
            let step = self.ids[id];
            let within = self.plan.find(&step.path).and_then(|(_, of)| of);
            let inside = self.inside.map(|inside| &inside.path);
            match within.filter(|of| of.path != step.path && inside != Some(&of.path)) {
                Some(within) => {
                    let message = format!("{used} only available inside its `for_each`");
                    Diagnostic::error(Code::InsideForEach, message)
                        .also(step.span, "recorded once per item")
                        .also(within.span, "only available inside this step")
                        .help("use it in a step inside that one")
                }
                None => Diagnostic::error(Code::NotKnownYet, format!("{used} not known yet"))
                    .also(step.span, "recorded by this step")
                    .help("use it after that step, or move that step before this one"),
            }
        };
        fault.at(name.span, "used here")
    }

    fn no_item(&mut self, names: &'a [Name]) {
        for name in names {
            let needs = self.needs(&name.name);
            if let Some(id) = [ITEM, ITEM_IS_HOST].into_iter().find(|id| needs.contains(id)) {
                self.unknown(name, id).emit(self.found);
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
            if matches!(probe.target, Target::Item(_)) {
                needs.insert(ITEM_IS_HOST);
            }
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

fn without_value(ids: &IndexMap<&str, &Step>, name: &Name) -> Option<Diagnostic> {
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

pub(super) fn used(plan: &Plan, texts: &Texts) -> HashSet<String> {
    let names = texts.values().flat_map(|text| &text.names);
    let mut used: HashSet<String> = names.map(|name| name.name.clone()).collect();
    plan.each_use(&mut |one| {
        used.extend(one.text.names().iter().map(|name| name.name.clone()));
    });
    used
}

pub(super) fn unused(plan: &Plan, used: &HashSet<String>, found: &mut Diagnostics) {
    // A named expression used only by an unused one counts as used.
    let named = plan.named.iter().map(|(name, named)| (name, named.span, "named expression"));
    let probes = plan.probes.values().map(|probe| (&probe.name, probe.span, "probe"));
    let names = named.chain(probes).map(|one| (one, Code::UnusedName, "use it".to_owned()));
    let inputs = plan.inputs.iter().map(|(name, input)| {
        let order = format!("use it as `{{{{ {name} }}}}`");
        ((name, input.span, "input"), Code::UnusedInput, order)
    });
    for ((name, span, what), code, order) in names.chain(inputs) {
        if !used.contains(name) {
            Diagnostic::warning(code, format!("unused {what} `{name}`"))
                .at(span, "never used")
                .help(format!("{order} or remove it"))
                .emit(found);
        }
    }
}
