//! Running the probes of conditions.
//!
//! One evaluation is one snapshot: each probe runs once for all conditions that are evaluated
//! together, and only if an evaluation needs it. If a probe runs on each member of a group, the
//! condition must be true for every member.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures_util::future::join_all;
use minijinja::Value;
use minijinja::value::{Serde, ValueKind};

use crate::event::{Reason, Seen, Truth};
use crate::inventory::HostName;
use crate::output;
use crate::plan::{Check, ExitCodes, Plan, Probe, Target};
use crate::resolve::ResolvedPlan;
use crate::run::render;
use crate::run::there::place;
use crate::template::Names;
use crate::template::condition::{Evaluator, Meaning, Scope, Stop};
use crate::template::expression::Expression;
use crate::transport::hosts::at_a_time;
use crate::transport::{Exit, Transport, TransportError};

/// How many members of a group run a probe at the same time.
const MEMBERS_WIDTH: usize = 20;

/// Runs probes for one host.
pub(super) struct Observer<'a> {
    pub(super) plan: &'a ResolvedPlan,
    /// How hosts are reached.
    pub(super) transport: &'a dyn Transport,
    pub(super) host: &'a HostName,
    /// What its templates see.
    pub(super) names: &'a Names,
}

/// What an evaluation gave.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    /// One entry a condition.
    pub(super) seen: Vec<Seen>,
    /// The first host that gave no answer, if one did not.
    pub(super) no_answer: Option<TransportError>,
}

impl Observation {
    /// Whether all conditions are true.
    pub(super) fn holds(&self) -> bool {
        self.seen.iter().all(|seen| seen.truth == Truth::True)
    }

    /// The value of the only condition.
    pub(super) fn truth(&self) -> Truth {
        self.seen.first().map_or(Truth::True, |seen| seen.truth)
    }

    /// Returns the conditions that are not true, as a reason.
    pub(super) fn reason(&self, text: impl Into<String>) -> Reason {
        let failing: Vec<Seen> =
            self.seen.iter().filter(|seen| seen.truth != Truth::True).cloned().collect();
        let seen = if failing.is_empty() { self.seen.clone() } else { failing };
        Reason { text: text.into(), seen }
    }
}

/// The member of each group that is probed; empty if a condition has no probe of `each_of`.
type Members = BTreeMap<String, HostName>;

/// The results of probes, by probe and host.
type Snapshot = BTreeMap<(String, HostName), Result<Value, String>>;

/// The names of one evaluation.
struct SnapshotScope<'a> {
    observer: &'a Observer<'a>,
    members: &'a Members,
    snapshot: &'a Snapshot,
}

impl Scope for SnapshotScope<'_> {
    fn meaning(&self, name: &str) -> Result<Meaning, Stop> {
        if let Some(value) = self.observer.names.get(name) {
            return Ok(Meaning::Value(value.clone()));
        }
        let plan = &self.observer.plan.plan;
        if let Some(named) = plan.named.get(name) {
            let expression = Rc::clone(&named.expression);
            return Ok(match &named.from {
                Some(from) => Meaning::Rows { from: Rc::clone(from), filter: expression },
                None => Meaning::Word(expression),
            });
        }
        let Some(probe) = plan.probes.get(name) else {
            let why = format!("`{name}` has no value");
            let is_optional = plan.inputs.get(name).is_some_and(|input| input.optional);
            return Err(if is_optional { Stop::Missing(why) } else { Stop::CannotTell(why) });
        };
        let place = self.observer.place_of(probe, self.members);
        match place.map(|place| self.snapshot.get(&(name.to_owned(), place))) {
            Err(why) => Err(Stop::CannotTell(format!("`{name}`: {why}"))),
            Ok(None) => Err(Stop::Look(name.to_owned())),
            Ok(Some(Ok(value))) => Ok(Meaning::Value(value.clone())),
            Ok(Some(Err(why))) => Err(Stop::CannotTell(format!("`{name}`: {why}"))),
        }
    }
}

impl Observer<'_> {
    /// Evaluates checks on one snapshot.
    pub(super) async fn checks(&self, checks: &[Check]) -> Observation {
        let all: Vec<(&str, &Expression)> =
            checks.iter().map(|check| (check.text.as_str(), &*check.condition)).collect();
        self.conditions(&all).await
    }

    pub(super) async fn condition(&self, condition: &Expression) -> Observation {
        self.conditions(&[(condition.text.as_str(), condition)]).await
    }

    /// Evaluates conditions on one snapshot; each has its words.
    async fn conditions(&self, conditions: &[(&str, &Expression)]) -> Observation {
        let looks = RefCell::new(Looks::default());
        loop {
            let mut wanted = BTreeSet::new();
            let mut seen = Vec::new();
            for (words, condition) in conditions {
                let snapshot = &looks.borrow().snapshot;
                match self.evaluate(words, condition, snapshot) {
                    Ok(one) => seen.push(one),
                    Err(more) => wanted.extend(more),
                }
            }
            if wanted.is_empty() {
                let Looks { no_answer, missing, .. } = looks.into_inner();
                for one in seen.iter_mut().filter(|one| one.truth != Truth::True) {
                    one.values.extend(missing.iter().cloned());
                }
                return Observation { seen, no_answer };
            }
            self.look(wanted, &looks).await;
        }
    }

    /// Evaluates an expression to a value, which must be the same on every member.
    pub(super) async fn value(&self, expression: &Expression) -> Result<serde_json::Value, String> {
        let looks = RefCell::new(Looks::default());
        loop {
            let mut wanted = BTreeSet::new();
            let mut values: Vec<(String, serde_json::Value)> = Vec::new();
            for members in self.members_of(expression)? {
                let snapshot = &looks.borrow().snapshot;
                let scope = SnapshotScope { observer: self, members: &members, snapshot };
                match Evaluator::new(&scope).value(expression) {
                    Ok(value) => {
                        let value = serde_json::to_value(&value).map_err(|e| e.to_string())?;
                        values.push((place_words(&members), value));
                    }
                    Err(Stop::Look(probe)) => {
                        wanted.insert((probe.clone(), self.place_of_name(&probe, &members)?));
                    }
                    Err(Stop::CannotTell(why) | Stop::Missing(why)) => return Err(why),
                }
            }
            if !wanted.is_empty() {
                self.look(wanted, &looks).await;
                continue;
            }
            let (first_place, first) = values.first().cloned().ok_or("there is no host to ask")?;
            return match values.into_iter().find(|(_, value)| *value != first) {
                None => Ok(first),
                Some((place, value)) => {
                    Err(format!("`{}` is {first}{first_place} and {value}{place}", expression.text))
                }
            };
        }
    }

    /// Evaluates a condition for all members, or returns the probes that must run first.
    fn evaluate(
        &self,
        words: &str,
        condition: &Expression,
        snapshot: &Snapshot,
    ) -> Result<Seen, BTreeSet<(String, HostName)>> {
        let mut decided = Seen {
            claim: words.to_owned(),
            condition: condition.text.clone(),
            truth: Truth::True,
            values: Vec::new(),
            error: None,
        };
        let all = match self.members_of(condition) {
            Ok(all) => all,
            Err(why) => {
                return Ok(Seen { truth: Truth::Unknown, error: Some(why), ..decided });
            }
        };
        let mut wanted = BTreeSet::new();
        let mut first = true;
        for members in &all {
            let scope = SnapshotScope { observer: self, members, snapshot };
            let evaluator = Evaluator::new(&scope);
            let result = evaluator.truth(condition);
            let (truth, error) = match result {
                Ok(true) => (Truth::True, None),
                Ok(false) => (Truth::False, None),
                Err(Stop::Look(probe)) => match self.place_of_name(&probe, members) {
                    Ok(place) => {
                        wanted.insert((probe, place));
                        continue;
                    }
                    Err(why) => (Truth::Unknown, Some(why)),
                },
                Err(Stop::CannotTell(why) | Stop::Missing(why)) => (Truth::Unknown, Some(why)),
            };
            if first || truth > decided.truth {
                let several = all.len() > 1 && truth != Truth::True;
                let place = |part: &str| {
                    if several { self.place_of_part(part, members) } else { String::new() }
                };
                decided.truth = truth;
                decided.error = error;
                decided.values = evaluator
                    .into_seen()
                    .into_iter()
                    .map(|(part, value)| (format!("{part}{}", place(&part)), value))
                    .collect();
                first = false;
            }
        }
        // If one member decides, the probes of the others need not run.
        if decided.truth == Truth::False || wanted.is_empty() { Ok(decided) } else { Err(wanted) }
    }

    /// Runs probes at the same time, and adds their results to the snapshot.
    async fn look(&self, wanted: BTreeSet<(String, HostName)>, looks: &RefCell<Looks>) {
        let all = wanted.into_iter().map(|(name, place)| async move {
            let result = match self.plan.plan.probes.get(&name) {
                Some(probe) => match &probe.target {
                    Target::RowsOf(group, _) => self.rows(probe, group, looks).await,
                    _ => self.look_at(probe, &place).await.map_err(|failure| {
                        let why = failure.why();
                        if let Failure::NoAnswer(error) = failure {
                            looks.borrow_mut().no_answer.get_or_insert(error);
                        }
                        why
                    }),
                },
                None => Err("there is no such probe".into()),
            };
            ((name, place), result)
        });
        let results = join_all(all).await;
        looks.borrow_mut().snapshot.extend(results);
    }

    /// Runs a probe on all members of a group, and returns a row for each member that answers.
    async fn rows(
        &self,
        probe: &Probe,
        group: &str,
        looks: &RefCell<Looks>,
    ) -> Result<Value, String> {
        let members = self.plan.inventory.members(group).unwrap_or_default();
        let look = |member: &HostName| {
            let member = member.clone();
            async move { (self.look_at(probe, &member).await, member) }
        };
        let answers: Vec<_> = at_a_time(MEMBERS_WIDTH, members.iter().map(look)).await;
        let mut rows = BTreeMap::new();
        for (answer, member) in answers {
            let value = match answer {
                Ok(value) => value,
                Err(Failure::Unreadable(why)) => return Err(why),
                Err(failure) => {
                    let missing = (format!("{} on {member}", probe.name), failure.why());
                    looks.borrow_mut().missing.push(missing);
                    continue;
                }
            };
            let mut row = BTreeMap::new();
            if probe.reading.is_row() && value.kind() == ValueKind::Map {
                for key in value.try_iter().into_iter().flatten() {
                    row.insert(key.to_string(), value.get_item(&key).unwrap_or_default());
                }
            } else {
                row.insert("value".to_owned(), value);
            }
            row.insert("key".to_owned(), member.as_str().into());
            rows.insert(member.to_string(), Value::from(row));
        }
        Ok(Value::from(rows))
    }

    /// Runs a probe. If the connection is lost, it runs again: a probe changes nothing.
    pub(super) async fn look_at(&self, probe: &Probe, place: &HostName) -> Result<Value, Failure> {
        let Self { plan, host, names, .. } = self;
        let names = (*names, &plan.secrets.names(host));
        let (to, command) = render::command(&probe.command, names, host, place, plan, &probe.name)
            .map_err(Failure::Unreadable)?;
        let result = match self.transport.look(to, &command).await {
            Err(TransportError::Cut { .. }) => self.transport.look(to, &command).await,
            other => other,
        };
        let out = result.map_err(Failure::NoAnswer)?;
        let on = if place == self.host { String::new() } else { format!(" on {place}") };
        let shown = command.display();
        let failed = |why: String| Failure::Failed(format!("`{shown}`{on}{why}"));
        let code = match out.exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => return Err(failed(format!(" was killed by signal {signal}"))),
            Exit::TimedOut => {
                let limit = crate::duration::show(command.timeout);
                return Err(failed(format!(" exceeded its {limit} timeout")));
            }
        };
        let expected = match &probe.exit_codes {
            ExitCodes::Any => true,
            ExitCodes::These(codes) => codes.contains(&code),
        };
        if !expected {
            let said = first_line(&out.stderr, &out.stdout);
            return Err(failed(format!(": exit code {code}{said}")));
        }
        output::read(&probe.reading, code, &out.stdout, out.stdout_len, &out.stderr)
            .map(|value| Value::from(Serde(value)))
            .map_err(|why| Failure::Unreadable(format!("`{shown}`{on}: {why}")))
    }

    fn place_of(&self, probe: &Probe, members: &Members) -> Result<HostName, String> {
        match &probe.target {
            Target::Here | Target::RowsOf(..) => Ok(self.host.clone()),
            Target::EachOf(group, _) => members.get(group).cloned().ok_or(group),
            Target::Item(_) => {
                let item = place(&probe.target, self.host, self.names);
                let item = item.filter(|item| self.plan.inventory.hosts.contains_key(item));
                return item.ok_or_else(|| "`item` is not a host".to_owned());
            }
            Target::Host(name, _) | Target::OneOf(name, _) => {
                let members = self.plan.inventory.members(name).unwrap_or_default();
                members.into_iter().next().ok_or(name)
            }
        }
        .map_err(|name| format!("`{name}` has no hosts"))
    }

    fn place_of_name(&self, probe: &str, members: &Members) -> Result<HostName, String> {
        let probe = self.plan.plan.probes.get(probe).ok_or("there is no such probe")?;
        self.place_of(probe, members)
    }

    /// Returns the hosts on which the probes of a part of a condition ran: only members of its own groups.
    fn place_of_part(&self, part: &str, members: &Members) -> String {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = part.split(|c| !letters(c)).find(|word| !word.is_empty());
        let mut groups = BTreeSet::new();
        let plan = &self.plan.plan;
        groups_of(plan, name.unwrap_or_default(), &mut BTreeSet::new(), &mut groups);
        let own = members.iter().filter(|(group, _)| groups.contains(*group));
        place_words(&own.map(|(g, host)| (g.clone(), host.clone())).collect())
    }

    /// Returns all combinations of members for which a condition must be true; at least one, maybe
    /// empty.
    fn members_of(&self, expression: &Expression) -> Result<Vec<Members>, String> {
        let mut groups = BTreeSet::new();
        groups_used(&self.plan.plan, expression, &mut BTreeSet::new(), &mut groups);
        let mut all = vec![Members::new()];
        for group in groups {
            let hosts = self.plan.inventory.members(&group).unwrap_or_default();
            if hosts.is_empty() {
                return Err(format!("`{group}` has no hosts"));
            }
            let mut longer = Vec::new();
            for members in &all {
                for host in &hosts {
                    let mut members = members.clone();
                    members.insert(group.clone(), host.clone());
                    longer.push(members);
                }
            }
            all = longer;
        }
        Ok(all)
    }
}

#[derive(Default)]
struct Looks {
    snapshot: Snapshot,
    no_answer: Option<TransportError>,
    /// The members that have no row, and why.
    missing: Vec<(String, String)>,
}

/// Why a probe has no value on a host.
pub(super) enum Failure {
    /// The host did not run it.
    NoAnswer(TransportError),
    /// It failed there.
    Failed(String),
    /// Its command cannot be built, or its output cannot be converted.
    Unreadable(String),
}

impl Failure {
    pub(super) fn why(&self) -> String {
        match self {
            Self::NoAnswer(error) => error.to_string(),
            Self::Failed(why) | Self::Unreadable(why) => why.clone(),
        }
    }
}

/// The first line of what a command complained of, as a tail of a message.
pub(super) fn first_line(stderr: &[u8], stdout: &[u8]) -> String {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().map(str::trim).find(|line| !line.is_empty()).map(|line| {
            let short: String = line.chars().take(200).collect();
            format!(": {short}")
        })
    };
    text(stderr).or_else(|| text(stdout)).unwrap_or_default()
}

/// Collects the groups for whose members a condition must be true.
fn groups_used(
    plan: &Plan,
    expression: &Expression,
    words: &mut BTreeSet<String>,
    groups: &mut BTreeSet<String>,
) {
    for (name, _) in expression.root.free_names() {
        groups_of(plan, &name, words, groups);
    }
}

/// Collects the groups on whose members the probes of a name run.
fn groups_of(plan: &Plan, name: &str, words: &mut BTreeSet<String>, groups: &mut BTreeSet<String>) {
    let probe = match plan.named.get(name) {
        Some(_) if !words.insert(name.to_owned()) => None,
        Some(named) => {
            for expression in named.from.iter().chain([&named.expression]) {
                groups_used(plan, expression, words, groups);
            }
            None
        }
        None => plan.probes.get(name),
    };
    if let Some(Target::EachOf(group, _)) = probe.map(|probe| &probe.target) {
        groups.insert(group.clone());
    }
}

/// Returns ` on db1, db2`, or nothing.
fn place_words(members: &Members) -> String {
    let names: Vec<&str> = members.values().map(HostName::as_str).collect();
    if names.is_empty() { String::new() } else { format!(" on {}", names.join(", ")) }
}
