//! Reaching hosts before the first change: connect, check the host key, log in, become each user.
//!
//! So a host that cannot be worked on is found while nothing is changed yet, whether the plan has a
//! `preflight` or not. A host is reached as each user that its steps run as, and so are the hosts
//! to which its steps are delegated: of a `for_each` over the hosts of a group, each. Steps with a `when`
//! or another `for_each` are left out: a user that only some hosts have must not refuse the others.
//!
//! The host keys that hosts have shown are recorded once a host, before anything that changes something
//! is sent to it, and expected again after a resume. So a resume, or a rollback by another process, never
//! goes to another machine on the same address.

use crate::event::{HostEvent, JournalError};
use crate::inventory::{Host, HostName};
use crate::plan::{Action, Effect, Rollback, Step, Target};
use crate::resolve::ResolvedPlan;
use crate::run::guard::Guard;
use crate::run::{Live, render};
use crate::task::Stage;
use crate::template::Names;
use crate::transport::{Transport, TransportError};

/// A host, and the user that commands run as there; `None` for the login user.
pub(super) type Login = (HostName, Option<String>);

impl Live<'_, '_> {
    /// Records the host key that a host has shown.
    pub(super) async fn keep_key(&self, host: &HostName) -> Result<(), JournalError> {
        match self.run.transport.shown_key(host) {
            Some(key) if !self.state.borrow().host_keys.contains_key(host) => {
                self.note(HostEvent::KeySeen { key }.of(host)).await
            }
            _ => Ok(()),
        }
    }

    /// Connects to a host before anything is sent to it for the first time, and records its key; locks it if
    /// it has lost its lock. Returns why nothing may be sent, if that is so.
    pub(super) async fn meet(
        &self,
        host: &Host,
        through: &Guard<'_>,
    ) -> Result<Option<TransportError>, JournalError> {
        if !self.state.borrow().host_keys.contains_key(&host.name) {
            let reached = through.reach(host).await;
            self.keep_key(&host.name).await?;
            if let Err(error) = reached {
                return Ok(Some(error));
            }
        }
        self.lock_late(host, through).await
    }

    /// Reaches a host and, before the first change, the hosts to which its steps are delegated.
    pub(super) async fn reach(
        &self,
        host: &HostName,
        names: &Names,
        transport: &dyn Transport,
    ) -> Result<(), TransportError> {
        let plan = self.run.plan;
        let is_first = !self.state.borrow().started;
        let stage = self.state.borrow().hosts.get(host).and_then(|host| host.stage);
        for choice in choices(plan, host, stage, names) {
            let is_own = matches!(choice.as_slice(), [(on, _)] if on == host);
            let is_known = choice.iter().any(|login| self.reached.borrow().contains(login));
            if !is_own && (!is_first || is_known) {
                continue;
            }
            let mut result = Ok(());
            for login in choice {
                let Some(on) = plan.inventory.host(&login.0) else { continue };
                let reached = transport.log_in(on, login.1.as_deref()).await;
                if reached.is_ok() {
                    self.reached.borrow_mut().insert(login);
                    result = Ok(());
                    break;
                }
                result = result.and(reached);
            }
            result?;
        }
        Ok(())
    }
}

/// What must be reached for a host: of each entry one login is enough.
pub(super) fn choices(
    plan: &ResolvedPlan,
    host: &HostName,
    stage: Option<Stage>,
    names: &Names,
) -> Vec<Vec<Login>> {
    let mut effects = Vec::new();
    for step in plan.plan.steps_of(stage) {
        certain(step, None, &mut effects);
    }
    let mut choices: Vec<Vec<Login>> = Vec::new();
    for (effect, item) in places(plan, effects) {
        let here = match effect.target {
            Target::Item(_) => item.clone(),
            _ => Some(host.clone()),
        };
        let mut names = names.clone();
        if let Some(item) = item {
            names.insert("item".into(), item.as_str().into());
        }
        let members = plan.members(&effect.target, here.as_slice());
        let login = |on: HostName| {
            let user = render::becomes(&effect.command, &names, plan.inventory.host(&on)?);
            Some((on, user.ok()?))
        };
        let choice: Vec<Login> = members.into_iter().filter_map(login).collect();
        if !choice.is_empty() && !choices.contains(&choice) {
            choices.push(choice);
        }
    }
    if stage.is_none() && !choices.iter().flatten().any(|(on, _)| on == host) {
        choices.insert(0, vec![(host.clone(), None)]);
    }
    choices
}

/// Returns commands with the hosts that are their items: once for each member of a group.
fn places<'p>(
    plan: &ResolvedPlan,
    effects: Vec<(&'p Effect, Option<&str>)>,
) -> impl Iterator<Item = (&'p Effect, Option<HostName>)> {
    effects.into_iter().flat_map(|(effect, group)| match group {
        None => vec![(effect, None)],
        Some(group) => {
            let members = plan.inventory.members(group).unwrap_or_default().into_iter();
            members.map(|member| (effect, Some(member))).collect()
        }
    })
}

/// Collects the commands that no condition and no list leaves out, with rollbacks; of those that run for
/// the hosts of a group with the group.
fn certain<'p>(
    step: &'p Step,
    outer: Option<&'p str>,
    effects: &mut Vec<(&'p Effect, Option<&'p str>)>,
) {
    let group = step.for_each.as_ref().map(|each| each.list.group());
    if step.when.is_some() || group == Some(None) {
        return;
    }
    let group = group.flatten().or(outer);
    match &step.action {
        Action::Effect(effect) => effects.push((effect, group)),
        Action::Block { steps, .. } => {
            for part in steps {
                certain(part, group, effects);
            }
        }
        _ => {}
    }
    if let Rollback::Handler(handler) = &step.rollback {
        certain(handler, group, effects);
    }
}
