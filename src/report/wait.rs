//! Waits as people watch them: the last values, where they are heading, the time left.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use crate::event::Progress;
use crate::event::TaskId;
use crate::report::text;
use crate::report::text::clip;
use crate::report::text::printable;

/// So many of the last looks make a trend: one odd look in between does not turn it.
const TREND: usize = 5;

/// Columns that one value may take.
const VALUE_WIDTH: usize = 60;

/// Values that are shown; a condition over more is summed up.
const MOST_VALUES: usize = 3;

/// All waits that are under way.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    by_task: BTreeMap<TaskId, Wait>,
}

/// One wait.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    until: Option<String>,
    values: Vec<(String, String)>,
    numbers: BTreeMap<String, VecDeque<f64>>,
    error: Option<String>,
    waited: Duration,
    limit: Duration,
}

impl Waits {
    /// Takes a look of a wait; `None` for other news.
    pub(crate) fn observe(&mut self, progress: &Progress) -> Option<&Wait> {
        let Progress::Waiting { task, until, values, error, waited, limit } = progress else {
            return None;
        };
        let wait = self.by_task.entry(task.clone()).or_default();
        wait.until.clone_from(until);
        wait.values.clone_from(values);
        wait.error.clone_from(error);
        wait.waited = *waited;
        wait.limit = *limit;
        for (name, value) in values {
            if let Ok(number) = value.parse() {
                let last = wait.numbers.entry(name.clone()).or_default();
                last.push_back(number);
                if last.len() > TREND {
                    last.pop_front();
                }
            }
        }
        Some(wait)
    }

    /// Returns the wait of a task.
    pub(crate) fn get(&self, task: &TaskId) -> Option<&Wait> {
        self.by_task.get(task)
    }

    /// Forgets a wait that ended.
    pub(crate) fn end(&mut self, task: &TaskId) {
        self.by_task.remove(task);
    }
}

impl Wait {
    /// Returns what was seen: `backend.users = 31, falling`; the reason where it cannot be told.
    pub(crate) fn seen(&self) -> String {
        if let Some(error) = &self.error {
            return format!("cannot tell: {}", clip(&printable(error), 2 * VALUE_WIDTH));
        }
        let mut out: Vec<String> = self
            .values
            .iter()
            .take(MOST_VALUES)
            .map(|(name, value)| {
                let trend = self.trend(name).map_or(String::new(), |it| format!(" ({it})"));
                let value = clip(&printable(value), VALUE_WIDTH);
                format!("{} = {value}{trend}", clip(&printable(name), VALUE_WIDTH))
            })
            .collect();
        if let Some(rest) = self.values.len().checked_sub(MOST_VALUES + 1) {
            out.push(text::count(rest + 1, "more value"));
        }
        out.join(", ")
    }

    /// Returns where a number is heading, `None` where nothing can be said yet.
    fn trend(&self, name: &str) -> Option<&'static str> {
        let numbers = self.numbers.get(name)?;
        if numbers.len() < 2 {
            return None;
        }
        let (first, last) = (numbers.front()?, numbers.back()?);
        Some(match last.total_cmp(first) {
            std::cmp::Ordering::Less => "falling",
            std::cmp::Ordering::Equal => "steady",
            std::cmp::Ordering::Greater => "rising",
        })
    }

    /// Returns what it waits for, as written.
    pub(crate) fn until(&self) -> Option<String> {
        self.until.as_deref().map(printable)
    }

    /// Returns the time it may still wait.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.waited)
    }

    /// Returns the longest time it may wait.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns the part of its time that has passed, 0 to 1.
    pub(crate) fn passed(&self) -> f64 {
        if self.limit.is_zero() {
            return 1.0;
        }
        (self.waited.as_secs_f64() / self.limit.as_secs_f64()).min(1.0)
    }

    /// Returns what is not a number in what was seen: a change there is news at once.
    pub(crate) fn words(&self) -> Vec<&str> {
        let words = self.values.iter().map(|(_, value)| value.as_str());
        words.filter(|value| value.parse::<f64>().is_err()).chain(self.error.as_deref()).collect()
    }
}
