//! Waits in progress: the last values, their trend, the time left.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Progress, TaskId, Waiting};
use crate::history::between;
use crate::inventory::HostName;
use crate::report::text::{self, clip, printable};

/// How many values make a trend: a single outlier does not change it.
const TREND: usize = 5;

/// How many values make a curve.
const CURVE: usize = 12;

/// The heights of a curve.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns that one value may take.
const VALUE_WIDTH: usize = 60;

/// Values that are shown; the rest is counted.
const MOST_VALUES: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct Waits {
    by_task: BTreeMap<TaskId, Wait>,
}

#[derive(Debug, Default)]
pub(crate) struct Wait {
    /// What was last reported of it.
    pub(crate) last: Waiting,
    numbers: BTreeMap<String, VecDeque<f64>>,
    /// When this was reported: the time left is counted down from here.
    at: Timestamp,
}

impl Waits {
    /// Takes the progress of a wait; `None` for other progress.
    pub(crate) fn observe(&mut self, progress: &Progress, now: Timestamp) -> Option<&Wait> {
        let Progress::Waiting { task, wait: last } = progress else { return None };
        let wait = self.by_task.entry(task.clone()).or_default();
        wait.last.clone_from(last);
        wait.at = now;
        for (name, value) in &last.values {
            if let Ok(number) = value.parse() {
                let last = wait.numbers.entry(name.clone()).or_default();
                last.push_back(number);
                if last.len() > CURVE {
                    last.pop_front();
                }
            }
        }
        Some(wait)
    }

    pub(crate) fn get(&self, task: &TaskId) -> Option<&Wait> {
        self.by_task.get(task)
    }

    pub(crate) fn end(&mut self, task: &TaskId) {
        self.by_task.remove(task);
    }
}

impl Wait {
    /// Returns the observed values: `backend.users = 31 (falling)`; the error if there is one.
    pub(crate) fn seen(&self) -> String {
        self.seen_as(|_| None)
    }

    /// The same with the curve of each number: `backend.users = 31 ▇▆▄▂ (falling)`.
    pub(crate) fn drawn(&self) -> String {
        self.seen_as(|name| self.curve(name))
    }

    fn seen_as(&self, curve: impl Fn(&str) -> Option<String>) -> String {
        if let Some(error) = &self.last.error {
            return format!("unknown: {}", clip(&printable(error), 2 * VALUE_WIDTH));
        }
        let shown = self.last.values.iter().take(MOST_VALUES).map(|(name, value)| {
            let trend = self.trend(name).map_or(String::new(), |it| format!(" ({it})"));
            let curve = curve(name).map_or(String::new(), |it| format!(" {it}"));
            let value = clip(&printable(value), VALUE_WIDTH);
            format!("{} = {value}{curve}{trend}", clip(&printable(name), VALUE_WIDTH))
        });
        let mut out: Vec<String> = shown.collect();
        if let Some(rest) = self.last.values.len().checked_sub(MOST_VALUES + 1) {
            out.push(text::count(rest + 1, "more value"));
        }
        out.join(", ")
    }

    /// Returns the trend of a number, `None` if it is not known yet.
    fn trend(&self, name: &str) -> Option<&'static str> {
        let numbers = self.numbers.get(name)?;
        if numbers.len() < 2 {
            return None;
        }
        let first = numbers.get(numbers.len().saturating_sub(TREND))?;
        let last = numbers.back()?;
        Some(match last.total_cmp(first) {
            std::cmp::Ordering::Less => "falling",
            std::cmp::Ordering::Equal => "steady",
            std::cmp::Ordering::Greater => "rising",
        })
    }

    /// Returns the last values of a number as a curve between the lowest and the highest of them; `None` if they
    /// are all alike.
    fn curve(&self, name: &str) -> Option<String> {
        let numbers = self.numbers.get(name)?;
        let lowest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let range = highest - lowest;
        if !(range.is_finite() && range > 0.0) {
            return None;
        }
        let height = |number: &f64| {
            let share = (number - lowest) / range;
            let steps = HEIGHTS.iter().enumerate().rev();
            #[expect(clippy::cast_precision_loss, reason = "one of eight")]
            let is_below = |at: usize| (at as f64) / ((HEIGHTS.len() - 1) as f64) <= share;
            steps
                .filter(|(at, _)| is_below(*at))
                .map(|(_, mark)| *mark)
                .next()
                .unwrap_or(HEIGHTS[0])
        };
        Some(numbers.iter().map(height).collect())
    }

    pub(crate) fn until(&self) -> Option<String> {
        self.last.until.as_deref().map(printable)
    }

    /// Returns the time left at a moment; once the condition is true, for how long it has been.
    pub(crate) fn left(&self, now: Timestamp) -> String {
        let since = between(Some(self.at), Some(now));
        if let Some((stable, of)) = self.last.stable {
            // The time since the last check was not observed.
            return format!("true for {} of {}", text::whole(stable.min(of)), text::duration(of));
        }
        let left = self.last.limit.saturating_sub(self.last.waited).saturating_sub(since);
        format!("{} left", text::whole(left))
    }

    /// Returns the part of its time that has passed at a moment, 0 to 1.
    pub(crate) fn passed(&self, now: Timestamp) -> f64 {
        let (passed, of) = match self.last.stable {
            Some(stable) => stable,
            None => (self.last.waited + between(Some(self.at), Some(now)), self.last.limit),
        };
        if of.is_zero() {
            return 1.0;
        }
        (passed.as_secs_f64() / of.as_secs_f64()).min(1.0)
    }

    /// Returns the values that are not numbers: a change of these is shown at once.
    pub(crate) fn words(&self) -> Vec<&str> {
        let words = self.last.values.iter().map(|(_, value)| value.as_str());
        words
            .filter(|value| value.parse::<f64>().is_err())
            .chain(self.last.error.as_deref())
            .collect()
    }
}

/// Returns the text for a machine without connection.
pub(crate) fn away_text(on: &HostName, why: &str, away: Duration, limit: Duration) -> String {
    format!(
        "no connection to {}: {}; retrying ({} of {})",
        printable(on.as_str()),
        clip(&printable(why), 2 * VALUE_WIDTH),
        text::whole(away),
        text::duration(limit),
    )
}
