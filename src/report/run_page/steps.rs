//! Every step of every host: its commands, their outcomes and outputs, and what was observed.

use jiff::Timestamp;

use crate::event::{HostStatus, Outcome, Reason, TaskStatus, Truth};
use crate::history::{AttemptState, HostState, RunState, TaskState, between};
use crate::inventory::HostName;
use crate::page::{Block, Listing, Step, Text, Tone, anchor};
use crate::report::detail::{self, sentence};
use crate::report::left::word_left;
use crate::report::run_page::story::Story;
use crate::report::run_page::{MOST_HOSTS, step_title};
use crate::report::text::{both_ends, clip, count, duration, lines, printable};
use crate::report::tones::{host_tone, task_tone};
use crate::report::{Style, text};
use crate::task::{StepPath, TaskId};

/// Lines of an output and of a command.
const OUTPUT_LINES: usize = 60;
const COMMAND_LINES: usize = 200;
/// Columns of a line.
const LINE_WIDTH: usize = 400;
/// Bytes of all commands and outputs of a page: a browser must open it, a ticket must take it.
const MOST_BYTES: usize = 4 << 20;
/// Steps of a page.
const MOST_STEPS: usize = 10_000;
/// Columns of a result.
const RESULT_WIDTH: usize = 400;

struct Writer<'a> {
    state: &'a RunState,
    story: &'a Story,
    style: &'a Style,
    /// What is left of the limits.
    bytes: usize,
    steps: usize,
    left_out: usize,
}

/// Returns a section for each host.
pub(super) fn sections(state: &RunState, story: &Story, style: &Style) -> Vec<Block> {
    let (bytes, steps) = (MOST_BYTES, MOST_STEPS);
    let mut writer = Writer { state, story, style, bytes, steps, left_out: 0 };
    let mut out = Vec::new();
    for (name, host) in state.in_order().take(MOST_HOSTS) {
        out.extend(writer.host(name, host));
    }
    if writer.left_out > 0 {
        let what = count(writer.left_out, "step");
        let text = format!("{what} or outputs are not shown: the page would be too long.");
        out.push(Block::Note(Tone::Warn, text.into()));
    }
    out
}

impl Writer<'_> {
    fn host(&mut self, name: &HostName, host: &HostState) -> Option<Block> {
        let mut blocks = Vec::new();
        let preflight = host.verdict().filter(|_| host.stage.is_none());
        if let Some(reason) = preflight.and_then(|verdict| verdict.why(name)) {
            let text =
                Text::new().strong("Preflight failed").plain(": ").prose(&sentence(&reason.text));
            blocks.push(Block::Note(Tone::Bad, text));
            blocks.extend(Block::list(observed(&reason, Some(TaskStatus::Failed))));
        }
        if let Some((step, why)) = &host.no_return {
            let step = step.seen_from(name);
            let text = Text::new().strong("Point of no return").plain(" passed at ").code(&step);
            let text = text.plain(": ").prose(&sentence(why));
            blocks.push(Block::Note(Tone::Warn, text));
        }
        let forward = host.forward.unwrap_or(host.tasks.len());
        for (number, (path, task)) in host.tasks.iter().enumerate() {
            if number == forward {
                let word = if host.teardown.is_some() { "Teardown" } else { "Rollback" };
                blocks.push(Block::paragraph(Text::new().strong(word)));
            }
            blocks.extend(self.step(name, host, path, task));
        }
        let status = host.shown_status();
        if blocks.is_empty() && status == HostStatus::NotStarted {
            return None;
        }
        let title = Text::new().plain(name.as_str()).plain(": ");
        let title = title.word(host_tone(status), status.word());
        let id = anchor(&format!("host-{name}"));
        Some(Block::Section { id, title, blocks })
    }

    fn step(
        &mut self,
        name: &HostName,
        host: &HostState,
        path: &StepPath,
        task: &TaskState,
    ) -> Option<Block> {
        if self.steps == 0 {
            self.left_out += 1;
            return None;
        }
        self.steps -= 1;
        let id = TaskId { host: name.clone(), step: path.clone() };
        let mut blocks = Vec::new();
        for (number, attempt) in task.attempts.iter().enumerate() {
            self.attempt(&id, task, number, attempt, &mut blocks);
        }
        if let Some(why) = &task.why {
            blocks.extend(Block::list(observed(why, task.status)));
        }
        let value = task.value().filter(|_| self.state.planned.action(path) == "set");
        blocks.extend(value.map(|value| {
            let value = clip(&printable(&value.to_string()), RESULT_WIDTH);
            Block::paragraph(Text::new().plain("Recorded ").code(&value))
        }));
        let depth = path.in_plan().to_string().matches('/').count().min(3);
        let title = step_title(self.state, &id);
        Some(Block::Step(Step {
            title,
            about: self.about(host, task),
            blocks,
            depth,
            ..Step::default()
        }))
    }

    /// Its status, when, how long, and why.
    fn about(&self, host: &HostState, task: &TaskState) -> Text {
        let word = match task.status {
            Some(status) => Text::new().word(task_tone(status), status.word()),
            None if host.status == HostStatus::Aborted => {
                Text::new().word(Tone::Warn, word_left(task))
            }
            None => Text::new().word(Tone::Warn, "not ended"),
        };
        let begun = task.begun.map(|at| self.style.clock(at)).unwrap_or_default();
        let took = between(task.begun, task.ended);
        let took = if took.is_zero() { String::new() } else { format!("took {}", duration(took)) };
        let why = task.why.as_ref().filter(|_| task.status != Some(TaskStatus::Changed));
        let why = why.map(|why| sentence(&why.text)).unwrap_or_default();
        let items = task.items.as_ref().filter(|items| !items.is_empty());
        let items = items.map(|items| text::count(items.len(), "item")).unwrap_or_default();
        word.and(" · ", begun).and(" · ", took).and(" · ", items).and(" · ", why)
    }

    fn attempt(
        &mut self,
        id: &TaskId,
        task: &TaskState,
        number: usize,
        attempt: &AttemptState,
        blocks: &mut Vec<Block>,
    ) {
        let mut about = Text::new();
        if task.attempts.len() > 1 {
            about = about.plain(&format!("attempt {}", number + 1));
        }
        if attempt.on != id.host {
            about = about.and(" · ", Text::new().plain("on ").code(attempt.on.as_str()));
        }
        about = about.and(" · ", self.outcome(attempt));
        let command = lines(&attempt.command, COMMAND_LINES, LINE_WIDTH).join("\n");
        if !self.takes(&command) {
            return;
        }
        blocks.push(Block::Listing(Listing::command(about, &command)));
        let Some(Outcome::Ended { stdout, stderr, cut, .. }) = &attempt.outcome else { return };
        for (name, stream) in [("output", stdout), ("error output", stderr)] {
            let text = both_ends(stream, OUTPUT_LINES, LINE_WIDTH, *cut).join("\n");
            if !text.is_empty() && self.takes(&text) {
                blocks.push(Block::Listing(Listing::output(name, &text)));
            }
        }
    }

    fn outcome(&self, attempt: &AttemptState) -> Text {
        let Some(outcome) = &attempt.outcome else {
            return Text::new().word(Tone::Warn, "outcome not recorded");
        };
        let text = detail::outcome(outcome);
        let text =
            if detail::is_bad(outcome) { Text::new().word(Tone::Warn, &text) } else { text.into() };
        let ended: Option<Timestamp> = self.story.ended.get(&attempt.id).copied();
        let took = ended.map(|at| between(Some(attempt.intended), Some(at)));
        let took = took.filter(|took| !took.is_zero()).map(duration).unwrap_or_default();
        text.and(" after ", took)
    }

    /// Whether there is room for a text; counts it.
    fn takes(&mut self, text: &str) -> bool {
        match self.bytes.checked_sub(text.len()) {
            Some(rest) => self.bytes = rest,
            None => self.left_out += 1,
        }
        self.left_out == 0
    }
}

/// The conditions that were evaluated, with the observed values.
fn observed(why: &Reason, status: Option<TaskStatus>) -> Vec<Text> {
    let unmet = match status {
        Some(TaskStatus::Skipped) => Tone::Quiet,
        Some(status) if !status.is_well() => Tone::Bad,
        _ => Tone::Warn,
    };
    let item = |seen: &crate::event::Seen| {
        let (tone, word) = match seen.truth {
            Truth::True => (Tone::Good, "passed"),
            Truth::False => (unmet, "not true"),
            Truth::Unknown => (Tone::Warn, "unknown"),
        };
        let claim = sentence(&seen.claim);
        let condition = sentence(&seen.condition);
        let mut text = Text::new().word(tone, word).plain(" ");
        if !claim.is_empty() && claim != condition {
            text = text.prose(&claim).plain(": ");
        }
        text = text.code(&condition);
        let values = detail::values(seen);
        if !values.is_empty() {
            text = text.plain("; observed ").code(&values);
        }
        text.and("; ", seen.error.as_deref().map(sentence).unwrap_or_default())
    };
    why.seen.iter().map(item).collect()
}
