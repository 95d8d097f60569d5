//! What the state of a run no longer knows at its end: answered questions, interruptions, and what each host
//! did when.

use std::collections::HashMap;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::event::{Event, HostEvent, Outcome, Reason, Record, RunEvent, TaskEvent};
use crate::history::{RunState, between};
use crate::inventory::HostName;
use crate::report::Tone;
use crate::report::line::{Line, line_of};
use crate::report::run_page::phase::{Phase, phase};
use crate::task::TaskId;
use crate::transport::AttemptId;

/// Lines of failures and interruptions, at most.
const MOST_NOTABLE: usize = 500;

#[derive(Default)]
pub(super) struct Story {
    pub(super) decisions: Vec<Decision>,
    /// Failures, and what kept planrun from its work.
    pub(super) notable: Vec<(Timestamp, Line)>,
    /// When attempts ended.
    pub(super) ended: HashMap<AttemptId, Timestamp>,
    /// What each host did, and from when to when.
    pub(super) spans: IndexMap<HostName, Vec<(Phase, Timestamp, Timestamp)>>,
    /// What each host does by the last event that was read.
    open: IndexMap<HostName, (Phase, Timestamp)>,
    /// When hosts passed their points of no return.
    pub(super) no_returns: Vec<(HostName, Timestamp, String)>,
}

/// A question, and how it ended.
pub(super) struct Decision {
    pub(super) task: TaskId,
    pub(super) question: String,
    pub(super) why: Reason,
    pub(super) asked: Timestamp,
    pub(super) answered: Option<Timestamp>,
    pub(super) answer: &'static str,
    pub(super) reason: Option<String>,
    pub(super) by: Option<String>,
}

impl Story {
    pub(super) fn of(records: &[Record]) -> Self {
        let mut story = Self::default();
        let mut state = RunState::default();
        let mut before: Option<Timestamp> = None;
        for record in records {
            let was_at_work = state.status.is_under_way();
            state.apply_for_report(record);
            story.decision(record);
            story.note(&state, record);
            if let Event::Task { event: TaskEvent::AttemptEnded { attempt, .. }, .. } =
                &record.event
            {
                story.ended.insert(attempt.clone(), record.at);
            }
            let is_resumed = matches!(record.event, Event::Run(RunEvent::Resumed { .. }));
            if is_resumed
                && was_at_work
                && let Some(before) = before
            {
                story.interrupt(before, record.at);
            }
            match record.event.host() {
                Some(host) => story.follow(&state, host, record.at),
                None => {
                    for host in state.hosts.keys() {
                        story.follow(&state, host, record.at);
                    }
                }
            }
            before = Some(record.at);
        }
        if let Some(last) = before {
            for (host, (phase, since)) in std::mem::take(&mut story.open) {
                story.span(&host, phase, since, last);
            }
        }
        story
    }

    fn decision(&mut self, record: &Record) {
        let Event::Task { task, event } = &record.event else { return };
        let open =
            self.decisions.iter_mut().rfind(|one| one.task == *task && one.answered.is_none());
        match (event, open) {
            (TaskEvent::QuestionAsked { question }, _) => self.decisions.push(Decision {
                task: task.clone(),
                question: question.text.clone(),
                why: question.why.clone(),
                asked: record.at,
                answered: None,
                answer: "no answer",
                reason: None,
                by: None,
            }),
            (TaskEvent::QuestionAnswered { answer, reason, by }, Some(open)) => {
                open.answered = Some(record.at);
                open.answer = answer.word();
                open.reason.clone_from(reason);
                open.by = Some(by.clone());
            }
            // A further approval of the same question.
            (TaskEvent::QuestionAnswered { answer, reason, by }, None) => {
                let Some(last) = self.decisions.iter().rfind(|one| one.task == *task) else {
                    return;
                };
                let (question, asked) = (last.question.clone(), last.asked);
                self.decisions.push(Decision {
                    task: task.clone(),
                    question,
                    why: Reason::default(),
                    asked,
                    answered: Some(record.at),
                    answer: answer.word(),
                    reason: reason.clone(),
                    by: Some(by.clone()),
                });
            }
            (TaskEvent::QuestionExpired, Some(open)) => {
                open.answered = Some(record.at);
                open.answer = "too late";
            }
            _ => {}
        }
    }

    /// Notes what did not go as planned.
    fn note(&mut self, state: &RunState, record: &Record) {
        let is_shown = matches!(record.event, Event::Run(RunEvent::Resumed { .. }));
        match &record.event {
            // The tables of hosts and of decisions, and the steps, have these.
            Event::Host { event: HostEvent::Ended { .. }, .. }
            | Event::Task {
                event:
                    TaskEvent::QuestionAsked { .. }
                    | TaskEvent::QuestionAnswered { .. }
                    | TaskEvent::AttemptEnded { outcome: Outcome::Ended { .. }, .. },
                ..
            } => return,
            Event::Task { task, event: TaskEvent::PointOfNoReturn { why, .. } } => {
                self.no_returns.push((task.host.clone(), record.at, why.clone()));
                return;
            }
            _ => {}
        }
        if self.notable.len() >= MOST_NOTABLE {
            return;
        }
        let line = line_of(state, record);
        let line = line.filter(|line| is_shown || matches!(line.tone, Tone::Warn | Tone::Bad));
        self.notable.extend(line.map(|line| (record.at, line)));
    }

    /// Notes that nothing was done between two events: planrun did not run.
    fn interrupt(&mut self, from: Timestamp, to: Timestamp) {
        for (host, (phase, since)) in self.open.clone() {
            self.span(&host, phase, since, from);
            self.span(&host, Phase::Gone, from, to);
            self.open.insert(host, (phase, to));
        }
    }

    /// Notes what a host did, unless that took no time.
    fn span(&mut self, host: &HostName, phase: Phase, from: Timestamp, to: Timestamp) {
        if from < to {
            self.spans.entry(host.clone()).or_default().push((phase, from, to));
        }
    }

    /// Ends what a host did, if it does something else now.
    fn follow(&mut self, state: &RunState, name: &HostName, at: Timestamp) {
        let now = state.hosts.get(name).and_then(|host| phase(state, host));
        let then = self.open.get(name).copied();
        if then.map(|(phase, _)| phase) == now {
            return;
        }
        if let Some((phase, since)) = then {
            self.span(name, phase, since, at);
        }
        match now {
            Some(now) => {
                self.open.insert(name.clone(), (now, at));
            }
            None => {
                self.open.swap_remove(name);
            }
        }
    }

    /// Returns how long a host did one of these.
    pub(super) fn time_in(&self, host: &HostName, phases: &[Phase]) -> Duration {
        let spans = self.spans.get(host).into_iter().flatten();
        let spans = spans.filter(|(phase, ..)| phases.contains(phase));
        spans.map(|(_, from, to)| between(Some(*from), Some(*to))).sum()
    }
}
