//! The promises about what a run does once: the setup before any host, the finish after all of them, and the
//! teardown of the setup after everything, whatever happened.

use planrun::event::{HostStatus, RunStatus, StepPath, TaskId, TaskStatus};
use planrun::inventory::HostName;
use planrun::task::Stage;

use crate::oracle::{Book, Checked, Host, Task, broken};

impl Book<'_> {
    /// Whether a step is a teardown as a whole.
    pub(crate) fn is_teardown(&self, path: &StepPath) -> bool {
        self.case.step(path).is_some_and(|step| step.is_teardown)
    }

    fn stage(&self, stage: Stage) -> Option<&Host> {
        self.hosts.values().find(|host| host.stage == Some(stage))
    }

    fn real(&self) -> impl Iterator<Item = (&HostName, &Host)> {
        self.hosts.iter().filter(|(_, host)| host.stage.is_none())
    }

    /// A host, or a stage, starts.
    pub(crate) fn in_turn(&self, name: &HostName) -> Checked {
        let setup = self.stage(Stage::Setup).map(|setup| setup.status);
        match self.hosts[name].stage {
            Some(Stage::Setup) if self.real().any(|(_, host)| host.begun) => {
                return broken("P10: the setup starts after a host");
            }
            Some(Stage::Finish) => {
                let left = self.real().find(|(_, host)| host.status != HostStatus::Succeeded);
                if let Some((left, host)) = left {
                    return broken(format!("P10: the finish starts, and {left} {:?}", host.status));
                }
            }
            None if self.stage(Stage::Finish).is_some_and(|finish| finish.begun) => {
                return broken(format!("P10: {name} starts after the finish"));
            }
            None | Some(Stage::Setup) => {}
        }
        let is_setup = self.hosts[name].stage == Some(Stage::Setup);
        if !is_setup && setup.is_some_and(|status| status != HostStatus::Succeeded) {
            return broken(format!("P10: {name} starts, and the setup is {setup:?}"));
        }
        Ok(())
    }

    /// The setup is rolled back: no host keeps what it needs.
    pub(crate) fn keeps_nothing(&self) -> Checked {
        for (name, host) in self.hosts.iter().filter(|(_, it)| it.stage != Some(Stage::Setup)) {
            let attempts = host.tasks.values().flat_map(|task| &task.attempts);
            let mut attempts = attempts.map(|id| &self.attempts[id]);
            let is_kept = match host.status {
                HostStatus::Succeeded | HostStatus::Aborted => {
                    attempts.any(|it| it.starts > 0 && !it.is_refuted)
                }
                HostStatus::Active | HostStatus::RollingBack | HostStatus::Stuck => true,
                _ => false,
            };
            if is_kept {
                let status = host.status;
                return broken(format!("P10: the setup is rolled back, and {name} is {status:?}"));
            }
        }
        Ok(())
    }

    pub(crate) fn teardown_begun(&mut self, name: &HostName, run: RunStatus) -> Checked {
        self.not_stopping(false, "the teardown")?;
        self.nothing_runs(name)?;
        // A host between two steps may wait for its rollback, which a stuck host keeps from starting.
        let is_stuck = self.hosts.values().any(|host| host.status == HostStatus::Stuck);
        let is_at_work = |name, status| match status {
            HostStatus::Active => !(self.is_returning(name) && is_stuck),
            status => status == HostStatus::RollingBack,
        };
        let mut others = self.hosts.iter().filter(|(other, _)| *other != name);
        let busy = others.find(|(other, host)| is_at_work(other, host.status));
        if let Some((busy, host)) = busy.filter(|_| !self.is_aborted) {
            let status = host.status;
            return broken(format!("P10: the teardown starts while {busy} is {status:?}"));
        }
        let case = self.case;
        let host = self.host(name);
        if host.stage != Some(Stage::Setup) {
            return broken(format!("P10: {name} is torn down"));
        }
        host.before = std::mem::replace(&mut host.status, HostStatus::TearingDown);
        host.teardown = Some(run);
        for (path, task) in &mut host.tasks {
            task.is_open = false;
            let is_teardown = case.step(path).is_some_and(|step| step.is_teardown);
            if is_teardown && task.status == Some(TaskStatus::Skipped) {
                task.status = None;
            }
        }
        Ok(())
    }

    /// No command of another host runs, unless the operator has decided to continue.
    fn nothing_runs(&self, setup: &HostName) -> Checked {
        for (name, host) in self.hosts.iter().filter(|(name, _)| *name != setup) {
            for (path, task) in &host.tasks {
                let mut attempts = task.attempts.iter().map(|id| &self.attempts[id]);
                if !task.is_released() && attempts.any(|attempt| attempt.is_running) {
                    return broken(format!("P10: the teardown starts while {name}/{path} runs"));
                }
            }
        }
        Ok(())
    }

    /// A command starts: not while the setup is torn down, except for a teardown itself.
    pub(crate) fn before_teardown(&self, task: &TaskId) -> Checked {
        let host = &self.hosts[&task.host];
        let is_tearing_down =
            |host: &Host| host.teardown.is_some() && host.status == HostStatus::TearingDown;
        if !self.stage(Stage::Setup).is_some_and(is_tearing_down) {
            return Ok(());
        }
        // What was sent before may start later, if the operator has decided to continue.
        let is_released = host.tasks.get(&task.step).is_some_and(Task::is_released);
        let undoes = self.case.step(&task.step).and_then(|step| step.undoes.as_ref());
        let handler = undoes.and_then(|step| self.case.step(step)?.handler.as_ref());
        let is_teardown = handler.is_some_and(|handler| self.is_teardown(handler));
        if is_teardown || is_released {
            return Ok(());
        }
        broken(format!("P10: {task} starts while the setup is torn down"))
    }

    /// A rollback of a host starts: no teardown that an earlier process has left runs any more.
    pub(crate) fn after_teardown(&self, task: &TaskId) -> Checked {
        let is_rollback =
            self.hosts[&task.host].stage.is_none() && self.case.is_handler(&task.step);
        let Some(setup) = self.stage(Stage::Setup).filter(|_| is_rollback) else { return Ok(()) };
        let teardowns = setup.tasks.iter().filter(|(path, _)| self.case.is_handler(path));
        for (path, teardown) in teardowns.filter(|(_, teardown)| !teardown.is_released()) {
            if teardown.attempts.iter().any(|id| self.attempts[id].is_running) {
                return broken(format!("P10: {task} starts while {path} runs"));
            }
        }
        Ok(())
    }

    /// The run ends: nothing of the setup is left that has a teardown.
    pub(crate) fn torn_down(&self, status: RunStatus) -> Checked {
        let Some(setup) = self.stage(Stage::Setup) else { return Ok(()) };
        // It is the teardown that is stuck.
        if setup.status == HostStatus::Stuck {
            return match status {
                RunStatus::Stuck => Ok(()),
                _ => broken(format!("P10: the run is {status:?}, and its setup is stuck")),
            };
        }
        for path in setup.tasks.keys() {
            let handler = self.case.step(path).and_then(|step| step.handler.as_ref());
            let Some(handler) = handler.filter(|handler| self.is_teardown(handler)) else {
                continue;
            };
            let ended = setup.tasks.get(&path.same_item(handler)).and_then(|task| task.status);
            if self.may_have_run(setup, path) && !ended.is_some_and(TaskStatus::is_well) {
                return broken(format!("P10: the run is {status:?}, and {path} is not torn down"));
            }
        }
        Ok(())
    }
}
