//! What reports remember of a run.
//!
//! [`Memory`] is a fold over records for people's eyes: where each host stands, what failed on
//! it, which questions are open. It decides nothing and refuses nothing: a report of an odd
//! history must still be readable, so what does not fit is passed over. The authority over the
//! state of a run is `history`, which reports do not know.

mod outline;

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::event::Event;
use crate::event::HostStatus;
use crate::event::Outcome;
use crate::event::OutlineStep;
use crate::event::PreflightVerdict;
use crate::event::Question;
use crate::event::Reason;
use crate::event::Record;
use crate::event::RunPlanned;
use crate::event::RunStatus;
use crate::event::StepPath;
use crate::event::TaskId;
use crate::event::TaskStatus;
use crate::inventory::Connection;
use crate::inventory::HostName;
use crate::transport::TransportError;

/// The states of a host, what needs a person most first.
const BY_SEVERITY: [HostStatus; 10] = [
    HostStatus::Stuck,
    HostStatus::Quarantined,
    HostStatus::Unreachable,
    HostStatus::Failed,
    HostStatus::Refused,
    HostStatus::RollingBack,
    HostStatus::Active,
    HostStatus::RolledBack,
    HostStatus::Succeeded,
    HostStatus::NotStarted,
];

/// All that a report needs to know of what happened before.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Where the run stands.
    pub status: RunStatus,
    /// Why, where it was said.
    pub why: Option<String>,
    /// The plan's name.
    pub plan: String,
    /// What the plan is for.
    pub summary: Option<String>,
    /// The plan's path as the user named it.
    pub plan_path: String,
    /// The words that start such a run again.
    pub arguments: Vec<String>,
    /// The pattern that kept it to some hosts.
    pub limit: Option<String>,
    /// The inventory's path as the user named it.
    pub inventory_path: String,
    /// At most so many hosts at a time, batch by batch.
    pub serial: Vec<usize>,
    /// Whether all hosts are models, so that time is virtual.
    pub is_model: bool,
    /// Whether changes were allowed to begin.
    pub is_started: bool,
    /// Whether a person asked for it to be rolled back.
    pub is_turned: bool,
    /// When the first event was.
    pub begun: Option<Timestamp>,
    /// When the last event was.
    pub last: Option<Timestamp>,
    /// How long it took from event to event.
    elapsed: Duration,
    /// The hosts, in the order of the run.
    pub hosts: IndexMap<HostName, HostMemory>,
    /// The open questions, in the order they were asked.
    pub questions: IndexMap<TaskId, Question>,
    steps: IndexMap<StepPath, OutlineStep>,
}

/// What is remembered of a host.
#[derive(Clone, Debug, Default)]
pub struct HostMemory {
    /// Where it stands.
    pub status: HostStatus,
    /// Where it stood before it was quarantined in mid-run.
    pub before: Option<HostStatus>,
    /// Why, where it was said.
    pub why: Option<Reason>,
    /// What its preflight found.
    pub preflight: Option<PreflightVerdict>,
    /// When its turn came.
    pub begun: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The step whose point of no return it has passed, and the sentence.
    pub no_return: Option<(StepPath, String)>,
    /// Its tasks, in the order they were begun.
    pub tasks: IndexMap<StepPath, TaskMemory>,
    /// The steps that are under way, the innermost last.
    pub open: Vec<StepPath>,
    /// The step that failed on the way forward.
    pub failed: Option<StepPath>,
    /// The step that failed on the way back.
    pub undo_failed: Option<StepPath>,
}

impl HostMemory {
    /// Another process takes the run up: a quarantined host is tried again.
    fn unblock(&mut self) {
        if let Some(before) = self.before.take() {
            self.status = before;
            self.why = None;
        }
    }
}

/// What is remembered of a task.
#[derive(Clone, Debug, Default)]
pub struct TaskMemory {
    /// When it was begun.
    pub begun: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended; `None` while it has not.
    pub status: Option<TaskStatus>,
    /// What it is done for, where it has a `for_each`; each item has a task of its own.
    pub items: Vec<serde_json::Value>,
    /// Why.
    pub why: Option<Reason>,
    /// How many attempts were made.
    pub attempts: u32,
    /// The last of them.
    pub attempt: Option<AttemptMemory>,
}

/// What is remembered of an attempt.
#[derive(Clone, Debug)]
pub struct AttemptMemory {
    /// The machine it runs on.
    pub on: HostName,
    /// The command as people read it.
    pub command: String,
    /// What came of it; `None` while it runs.
    pub outcome: Option<Outcome>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            status: RunStatus::Planned,
            why: None,
            plan: String::new(),
            summary: None,
            plan_path: String::new(),
            arguments: Vec::new(),
            limit: None,
            inventory_path: String::new(),
            serial: Vec::new(),
            is_model: false,
            is_started: false,
            is_turned: false,
            begun: None,
            last: None,
            elapsed: Duration::ZERO,
            hosts: IndexMap::new(),
            questions: IndexMap::new(),
            steps: IndexMap::new(),
        }
    }
}

impl Memory {
    /// Remembers a whole history.
    pub fn of(records: &[Record]) -> Self {
        let mut memory = Self::default();
        for record in records {
            memory.apply(record);
        }
        memory
    }

    /// Remembers one more event.
    pub fn apply(&mut self, record: &Record) {
        self.begun.get_or_insert(record.at);
        // Another process may have a clock that was set back.
        self.elapsed += between(self.last, Some(record.at));
        self.last = Some(record.at);
        match &record.event {
            Event::RunPlanned(planned) => self.plan(planned),
            Event::PreflightEnded { host, verdict } => self.preflight(host, verdict),
            Event::RunStarted => {
                self.is_started = true;
                self.stand(RunStatus::Running, None);
            }
            Event::RunResumed { .. } | Event::RollbackRequested { .. } => {
                self.hosts.values_mut().for_each(HostMemory::unblock);
                self.is_turned |= matches!(record.event, Event::RollbackRequested { .. });
                let status = if self.is_started { RunStatus::Running } else { RunStatus::Planned };
                self.stand(status, None);
            }
            Event::HostBegun { host } => {
                let host = self.host(host);
                host.status = HostStatus::Active;
                host.begun.get_or_insert(record.at);
            }
            Event::HostEnded { host, status, why } => {
                let host = self.host(host);
                host.status = *status;
                host.ended = Some(record.at);
                host.open.clear();
                // A turn to rollback has said why; the end of it may not say it again.
                if why.is_some() || *status == HostStatus::Succeeded {
                    host.why.clone_from(why);
                }
            }
            Event::TaskBegun { .. }
            | Event::RoundBegun { .. }
            | Event::AttemptIntended { .. }
            | Event::AttemptEnded { .. }
            | Event::WaitTicked { .. }
            | Event::TimeSpent { .. }
            | Event::RequirementsHeld { .. }
            | Event::TaskEnded { .. }
            | Event::PointOfNoReturn { .. } => self.apply_to_task(record),
            Event::QuestionAsked { task, question } => {
                self.questions.insert(task.clone(), question.clone());
            }
            Event::QuestionAnswered { task, .. } => {
                self.questions.shift_remove(task);
            }
            Event::RollbackBegun { host, why } => {
                // What was asked about going forward matters no more.
                self.questions.retain(|task, _| task.host != *host);
                let host = self.host(host);
                host.status = HostStatus::RollingBack;
                host.why = Some(why.clone());
                host.open.clear();
            }
            Event::HostBlocked { host, why, quarantined: true } => {
                let host = self.host(host);
                host.before = Some(host.status);
                host.status = HostStatus::Quarantined;
                host.why = Some(Reason { text: why.clone(), seen: Vec::new() });
            }
            Event::HostBlocked { .. } | Event::HostKeySeen { .. } | Event::StopRequested { .. } => {
            }
            Event::RunPaused { why } => self.stand(RunStatus::Paused, Some(why.clone())),
            Event::RunEnded { status, why } => self.stand(*status, why.clone()),
        }
    }

    fn apply_to_task(&mut self, record: &Record) {
        match &record.event {
            Event::TaskBegun { task, items, .. } => {
                let host = self.host(&task.host);
                host.open.retain(|step| *step != task.step);
                host.open.push(task.step.clone());
                let task = host.tasks.entry(task.step.clone()).or_default();
                task.begun.get_or_insert(record.at);
                task.status = None;
                task.items = items.clone().unwrap_or_default();
            }
            Event::RoundBegun { task, again, .. } => {
                let host = self.host(&task.host);
                for step in again {
                    if let Some(part) = host.tasks.get_mut(step) {
                        part.status = None;
                    }
                }
                let is_part = |step: &Option<StepPath>| {
                    step.as_ref().is_some_and(|step| again.contains(step))
                };
                if is_part(&host.failed) {
                    host.failed = None;
                }
                if is_part(&host.undo_failed) {
                    host.undo_failed = None;
                }
            }
            Event::AttemptIntended { task, ordinal, on, command, .. } => {
                let task = self.task_mut(task);
                task.attempts = task.attempts.max(*ordinal);
                task.attempt =
                    Some(AttemptMemory { on: on.clone(), command: command.clone(), outcome: None });
            }
            Event::AttemptEnded { task, outcome, .. } => {
                if let Some(attempt) = &mut self.task_mut(task).attempt {
                    attempt.outcome = Some(outcome.clone());
                }
            }
            Event::TaskEnded { task, status, why, .. } => {
                let ended = self.task_mut(task);
                ended.ended = Some(record.at);
                ended.status = Some(*status);
                ended.why.clone_from(why);
                self.blame(task, *status);
                self.host(&task.host).open.retain(|step| *step != task.step);
            }
            Event::PointOfNoReturn { task, why } => {
                self.host(&task.host).no_return = Some((task.step.clone(), why.clone()));
            }
            _ => {}
        }
    }

    /// Remembers which step failed: of a block that fails, the part that made it fail; of a block
    /// that was rescued, none.
    fn blame(&mut self, task: &TaskId, status: TaskStatus) {
        let back = self.is_handler(&task.step);
        let current = {
            let host = self.host(&task.host);
            if back { &host.undo_failed } else { &host.failed }.clone()
        };
        let is_part = current.as_ref().is_some_and(|step| self.is_within(step, &task.step));
        let blamed = match (status.is_well(), is_part) {
            (true, true) => None,
            (true, false) if current.as_ref() == Some(&task.step) => None,
            (true, false) | (false, true) => current,
            (false, false) => Some(task.step.clone()),
        };
        let host = self.host(&task.host);
        if back {
            host.undo_failed = blamed;
        } else {
            host.failed = blamed;
        }
    }

    fn plan(&mut self, planned: &RunPlanned) {
        self.plan.clone_from(&planned.outline.plan);
        self.summary.clone_from(&planned.outline.summary);
        self.plan_path.clone_from(&planned.plan_path);
        self.arguments.clone_from(&planned.arguments);
        self.limit.clone_from(&planned.limit);
        self.inventory_path.clone_from(&planned.inventory.path);
        self.serial.clone_from(&planned.outline.serial);
        self.is_model = !planned.hosts.is_empty()
            && planned.hosts.iter().all(|name| {
                let host = planned.inventory.host(name);
                host.is_some_and(|host| host.link.connection == Connection::Model)
            });
        for step in &planned.outline.steps {
            self.steps.insert(step.path.clone(), step.clone());
        }
        for host in &planned.hosts {
            self.hosts.entry(host.clone()).or_default();
        }
    }

    fn preflight(&mut self, name: &HostName, verdict: &PreflightVerdict) {
        let host = self.host(name);
        host.preflight = Some(verdict.clone());
        match verdict {
            PreflightVerdict::Held | PreflightVerdict::Reached => {}
            PreflightVerdict::NotHeld(reason) => {
                host.status = HostStatus::Refused;
                host.why = Some(reason.clone());
            }
            PreflightVerdict::NoAnswer(error) => {
                host.status = match error {
                    TransportError::HostKey { .. } => HostStatus::Quarantined,
                    TransportError::Unreachable { .. } | TransportError::Cut { .. } => {
                        HostStatus::Unreachable
                    }
                    TransportError::Controller { .. }
                    | TransportError::Repeated { .. }
                    | TransportError::Denied { .. }
                    | TransportError::Impossible { .. } => HostStatus::Refused,
                };
                host.why = Some(Reason { text: error.to_string(), seen: Vec::new() });
            }
        }
    }

    fn stand(&mut self, status: RunStatus, why: Option<String>) {
        self.status = status;
        self.why = why;
    }

    fn host(&mut self, name: &HostName) -> &mut HostMemory {
        self.hosts.entry(name.clone()).or_default()
    }

    fn task_mut(&mut self, task: &TaskId) -> &mut TaskMemory {
        self.host(&task.host).tasks.entry(task.step.clone()).or_default()
    }

    /// Returns what is remembered of a task.
    pub fn task(&self, task: &TaskId) -> Option<&TaskMemory> {
        self.hosts.get(&task.host)?.tasks.get(&task.step)
    }

    /// Returns the paths of the outline, in its order.
    pub fn paths(&self) -> impl Iterator<Item = &StepPath> {
        self.steps.keys()
    }

    /// Counts the hosts of each status that occurs, what needs a person most first.
    pub fn by_status(&self) -> Vec<(HostStatus, usize)> {
        let count = |status: HostStatus| {
            let hosts = self.hosts.values();
            (status, hosts.filter(|host| host.status == status).count())
        };
        let counts = BY_SEVERITY.into_iter().map(count);
        counts.filter(|(_, number)| *number > 0).collect()
    }

    /// Returns how long the run took up to its last event.
    pub fn took(&self) -> Duration {
        self.elapsed
    }

    /// Counts the steps of a host that ended so, each item of a `for_each` as one; blocks and
    /// handlers are not counted.
    pub fn steps_ended(&self, host: &HostMemory, status: TaskStatus) -> usize {
        let counts = |(path, task): &(&StepPath, &TaskMemory)| {
            let is_made_of_others = self.action(path) == "block" || !task.items.is_empty();
            task.status == Some(status) && !self.is_handler(path) && !is_made_of_others
        };
        host.tasks.iter().filter(counts).count()
    }
}

/// Returns the time between two moments, zero where one is missing or they are swapped.
pub fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Duration {
    from.zip(to)
        .and_then(|(from, to)| Duration::try_from(to.duration_since(from)).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::sample::Story;
    use crate::report::sample::host;
    use crate::report::sample::task;

    #[test]
    fn of_a_block_that_fails_the_part_is_remembered() {
        let memory = Memory::of(&sample::rolled_back().records());
        let host = &memory.hosts[&host("backend1")];
        assert_eq!(host.status, HostStatus::RolledBack);
        assert_eq!(host.failed, Some(StepPath("down".to_owned())));
        assert_eq!(host.undo_failed, None);
    }

    #[test]
    fn of_a_block_that_was_rescued_nothing_is_remembered() {
        let mut story = Story::started(&["backend1"]);
        story.open("backend1", "cut_over");
        story.open("backend1", "stop");
        story.close("backend1", "stop", TaskStatus::Failed, None);
        story.close("backend1", "cut_over", TaskStatus::Changed, None);
        let memory = Memory::of(&story.records());
        assert_eq!(memory.hosts[&host("backend1")].failed, None);
    }

    #[test]
    fn a_failure_on_the_way_back_is_kept_apart() {
        let memory = Memory::of(&sample::stuck().records());
        let host = &memory.hosts[&host("backend1")];
        assert_eq!(host.failed, Some(StepPath("down".to_owned())));
        assert_eq!(host.undo_failed, Some(StepPath("stop.rollback/1".to_owned())));
    }

    #[test]
    fn a_question_is_open_until_it_is_answered() {
        let asked = Memory::of(&sample::paused().records());
        assert!(asked.questions.contains_key(&task("backend1", "expire")));
        assert_eq!(asked.status, RunStatus::Paused);
        let answered = Memory::of(&sample::answered().records());
        assert!(answered.questions.is_empty());
        assert_eq!(answered.status, RunStatus::Running);
    }

    #[test]
    fn blocks_and_handlers_are_not_counted_as_steps() {
        let memory = Memory::of(&sample::rolled_back().records());
        let host = &memory.hosts[&host("backend1")];
        assert_eq!(memory.steps_ended(host, TaskStatus::Changed), 2);
    }

    #[test]
    fn events_of_unknown_hosts_and_steps_are_borne() {
        let mut story = Story::new(&[]);
        story.close("nobody", "nothing", TaskStatus::Failed, None);
        let memory = Memory::of(&story.records());
        assert_eq!(memory.hosts.len(), 1);
        assert_eq!(memory.title(&StepPath("nothing".to_owned())), "nothing");
    }
}
