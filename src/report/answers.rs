//! What each answer to a question leads to, from what is known of the run.

use crate::event::{Answer, Question, TaskId, TaskStatus};
use crate::history::{HostState, RunState};
use crate::report::detail::{Detail, one_line};
use crate::report::tally::{steps_ended, title_of};
use crate::report::text::{count, pad, printable, width};
use crate::report::{Tone, detail};

/// Returns what was observed for a question, and its answers, with what each leads to.
pub(super) fn asked(state: &RunState, task: &TaskId, question: &Question) -> Vec<Detail> {
    let mut out = detail::question(question);
    let words = question.answers.iter().map(|answer| width(answer.word()));
    let widest = words.max().unwrap_or_default();
    let lines = question.answers.iter().enumerate().map(|(number, answer)| {
        let label = if number == 0 { "answers   " } else { "          " };
        let word = pad(answer.word(), widest);
        let text = format!("{label}{word}  {}", leads_to(state, task, *answer));
        Detail::new(Tone::Strong, text)
    });
    out.extend(lines);
    out
}

/// Returns what an answer leads to.
fn leads_to(state: &RunState, task: &TaskId, answer: Answer) -> String {
    let host = state.hosts.get(&task.host);
    let then = match answer {
        Answer::Approve | Answer::Continue | Answer::Skip | Answer::Done => next_step(state, task),
        Answer::Retry | Answer::NotDone => host.and_then(|host| {
            let attempt = host.task(&task.step)?.attempts.last()?;
            Some(one_line(&attempt.command))
        }),
        Answer::Reject | Answer::Fail => host.map(|host| after_failure(state, task, host)),
        Answer::Wait => None,
    };
    match then {
        Some(then) => format!("{}: {then}", answer.about()),
        None => answer.about().to_owned(),
    }
}

/// Returns the step after one that is not inside of another; `None` if that is not known.
fn next_step(state: &RunState, task: &TaskId) -> Option<String> {
    let stage = state.hosts.get(&task.host)?.stage;
    let mut steps = state.planned.outer_steps(stage).skip_while(|step| **step != task.step);
    steps.next()?;
    let Some(next) = steps.next() else {
        return Some(format!("it is the last step of {}", printable(task.host.as_str())));
    };
    let id = TaskId { host: task.host.clone(), step: next.clone() };
    Some(format!("next is {}, {}", printable(&next.to_string()), title_of(state, &id)))
}

/// Returns what happens to a host if a step of it fails, and the plan does not handle that.
fn after_failure(state: &RunState, task: &TaskId, host: &HostState) -> String {
    let name = printable(task.host.as_str());
    if state.planned.is_handler(&task.step) {
        return format!("the rollback stops, and {name} is stuck");
    }
    if host.no_return.is_some() {
        return format!("{name} is past its point of no return, and stays as it is");
    }
    let changed = match steps_ended(state, host, TaskStatus::Changed) {
        0 => "no step has changed it".to_owned(),
        number => format!("{} changed", count(number, "step")),
    };
    format!("{name} is rolled back ({changed}), unless the plan handles the failure")
}
