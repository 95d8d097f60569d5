//! Why a step cannot continue yet, and when it does: shown while it lasts, and counted every second.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::Progress;
use crate::history::between;
use crate::inventory::HostName;
use crate::report::text::{printable, whole};
use crate::report::wait::away_text;

pub(crate) enum Note {
    /// A failed attempt is going to be repeated.
    Retrying { ordinal: u32, of: u32, why: String, delay: Duration, since: Timestamp },
    /// A machine cannot be reached.
    Away { on: HostName, why: String, away: Duration, limit: Duration, since: Timestamp },
}

impl Note {
    /// Takes progress; `None` for progress of another kind.
    pub(crate) fn of(progress: &Progress, since: Timestamp) -> Option<Self> {
        Some(match progress.clone() {
            Progress::Retrying { ordinal, of, delay, why, .. } => {
                Self::Retrying { ordinal, of, why, delay, since }
            }
            Progress::Away { on, why, away, limit, .. } => {
                Self::Away { on, why, away, limit, since }
            }
            Progress::Waiting { .. } | Progress::Locked { .. } | Progress::Output { .. } => {
                return None;
            }
        })
    }

    pub(crate) fn text(&self, now: Timestamp) -> String {
        match self {
            Self::Retrying { ordinal, of, why, delay, since } => {
                let left = delay.saturating_sub(between(Some(*since), Some(now)));
                let left = whole(left + Duration::from_millis(999));
                format!("attempt {ordinal} of {of} in {left}: {}", printable(why))
            }
            Self::Away { on, why, away, limit, since } => {
                let away = *away + between(Some(*since), Some(now));
                away_text(on, why, away.min(*limit), *limit)
            }
        }
    }
}
