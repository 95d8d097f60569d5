//! A run as a page: for a change ticket, for a mail, on paper.
//!
//! ```text
//!  records -> state -----------.
//!        '--> story (one pass) +-> Page -> Markdown, HTML
//! ```
//!
//! The page never says more than the events: what a host does is *working*, *waiting*, *rolling back*; whether
//! it is in service only the plan knows, in the words of its steps.

mod phase;
mod steps;
mod story;
mod timeline;

use jiff::Timestamp;

use crate::event::{HostStatus, Record, RunEvent, RunPlanned, RunStatus};
use crate::history::{HostState, RunState, between};
use crate::inventory::HostName;
use crate::page::{Block, Listing, Page, Text, Tone};
use crate::report::detail::sentence;
use crate::report::left::{host_left, waited_for};
use crate::report::line::steps as counted;
use crate::report::open::{StoredRun, commands, state_word, waits_for};
use crate::report::run_page::phase::Phase;
use crate::report::run_page::story::Story;
use crate::report::summary::{Invocation, meaning};
use crate::report::tally::{batches, may_still_run, still_set, title_of};
use crate::report::text::{clip, duration, list, printable};
use crate::report::tones::{host_tone, run_tone};
use crate::report::{Style, detail};

/// Hosts that are shown with their steps, and in the timeline.
const MOST_HOSTS: usize = 200;
/// Hosts that are named in a line before the rest is counted.
const MOST_NAMED: usize = 20;
/// Columns of a value of an input.
const VALUE_WIDTH: usize = 200;
/// Hex digits of a digest and of a commit.
const DIGEST_DIGITS: usize = 16;

/// Returns a run as a page.
pub fn page(kept: &StoredRun<'_>, invocation: &Invocation) -> Page {
    let state = RunState::for_report(kept.records);
    let story = Story::of(kept.records);
    let style = &invocation.style;
    let word = state_word(&state, kept.is_alive);
    let title = Text::new()
        .plain(&sentence(&state.planned.plan))
        .plain(": ")
        .word(run_tone(state.status), word);
    let mut blocks = Vec::new();
    blocks.extend(state.planned.summary.as_deref().map(|text| Block::paragraph(sentence(text))));
    blocks.extend(notes(&state, kept));
    blocks.push(Block::Facts(facts(&state, kept, invocation)));
    blocks.extend(next_steps(&state, kept, invocation));
    blocks.extend(
        timeline::block(&state, kept.records, &story, style)
            .map(|lanes| Block::section("Timeline", vec![lanes])),
    );
    blocks.extend(Block::section_of("Hosts", hosts(&state, &story, style)));
    blocks.extend(decisions(&story, style));
    blocks.extend(interruptions(&story, style));
    blocks.extend(planned(kept.records).and_then(inputs));
    blocks.extend(steps::sections(&state, &story, style));
    Page { title, blocks }
}

fn planned(records: &[Record]) -> Option<&RunPlanned> {
    records.iter().find_map(|record| match &record.event {
        crate::event::Event::Run(RunEvent::Planned(planned)) => Some(planned.as_ref()),
        _ => None,
    })
}

/// What the reader must not miss.
fn notes(state: &RunState, kept: &StoredRun<'_>) -> Vec<Block> {
    let mut out = Vec::new();
    let tone = run_tone(state.status);
    let why = state.why.as_deref().map(sentence).unwrap_or_default();
    let means = if state.status == RunStatus::Running { "" } else { meaning(state) };
    let text = Text::from(&why).and(". ", means);
    if !text.is_empty() {
        out.push(Block::Note(tone, text));
    }
    out.extend(waits_for(state).into_iter().map(|wait| {
        Block::Note(Tone::Warn, Text::new().strong("Waiting for").plain(" ").prose(&wait))
    }));
    let note = |tone, what: &str, text: &str| {
        Block::Note(tone, Text::new().strong(what).plain(": ").plain(text))
    };
    let set = still_set(state).filter(|_| !kept.is_alive);
    out.extend(set.map(|set| note(Tone::Warn, "Still set", &set)));
    out.extend(waited_for(state).map(|waited| note(Tone::Plain, "Waited for", &waited)));
    out.extend(may_still_run(state).map(|runs| note(Tone::Warn, "May still be running", &runs)));
    let damage = kept.damage.iter().take(MOST_NAMED);
    out.extend(damage.map(|line| {
        Block::Note(Tone::Bad, Text::new().strong("Damaged").plain(": ").plain(&sentence(line)))
    }));
    out
}

fn facts(state: &RunState, kept: &StoredRun<'_>, invocation: &Invocation) -> Vec<(String, Text)> {
    let style = &invocation.style;
    let mut out: Vec<(&str, Text)> = Vec::new();
    out.push(("Run", Text::new().code(&invocation.run.0)));
    let planned = planned(kept.records);
    if let Some(planned) = planned {
        out.extend(planned.reason.as_deref().map(|why| ("Reason", Text::from(sentence(why)))));
        for (key, value) in &planned.labels {
            out.push((
                "Label",
                Text::new().strong(&sentence(key)).plain(" ").plain(&sentence(value)),
            ));
        }
        out.push(("Started by", sentence(&planned.by).into()));
    }
    let virtual_time = if state.planned.is_model { " (model hosts, virtual time)" } else { "" };
    out.extend(state.begun.map(|at| ("Started", Text::from(style.date(at)))));
    let last = if state.status.has_ended() { "Ended" } else { "Last event" };
    out.extend(state.last.map(|at| (last, Text::from(style.date(at)))));
    out.push(("Took", format!("{}{virtual_time}", duration(state.took)).into()));
    if let Some(planned) = planned {
        let hosts = list(planned.hosts.iter().map(HostName::as_str), MOST_NAMED);
        out.push(("Hosts", format!("{hosts}{}", batches(&planned.outline)).into()));
        let digest =
            |hex: &str| Text::new().code(&hex.chars().take(DIGEST_DIGITS).collect::<String>());
        let plan = Text::new().code(&sentence(&planned.plan_path)).plain(", SHA-256 ");
        let mut plan = plan.then(digest(&planned.plan_digest));
        if let Some(commit) = &planned.commit {
            plan = plan.plain(", as in commit ").then(digest(commit));
        }
        out.push(("Plan", plan));
        out.push(("Inventory", Text::new().code(&sentence(&planned.inventory.path))));
        out.push(("planrun", sentence(&planned.tool).into()));
    }
    out.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn next_steps(state: &RunState, kept: &StoredRun<'_>, invocation: &Invocation) -> Option<Block> {
    let commands = commands(state, kept, invocation);
    let text = commands.join("\n");
    let listing = Block::Listing(Listing::command("One of these commands continues it:", &text));
    (!commands.is_empty()).then(|| Block::section("What to do next", vec![listing]))
}

fn hosts(state: &RunState, story: &Story, style: &Style) -> Vec<Block> {
    let row = |(name, host): (&HostName, &HostState)| {
        let time = |phases: &[Phase]| match story.time_in(name, phases) {
            time if time.is_zero() => Text::new(),
            time => duration(time).into(),
        };
        let status = host.shown_status();
        let started = host.begun.map_or_else(String::new, |at| style.clock(at));
        let took = host.begun.map(|_| duration(between(host.begun, host.ended.or(state.last))));
        let why = host.why.as_ref().filter(|_| status != HostStatus::Succeeded);
        let left = if status == HostStatus::Aborted { host_left(state, host) } else { Vec::new() };
        let said = why.map(|why| sentence(&why.text)).into_iter().chain(left);
        let said = said.collect::<Vec<_>>().join("; ");
        let counted = host.begun.map(|_| counted(state, host)).unwrap_or_default();
        vec![
            Text::new().link(name.as_str(), &format!("host-{name}")),
            Text::new().word(host_tone(status), status.word()),
            started.into(),
            took.unwrap_or_default().into(),
            time(&[Phase::Wait]),
            time(&[Phase::Ask]),
            Text::from(counted).and("; ", said),
        ]
    };
    let head = ["Host", "Result", "Started", "Took", "Waiting", "Operator", "Steps"];
    let rows: Vec<_> = state.in_order().take(MOST_HOSTS).map(row).collect();
    let rest = state.hosts.len().saturating_sub(MOST_HOSTS);
    let more = (rest > 0).then(|| Block::paragraph(format!("{rest} more hosts are not shown.")));
    Block::table(&head, rows).into_iter().chain(more).collect()
}

fn decisions(story: &Story, style: &Style) -> Option<Block> {
    let time = |at: Timestamp| Text::from(style.clock(at));
    let row = |one: &story::Decision| {
        let observed = one.why.seen.iter().map(detail::values).filter(|text| !text.is_empty());
        let observed = observed.collect::<Vec<_>>().join(", ");
        let question = Text::from(sentence(&one.question));
        let observed = if observed.is_empty() { Text::new() } else { Text::new().code(&observed) };
        vec![
            time(one.asked),
            Text::new().code(&printable(&one.task.to_string())),
            question.and("; observed: ", observed),
            Text::new()
                .strong(one.answer)
                .and(": ", one.reason.as_deref().map(sentence).unwrap_or_default()),
            one.by.as_deref().map(sentence).unwrap_or_default().into(),
            one.answered
                .map(|at| duration(between(Some(one.asked), Some(at))))
                .unwrap_or_default()
                .into(),
        ]
    };
    let head = ["Asked", "Step", "Question", "Answer", "By", "After"];
    let rows = story.decisions.iter().map(row).collect();
    Some(Block::section("Decisions", vec![Block::table(&head, rows)?]))
}

fn interruptions(story: &Story, style: &Style) -> Option<Block> {
    let rows = story.notable.iter().map(|(at, line)| {
        let place = match (line.host.as_str(), line.step.as_str()) {
            ("", _) => Text::new(),
            (host, "") => Text::new().code(host),
            (host, step) => Text::new().code(&format!("{host}/{step}")),
        };
        vec![
            style.clock(*at).into(),
            place,
            Text::new().word(line.tone, &line.word),
            (&line.text).into(),
        ]
    });
    let table = Block::table(&["Time", "Where", "What", "Details"], rows.collect())?;
    Some(Block::section("Failures and interruptions", vec![table]))
}

/// The values of the inputs: once if all hosts have the same, else by host.
fn inputs(planned: &RunPlanned) -> Option<Block> {
    let (_, first) = planned.inputs.first()?;
    let shown = |value: &serde_json::Value| clip(&printable(&value.to_string()), VALUE_WIDTH);
    let row = |(name, value): (&String, &serde_json::Value)| {
        let mut all = planned.inputs.iter();
        let text = if all.all(|(_, inputs)| inputs.get(name) == Some(value)) {
            Text::new().code(&shown(value))
        } else {
            let by_host = planned.inputs.iter().take(MOST_NAMED).map(|(host, inputs)| {
                let value = inputs.get(name).map(shown).unwrap_or_default();
                Text::new().plain(host.as_str()).plain(" ").code(&value)
            });
            by_host.fold(Text::new(), |text, one| text.and(", ", one))
        };
        vec![Text::new().code(name), text]
    };
    let table = Block::table(&["Input", "Value"], first.iter().map(row).collect())?;
    Some(Block::section("Inputs", vec![table]))
}

/// Returns the title of a step with its path.
fn step_title(state: &RunState, task: &crate::task::TaskId) -> Text {
    let path = printable(&task.step.to_string());
    Text::new().code(&path).plain(" ").plain(&title_of(state, task))
}
