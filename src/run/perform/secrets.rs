//! Secrets that are typed when a step needs them: `ask` of an input.
//!
//! They are asked for right before the first attempt, once in a process, and are in no event. So a process that
//! continues the run does not know them, and cannot find them in what an earlier attempt printed.

use crate::plan::Effect;
use crate::run::perform::{Conclusion, Task};
use crate::template::Names;
use crate::transport::Recovered;

impl Task<'_, '_, '_> {
    /// Returns the names that `stdin`, `env` and uploads can use in addition.
    pub(super) fn secrets(&self) -> Names {
        let mut names = self.live.typed_names();
        names.extend(&self.live.run.plan.secrets.names(self.host));
        names
    }

    /// Asks for the secrets that a step needs and that are not known; without one the step waits.
    pub(super) async fn ask_secrets(&self, effect: &Effect) -> Option<Conclusion> {
        let clock = &self.live.run.clock;
        for name in self.missing_secrets(effect) {
            let begin = clock.monotonic();
            let is_known = self.live.ask_secret(&self.id, &name).await;
            self.not_counted(clock.monotonic().saturating_sub(begin));
            if !is_known && self.is_halted() {
                return Some(Conclusion::Stopped);
            }
            if !is_known {
                let title = self.title();
                let why = format!("{title}: the secret `{name}` must be typed at a terminal");
                return Some(Conclusion::Blocked(why));
            }
        }
        None
    }

    /// Drops output that may contain a secret that this process does not know.
    pub(super) fn without_secrets(&self, found: Recovered) -> Recovered {
        match found {
            Recovered::Ended(output) if self.lacks_secrets() => Recovered::Exited(output.exit),
            other => other,
        }
    }

    /// Whether a secret of the step is not known to this process.
    pub(super) fn lacks_secrets(&self) -> bool {
        self.step.effect().is_some_and(|effect| !self.missing_secrets(effect).is_empty())
    }

    fn missing_secrets(&self, effect: &Effect) -> Vec<String> {
        let asked = self.live.run.plan.plan.asked(&effect.command);
        let known = self.secrets();
        asked.filter(|name| !known.contains_key(*name)).map(str::to_owned).collect()
    }
}
