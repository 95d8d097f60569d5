//! Runs that have not ended: what they wait for, and what to type next.

use std::fmt::Write as _;

use crate::event::RunStatus;
use crate::report::detail::sentence;
use crate::report::fold::Memory;
use crate::report::next::answers;
use crate::report::next::next;
use crate::report::show::Kept;
use crate::report::summary::Invocation;
use crate::report::summary::ways_on;
use crate::report::text::printable;

/// Returns the state of a run in a word. If its process is gone, that is no longer what the events
/// say.
pub fn state(memory: &Memory, is_alive: bool) -> &'static str {
    if memory.status.is_under_way() && !is_alive { "interrupted" } else { memory.status.word() }
}

/// Returns what a run waits for: answers first, then the waits of its steps.
pub fn waits_for(memory: &Memory) -> Vec<String> {
    if memory.status.has_ended() {
        return Vec::new();
    }
    let questions = memory.questions.iter();
    let mut out: Vec<String> = questions
        .map(|(task, question)| {
            let task = printable(&task.to_string());
            format!("an answer to {task}: {}", sentence(&question.text))
        })
        .collect();
    if memory.status == RunStatus::Running {
        for (name, host) in &memory.hosts {
            let steps = host.open.iter().filter(|step| memory.action(step) == "wait");
            out.extend(steps.map(|step| {
                let name = printable(name.as_str());
                format!("{name}/{}: {}", printable(&step.0), sentence(memory.title(step)))
            }));
        }
    }
    out
}

/// Returns the commands that lead on, the likely one first.
pub fn commands(memory: &Memory, kept: &Kept<'_>, invocation: &Invocation) -> Vec<String> {
    let Invocation { program, run, .. } = invocation;
    if memory.status.has_ended() {
        return Vec::new();
    }
    if !kept.damage.is_empty() {
        return vec![abort(invocation)];
    }
    let questions = memory.questions.iter();
    let answers = questions.flat_map(|(task, question)| answers(program, run, task, question));
    let mut out: Vec<String> = answers.map(|(command, _)| command).collect();
    if !(memory.status.is_under_way() && kept.is_alive) {
        let ways = next(memory, program, run);
        out.extend(ways.into_iter().flat_map(|way| way.commands));
    }
    out
}

/// Returns how a run that has not ended goes on, as text with an empty line before it.
pub(crate) fn what_next(memory: &Memory, kept: &Kept<'_>, invocation: &Invocation) -> String {
    if memory.status.has_ended() {
        return String::new();
    }
    let is_at_work = memory.status.is_under_way() && kept.is_alive;
    let mut out = String::new();
    if !kept.damage.is_empty() {
        out.push_str("\nPut the hosts in order by hand, then end the run:\n  ");
        out.push_str(&abort(invocation));
        out.push('\n');
        return out;
    }
    out.push_str(&ways_on(memory, invocation, !is_at_work));
    if is_at_work {
        let _written = writeln!(out, "\nA process works on it.");
    }
    out
}

fn abort(invocation: &Invocation) -> String {
    format!("{} abort {} --acknowledge", invocation.program, printable(&invocation.run.0))
}
