//! Notifications: programs and addresses that the user configured are notified of what happens in a run.
//!
//! A run must not notice them. Each target has a thread and a bounded queue; a message that does not fit is
//! dropped, and one that fails is not sent again: at most once, as well as possible. What went wrong is a
//! line for standard error, never an event or a result of the run.
//!
//! ```text
//!  Record, RunState -> Observer -> Message -> Notifier -> queue -> thread -> deliver -> program, address
//!                      (message.rs)               ^                   |
//!                                                 '------ lines ------'
//! ```
//!
//! [`Notifier::end`] waits for what is under way, for the longest time limit of a target, and kills the programs
//! that still run then. Messages go through the redactor of the run. Not here: reading the configuration,
//! and writing the lines.

mod deliver;
pub mod message;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::Clock;
use crate::notify::deliver::Courier;
use crate::notify::message::{Kind, Message};
use crate::report::text::count;
use crate::secret::Redactor;
use crate::transport::program::Running;

/// How many messages may wait for a target.
const QUEUE: usize = 64;
/// The longest time limit of a target, and so of the wait at the end of a run.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// The time limit of a target that sets none.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// What the wait at the end gives beyond the time limits, so that these are reported.
const GRACE: Duration = Duration::from_millis(500);

/// Who is notified.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name in messages.
    pub name: String,
    pub on: Vec<Kind>,
    pub timeout: Duration,
    pub to: To,
}

/// How a target is notified.
#[derive(Clone, Debug)]
pub enum To {
    /// A program and its arguments.
    Command(Vec<String>),
    Webhook {
        url: Value,
        headers: Vec<(String, Value)>,
    },
}

/// A part of a request.
#[derive(Clone, Debug)]
pub enum Value {
    Plain(String),
    /// What a command prints, after a prefix.
    Secret {
        command: Vec<String>,
        prefix: String,
    },
}

impl Target {
    /// Returns what it is: `webhook` or `command`.
    pub fn kind(&self) -> &'static str {
        match self.to {
            To::Command(_) => "command",
            To::Webhook { .. } => "webhook",
        }
    }

    /// Sends one message now, and waits for the end; an error is a sentence without the secrets that `redactor`
    /// knows, which gets those of this target. By `running` another thread can end what runs.
    pub fn try_out(
        &self,
        message: &Message,
        running: &Running,
        redactor: &Redactor,
    ) -> Result<String, String> {
        Courier::new(self.clone(), running.clone(), redactor.clone()).deliver(&message.json())
    }
}

/// A target, its thread and its queue.
#[derive(Debug)]
struct Outlet {
    target: Target,
    /// `None` after the end of the run.
    queue: Option<SyncSender<String>>,
    /// How many messages were queued and are not sent.
    waiting: Arc<AtomicUsize>,
    dropped: usize,
    running: Running,
}

/// Sends messages to all targets in the background.
#[derive(Debug)]
pub struct Notifier {
    outlets: Vec<Outlet>,
    /// What went wrong; closed when all threads have ended.
    lines: UnboundedReceiver<String>,
    /// Whether nothing new may be sent.
    is_over: Arc<AtomicBool>,
}

impl Notifier {
    /// Starts a thread for each target.
    pub fn start(targets: &[Target]) -> Self {
        let (sender, lines) = unbounded_channel();
        let is_over = Arc::<AtomicBool>::default();
        // A program may print the secrets of another target.
        let redactor = Redactor::default();
        let start = |target: &Target| {
            let (queue, messages) = sync_channel(QUEUE);
            let (waiting, running) = (Arc::<AtomicUsize>::default(), Running::default());
            let work = Work {
                courier: Courier::new(target.clone(), running.clone(), redactor.clone()),
                name: target.name.clone(),
                messages,
                waiting: Arc::clone(&waiting),
                is_over: Arc::clone(&is_over),
                lines: sender.clone(),
            };
            let thread = std::thread::Builder::new().name("notify".to_owned());
            if let Err(error) = thread.spawn(move || work.run()) {
                // The channel is open: the receiver is above.
                let _open = sender.send(format!("cannot notify {}: {error}", target.name));
            }
            let target = target.clone();
            Outlet { target, queue: Some(queue), waiting, dropped: 0, running }
        };
        let outlets = targets.iter().map(start).collect();
        Self { outlets, lines, is_over }
    }

    /// Queues a message for each target that wants it. Never waits.
    pub fn send(&mut self, message: &Message) {
        let json = message.json();
        for outlet in self.outlets.iter_mut().filter(|one| one.target.on.contains(&message.event)) {
            let Some(queue) = &outlet.queue else { continue };
            outlet.waiting.fetch_add(1, Ordering::SeqCst);
            match queue.try_send(json.clone()) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    outlet.waiting.fetch_sub(1, Ordering::SeqCst);
                    outlet.dropped += 1;
                }
            }
        }
    }

    /// Returns what went wrong since the last call.
    pub fn problems(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
    }

    /// Waits for what is queued, for a limited time, and returns what went wrong. A caller may drop the future
    /// and call [`Self::abandon`].
    pub async fn end(&mut self, say: &mut dyn FnMut(&str)) {
        let limits = self.outlets.iter().filter(|outlet| outlet.is_busy());
        let limit = limits.map(|outlet| outlet.target.timeout).max().unwrap_or_default();
        self.outlets.iter_mut().for_each(|outlet| outlet.queue = None);
        let mut late = std::pin::pin!(Clock::Real.sleep(limit + GRACE));
        loop {
            tokio::select! {
                line = self.lines.recv() => match line {
                    Some(line) => say(&line),
                    None => return,
                },
                () = &mut late => return,
            }
        }
    }

    /// Kills the programs that run, and returns what was not sent. Nothing is sent after this.
    pub fn abandon(&mut self) -> Vec<String> {
        self.is_over.store(true, Ordering::SeqCst);
        let mut lines = self.problems();
        for outlet in &mut self.outlets {
            outlet.queue = None;
            outlet.running.end();
            let name = &outlet.target.name;
            let left = outlet.waiting.load(Ordering::SeqCst);
            let of = |number| format!("{} for {name}", count(number, "notification"));
            if outlet.dropped > 0 {
                let dropped = of(outlet.dropped);
                lines.push(format!("{dropped} dropped: {QUEUE} others were waiting"));
            }
            if left > 0 {
                lines.push(format!("{} not delivered before planrun ended", of(left)));
            }
        }
        lines
    }
}

impl Outlet {
    fn is_busy(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }
}

/// What the thread of a target needs.
struct Work {
    courier: Courier,
    name: String,
    messages: Receiver<String>,
    waiting: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    lines: UnboundedSender<String>,
}

impl Work {
    /// Delivers messages until the queue is closed.
    fn run(mut self) {
        // Now, while the operator is at the terminal, and not at the first message.
        if let Err(why) = self.courier.prepare() {
            self.report(&why);
        }
        while let Ok(message) = self.messages.recv() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let delivered = self.courier.deliver(&message);
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            if let Err(why) = delivered {
                self.report(&why);
            }
        }
    }

    fn report(&self, why: &str) {
        // At the end of the process no one reads it.
        let _unread = self.lines.send(format!("cannot notify {}: {why}", self.name));
    }
}
