//! Which runs are listed.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::cli::{Exit, Fault};
use crate::duration;
use crate::event::RunStatus;
use crate::inventory::HostName;
use crate::store::RunRow;

#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Filters {
    /// List only runs of this plan, by its name; repeat it for more
    #[arg(long = "plan", value_name = "NAME")]
    plans: Vec<String>,
    /// List only runs on this host; repeat it for more
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// List only runs in this state; repeat it for more, or separate states by commas
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',')]
    states: Vec<State>,
    /// List only runs that started then or later: a duration before now (`2h`, `7d`), or a date (`2026-11-30`), also with
    /// a time (`2026-11-30T14:00`)
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<When>,
    /// List only runs that started before then; a date means its start
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<When>,
    /// List only runs with an open question
    #[arg(long)]
    questions: bool,
    /// List at most so many, the newest
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(super) limit: Option<NonZeroUsize>,
}

/// The state of a run, as the list shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// Any state of a run that has not ended
    Open,
    /// Its preflight is running
    Planned,
    Running,
    /// It waits for an operator
    Paused,
    /// The process that worked on it is gone
    Interrupted,
    /// A rollback failed
    Stuck,
    Succeeded,
    Failed,
    #[value(alias = "rolled_back")]
    RolledBack,
    Aborted,
    /// Its preflight failed
    Refused,
    /// Its events cannot be read
    Damaged,
}

/// A moment, as the user wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Ago(Duration),
    At(Timestamp),
}

fn at_least_one(word: &str) -> Result<NonZeroUsize, String> {
    word.parse().map_err(|_| "write a number of runs, at least 1".to_owned())
}

fn when(word: &str) -> Result<When, String> {
    if let Some(ago) = duration::parse(word) {
        return Ok(When::Ago(ago));
    }
    if let Ok(at) = word.parse::<Timestamp>() {
        return Ok(When::At(at));
    }
    let local = word.parse::<DateTime>().ok();
    let at = local.and_then(|local| TimeZone::system().to_timestamp(local).ok());
    at.map(When::At).ok_or_else(|| {
        "write a duration before now (`2h`, `7d`), a date (`2026-11-30`), or a date with a time \
         (`2026-11-30T14:00`)"
            .to_owned()
    })
}

/// The time in which a run must have started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Filters {
    pub(super) fn range(&self, now: Timestamp) -> Result<Range, Fault> {
        let moment = |when: When| match when {
            // What is longer ago than the calendar goes excludes nothing.
            When::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
            When::At(at) => at,
        };
        let range = Range { since: self.since.map(moment), until: self.until.map(moment) };
        if range.since.zip(range.until).is_some_and(|(since, until)| since >= until) {
            let fault = Fault::new(Exit::INVALID, "`--since` is not before `--until`");
            return Err(fault.help("no run can be between them; exchange the two values"));
        }
        Ok(range)
    }

    /// Whether a run may be wanted, as far as its row shows that.
    pub(super) fn fits_row(&self, row: &RunRow, state: &str, range: Range) -> bool {
        let is_open = is_open(row);
        // The events of an open run may be damaged, which the row does not show.
        let fits_state =
            is_open && self.states.contains(&State::Damaged) || self.fits_state(is_open, state);
        let fits_time = match row.begun_at {
            Some(at) => {
                range.since.is_none_or(|since| at >= since)
                    && range.until.is_none_or(|until| at < until)
            }
            None => range.since.is_none() && range.until.is_none(),
        };
        let fits_plan = self.plans.is_empty() || self.plans.contains(&row.plan);
        fits_plan && fits_time && fits_state && (is_open || !self.questions)
    }

    /// Whether the hosts of runs matter.
    pub(super) fn need_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    pub(super) fn fit_hosts(&self, hosts: &[HostName]) -> bool {
        self.hosts.is_empty()
            || hosts.iter().any(|host| self.hosts.iter().any(|name| name == host.as_str()))
    }

    /// Whether a run is wanted whose events were read.
    pub(super) fn fit_events(&self, row: &RunRow, state: &str, questions: usize) -> bool {
        self.fits_state(is_open(row), state) && (questions > 0 || !self.questions)
    }

    fn fits_state(&self, is_open: bool, state: &str) -> bool {
        self.states.is_empty() || self.states.iter().any(|wanted| wanted.is(is_open, state))
    }
}

fn is_open(row: &RunRow) -> bool {
    row.state.is_none_or(|state| !RunStatus::has_ended(state))
}

impl State {
    fn is(self, is_open: bool, state: &str) -> bool {
        match self {
            Self::Open => is_open,
            word => word
                .to_possible_value()
                .is_some_and(|value| value.get_name().replace('-', "_") == state),
        }
    }
}
