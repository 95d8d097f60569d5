//! What each host did when, as lanes.
//!
//! A lane has bars for what planrun did with the host, and below them the steps of the plan: only they can
//! say what that means for the service.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::Record;
use crate::history::{HostState, RunState, between};
use crate::inventory::HostName;
use crate::page::{Bar, Block, Lane, Timeline, WIDTH};
use crate::report::Style;
use crate::report::run_page::phase::Phase;
use crate::report::run_page::story::Story;
use crate::report::run_page::{MOST_HOSTS, planned};
use crate::report::tally::title_of;
use crate::report::text::{duration, printable};
use crate::task::{StepPath, TaskId};

/// Bars of a lane, at most.
const MOST_BARS: usize = 400;
/// The narrowest bar: about a pixel.
const NARROWEST: u32 = 12;
const TICKS: u32 = 5;
const DAY: Duration = Duration::from_hours(24);

/// The time of a run, on the width of its timeline.
struct Scale {
    from: Timestamp,
    length: Duration,
}

impl Scale {
    fn at(&self, time: Timestamp) -> u32 {
        let part = between(Some(self.from), Some(time)).as_nanos() * u128::from(WIDTH);
        u32::try_from(part / self.length.as_nanos().max(1)).unwrap_or(WIDTH).min(WIDTH)
    }

    fn bar(&self, kind: &'static str, from: Timestamp, to: Timestamp, text: String) -> Bar {
        let (start, end) = (self.at(from).min(WIDTH - NARROWEST), self.at(to));
        Bar { from: start, width: end.saturating_sub(start).max(NARROWEST), kind, text }
    }
}

pub(super) fn block(
    state: &RunState,
    records: &[Record],
    story: &Story,
    style: &Style,
) -> Option<Block> {
    let (from, to) = (records.first()?.at, records.last()?.at);
    let scale = Scale { from, length: between(Some(from), Some(to)) };
    if scale.length.is_zero() {
        return None;
    }
    let outline = planned(records).map(|planned| planned.outline.steps.as_slice());
    let top = outline.unwrap_or_default().iter().filter(|step| step.parent.is_none());
    let top: Vec<&StepPath> = top.map(|step| &step.path).collect();
    let mut phases = BTreeSet::new();
    let mut lanes = Vec::new();
    for (name, host) in state.in_order().take(MOST_HOSTS) {
        let Some(spans) = story.spans.get(name) else { continue };
        phases.extend(spans.iter().map(|(phase, ..)| *phase));
        let bars = spans.iter().take(MOST_BARS).map(|(phase, from, to)| {
            let (kind, word) = phase.kind();
            scale.bar(kind, *from, *to, spoken(word, *from, *to, style))
        });
        lanes.push(Lane {
            name: printable(name.as_str()),
            bars: bars.collect(),
            steps: steps(state, (name, host), &top, &scale, style),
            marks: marks(story, name, &scale),
        });
    }
    let tick = |number: u32| {
        let at = from + scale.length * number / (TICKS - 1);
        style.format(at, if scale.length > DAY { "%m-%d %H:%M" } else { "%H:%M:%S" })
    };
    let legend = legend(&phases, &lanes);
    let timeline = Timeline { ticks: (0..TICKS).map(tick).collect(), lanes, legend };
    (!timeline.lanes.is_empty()).then_some(Block::Timeline(timeline))
}

fn legend(phases: &BTreeSet<Phase>, lanes: &[Lane]) -> Vec<(String, &'static str)> {
    let bars = phases.iter().map(|phase| phase.kind());
    let mut legend: Vec<_> = bars.map(|(kind, word)| (format!("bar {kind}"), word)).collect();
    if lanes.iter().any(|lane| !lane.steps.is_empty()) {
        legend.push(("part odd".to_owned(), "below: the steps"));
    }
    if lanes.iter().any(|lane| !lane.marks.is_empty()) {
        legend.push(("mark no-return".to_owned(), "point of no return"));
    }
    legend
}

fn spoken(what: &str, from: Timestamp, to: Timestamp, style: &Style) -> String {
    let took = duration(between(Some(from), Some(to)));
    format!("{what}: {} to {} ({took})", style.clock(from), style.clock(to))
}

/// The steps that are in no other, each from its start to its end.
fn steps(
    state: &RunState,
    (name, host): (&HostName, &HostState),
    top: &[&StepPath],
    scale: &Scale,
    style: &Style,
) -> Vec<Bar> {
    let mut out = Vec::new();
    for path in top {
        let Some(task) = host.task(path) else { continue };
        let (Some(from), Some(to)) = (task.begun, task.ended.or(state.last)) else { continue };
        if between(Some(from), Some(to)).is_zero() || out.len() >= MOST_BARS {
            continue;
        }
        let id = TaskId { host: name.clone(), step: (*path).clone() };
        let title = format!("{} {}", printable(&path.to_string()), title_of(state, &id));
        let kind = if out.len() % 2 == 0 { "even" } else { "odd" };
        out.push(scale.bar(kind, from, to, spoken(&title, from, to, style)));
    }
    out
}

fn marks(story: &Story, host: &HostName, scale: &Scale) -> Vec<Bar> {
    let own = story.no_returns.iter().filter(|(name, ..)| name == host);
    let mark = |(_, at, why): &(HostName, Timestamp, String)| {
        scale.bar("no-return", *at, *at, printable(&format!("point of no return: {why}")))
    };
    own.take(MOST_BARS).map(mark).collect()
}
