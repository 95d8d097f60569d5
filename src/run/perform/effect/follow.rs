//! What a command prints while it runs, for people who watch (`--follow`).
//!
//! Its host keeps the output in a file, which is read from time to time by a request of its own. So the command
//! does not depend on it, and a request that fails shows nothing and harms nothing.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use crate::event::Progress;
use crate::inventory::Host;
use crate::run::perform::Task;
use crate::transport::{AttemptId, Reply, Request};

/// The time between two requests.
const PERIOD: Duration = Duration::from_secs(2);

/// The maximum number of lines that are shown.
const MOST_LINES: usize = 10;

impl Task<'_, '_, '_> {
    /// Waits for an attempt, and meanwhile shows the last lines that it has printed, if that was requested.
    pub(super) async fn followed<T>(
        &self,
        host: &Host,
        attempt: &AttemptId,
        work: impl Future<Output = T>,
    ) -> T {
        if !self.live.run.follow {
            return work.await;
        }
        let mut work = pin!(work);
        loop {
            let look = async {
                self.live.run.clock.sleep(PERIOD).await;
                // Not by the guard: this is not the work of the task.
                let printed = Request::Printed(attempt);
                self.live.run.transport.handle(host, printed).await
            };
            tokio::select! {
                biased;
                result = &mut work => return result,
                reply = look => if let Ok(Reply::Ended(output, _)) = reply {
                    self.show(&output.stdout);
                }
            }
        }
    }

    fn show(&self, printed: &[u8]) {
        let text = String::from_utf8_lossy(printed);
        // A progress bar writes one line again and again.
        let lines = text.lines().map(|line| line.rsplit('\r').find(|part| !part.is_empty()));
        let lines: Vec<String> = lines.flatten().map(str::to_owned).collect();
        let lines = lines[lines.len().saturating_sub(MOST_LINES)..].to_vec();
        if !lines.is_empty() {
            self.live.progress(&Progress::Output { task: self.id.clone(), lines });
        }
    }
}
