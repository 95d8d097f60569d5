//! Items that are known before a run: the files of uploads depend on them.

use minijinja::Value;
use minijinja::value::Serde;

use crate::inventory::HostName;
use crate::plan::{Deferred, ItemList, Step, UploadSource};
use crate::resolve::{ResolvedPlan, names};
use crate::template::condition::{Evaluator, Meaning, Scope, Stop};
use crate::template::expression::Expression;
use crate::template::{Mode, Names, Template};

/// Returns what the texts of a step see on a host before the run, once for each of its items; once
/// if it has none, or if these are known only during the run.
fn names_at_items(resolved: &ResolvedPlan, host: &HostName, step: &Step) -> Vec<Names> {
    let names = names(resolved, host);
    let of = resolved.plan.find(&step.path).and_then(|(_, of)| of);
    let list = of.and_then(|of| of.for_each.as_ref()).map(|each| &each.list);
    let items = match list {
        Some(ItemList::Expression(list)) => {
            value(list, &names).and_then(|list| Some(list.try_iter().ok()?.collect::<Vec<_>>()))
        }
        Some(ItemList::Written(items)) => items.iter().map(|item| written(item, &names)).collect(),
        Some(ItemList::HostsOf(group, _)) => {
            let hosts = resolved.inventory.members(group).unwrap_or_default();
            Some(hosts.iter().map(|host| host.as_str().into()).collect())
        }
        None => None,
    };
    let Some(items) = items else { return vec![names] };
    let at = |item| {
        let mut names = names.clone();
        names.insert("item".into(), item);
        names
    };
    items.into_iter().map(at).collect()
}

/// Calls a function on each upload on each host, with the names that its texts see before the run, once
/// for each of its items.
pub(super) fn each_upload<'a>(
    resolved: &'a ResolvedPlan,
    see: &mut dyn FnMut(&HostName, &'a UploadSource, &Names),
) {
    let mut uploads: Vec<(&Step, &UploadSource)> = Vec::new();
    resolved.plan.visit(&mut |step| {
        uploads.extend(step.upload().map(|upload| (step, &upload.source)));
    });
    for host in &resolved.hosts {
        for (step, source) in &uploads {
            for names in names_at_items(resolved, host, step) {
                see(host, source, &names);
            }
        }
    }
}

fn written(item: &Deferred<serde_json::Value>, names: &Names) -> Option<Value> {
    match item {
        Deferred::Now(value) => Some(Value::from(Serde(value.clone()))),
        Deferred::Template(template) => rendered(template, names),
    }
}

fn rendered(template: &Template, names: &Names) -> Option<Value> {
    match template.whole() {
        Some(whole) => value(&whole, names),
        None => template.render(Mode::Text, names).ok().map(Value::from),
    }
}

fn value(expression: &Expression, names: &Names) -> Option<Value> {
    Evaluator::new(&Known(names)).value(expression).ok()
}

/// Names that are known without a probe.
struct Known<'a>(&'a Names);

impl Scope for Known<'_> {
    fn meaning(&self, name: &str) -> Result<Meaning, Stop> {
        let value = self.0.get(name).cloned().map(Meaning::Value);
        value.ok_or_else(|| Stop::CannotTell(format!("`{name}` is not known yet")))
    }
}
