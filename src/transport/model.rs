//! Model hosts: commands that are answered by a [`World`] in virtual time.
//!
//! A command starts in the world, sleeps on the run's clock for as long as it takes, and ends in the
//! world. A command that exceeds its timeout, or whose link is cut before it takes effect, is never ended:
//! it has changed nothing. Hosts remember attempts as real ones do (`memory`), and an attempt whose
//! controller goes away in the same process continues. Which faults commands meet is up to [`Faults`].
//! If a file is given, the changes of each command are saved in it, so that a paused run continues in
//! another process; the caller starts its clock at [`saved_now`].
//!
//! Scripts are known by their step, not by their text; the user and the environment of a command are
//! ignored, its input only selects an answer. A question about an earlier attempt is answered only with the fact that it is over.

mod memory;
mod saved;

use std::cell::{RefCell, RefMut};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::inventory::{Host, HostName};
use crate::model::{Act, Answer, Asked, Model, ModelError, Pending, World};
use crate::transport::model::memory::{Memory, Running};
use crate::transport::model::saved::{Line, SavedWorld};
use crate::transport::{
    AttemptId, Body, Command, Exit, MAX_OUTPUT, Output, Recovered, Reply, Request, Transport,
    TransportError,
};

pub use crate::model::FaultKind;
pub use crate::transport::model::saved::saved_now;

/// Why a host cannot be reached after the fault `host_gone`.
const GONE: &str = "the host is gone";

/// Decides which faults commands meet.
pub trait Faults: Debug {
    /// Returns the fault that comes up for a command.
    fn take(&self, what: &Occasion<'_>) -> Option<FaultKind>;
}

/// A command that may meet a fault.
#[derive(Debug)]
pub struct Occasion<'a> {
    /// The host that runs it.
    pub here: &'a HostName,
    /// The host whose state it means.
    pub about: Option<&'a HostName>,
    pub command: &'a Command,
    pub is_effect: bool,
    /// The faults that the model defines for it.
    pub known: &'a [&'a str],
}

/// The hosts of one model.
#[derive(Debug)]
pub struct ModelTransport {
    clock: Clock,
    world: RefCell<World>,
    faults: Option<Rc<dyn Faults>>,
    /// Hosts that cannot be reached any more.
    gone: RefCell<BTreeSet<HostName>>,
    /// What they remember of attempts.
    memory: RefCell<Memory>,
    saved: Option<RefCell<SavedWorld>>,
}

impl ModelTransport {
    /// Makes the hosts of a model, as they are at the clock's time; if `saved` is a file of an
    /// earlier process, as they were when it ended.
    pub fn new<'a>(
        model: Arc<Model>,
        hosts: impl IntoIterator<Item = &'a Host>,
        clock: Clock,
        saved: Option<PathBuf>,
    ) -> Result<Self, ModelError> {
        let (world, memory, saved) = match saved {
            Some(path) => {
                let (world, attempts, saved) = SavedWorld::open(path, model, hosts, clock.now())?;
                (world, Memory::of(attempts), Some(RefCell::new(saved)))
            }
            None => (World::new(model, hosts, clock.now())?, Memory::default(), None),
        };
        Ok(Self {
            clock,
            world: RefCell::new(world),
            faults: None,
            gone: RefCell::new(BTreeSet::new()),
            memory: RefCell::new(memory),
            saved,
        })
    }

    /// Lets commands meet faults.
    #[must_use]
    pub fn with_faults(self, faults: Rc<dyn Faults>) -> Self {
        Self { faults: Some(faults), ..self }
    }

    /// Returns the world as it is now.
    pub fn world(&self) -> Result<World, ModelError> {
        Ok(self.present()?.clone())
    }

    /// Sets a value of a host's state.
    pub fn set(
        &self,
        host: &HostName,
        name: &str,
        value: serde_json::Value,
    ) -> Result<(), ModelError> {
        self.world.borrow_mut().set(host, name, value)?;
        self.save()
    }

    /// Keeps the world in its file: done after each effect, and by the caller if only time has
    /// passed since the last one.
    pub fn save(&self) -> Result<(), ModelError> {
        let Some(saved) = &self.saved else { return Ok(()) };
        saved.borrow_mut().append(&self.present()?.changes())
    }

    async fn perform(
        &self,
        host: &Host,
        command: &Command,
        attempt: Option<&AttemptId>,
    ) -> Result<Output, TransportError> {
        let impossible = |error: ModelError| impossible(host, &error);
        self.is_there(host)?;
        let stdin = String::from_utf8_lossy(command.stdin.as_deref().unwrap_or_default());
        let (act, stdin, of) = (act_of(command), Some(&*stdin), command.host.as_ref());
        let asked = Asked { act, stdin, host: of };
        let begin = |fault| self.present()?.begin(&host.name, &asked, fault);
        let mut pending = begin(None).map_err(impossible)?;
        let fault = self.faults.as_ref().and_then(|faults| {
            faults.take(&Occasion {
                here: &host.name,
                about: pending.about.as_ref(),
                command,
                is_effect: attempt.is_some(),
                known: &self.world.borrow().faults_of(&pending),
            })
        });
        let _mark = match attempt {
            Some(id) if fault != Some(FaultKind::HostGone) => {
                let has_effect = !matches!(
                    fault,
                    Some(FaultKind::Refused | FaultKind::CutBefore | FaultKind::Hangs)
                );
                Some(self.mark(host, id, &pending, has_effect).map_err(impossible)?)
            }
            _ => None,
        };
        match fault {
            None => {}
            Some(FaultKind::Known(name)) => {
                pending = begin(Some(&name)).map_err(impossible)?;
            }
            Some(FaultKind::Refused) => {
                return Ok(Output::new(Exit::Code(1), "", "refused, as scripted\n"));
            }
            Some(FaultKind::HostGone) => {
                self.gone.borrow_mut().insert(host.name.clone());
                return Err(unreachable(host, GONE));
            }
            Some(FaultKind::CutBefore) => return Err(cut(host, "cut before it took effect")),
            Some(FaultKind::CutAfter) => {
                self.sleep(pending.takes).await;
                self.finish(host, &pending, attempt)?;
                return Err(cut(host, "cut after it took effect"));
            }
            Some(FaultKind::Hangs) => {
                self.sleep(command.timeout).await;
                return Ok(Output::new(Exit::TimedOut, "", ""));
            }
        }
        if pending.takes > command.timeout {
            self.sleep(command.timeout).await;
            if let Some(id) = attempt {
                self.memory.borrow_mut().end(id);
            }
            return Ok(Output::new(Exit::TimedOut, "", ""));
        }
        self.sleep(pending.takes).await;
        self.is_there(host).map_err(|_| cut(host, "the host went down"))?;
        let output = self.finish(host, &pending, attempt)?;
        // A command may have ended its own connection: a reboot.
        self.is_there(host).map_err(|_| cut(host, "the host went down"))?;
        Ok(output)
    }

    fn mark<'t>(
        &'t self,
        host: &Host,
        id: &AttemptId,
        pending: &Pending,
        has_effect: bool,
    ) -> Result<Mark<'t>, ModelError> {
        self.keep_attempt(id, true)?;
        let running = has_effect.then(|| Running {
            host: host.name.clone(),
            pending: pending.clone(),
            ends: self.clock.now().checked_add(pending.takes).unwrap_or(Timestamp::MAX),
        });
        self.memory.borrow_mut().start(id, running);
        Ok(Mark { memory: &self.memory, id: id.clone() })
    }

    /// Keeps the id of an attempt in the file, before it takes effect.
    fn keep_attempt(&self, id: &AttemptId, started: bool) -> Result<(), ModelError> {
        match &self.saved {
            Some(saved) => {
                saved.borrow_mut().append(&Line::Attempt { attempt: id.clone(), started })
            }
            None => Ok(()),
        }
    }

    /// Returns the world as it is now. Commands that no one waits for any more, and whose time has come, have
    /// taken effect.
    fn present(&self) -> Result<RefMut<'_, World>, ModelError> {
        let ended = self.memory.borrow_mut().take_ended(self.clock.now());
        let mut world = self.world.borrow_mut();
        for Running { host, pending, ends } in ended {
            if !self.gone.borrow().contains(&host) {
                world.advance_to(ends)?;
                if !world.is_lost(&pending) {
                    world.finish(&pending)?;
                }
            }
        }
        world.advance_to(self.clock.now())?;
        Ok(world)
    }

    fn is_there(&self, host: &Host) -> Result<(), TransportError> {
        if self.gone.borrow().contains(&host.name) {
            return Err(unreachable(host, GONE));
        }
        let is_up = self.present().and_then(|world| world.is_reachable(&host.name));
        if is_up.map_err(|error| impossible(host, &error))? {
            Ok(())
        } else {
            Err(unreachable(host, "the host is down"))
        }
    }

    /// Ends a command and keeps what it has changed, before the result is returned.
    fn finish(
        &self,
        host: &Host,
        pending: &Pending,
        attempt: Option<&AttemptId>,
    ) -> Result<Output, TransportError> {
        let impossible = |error: ModelError| impossible(host, &error);
        if let Some(id) = attempt {
            self.memory.borrow_mut().end(id);
        }
        if self.present().map_err(impossible)?.is_lost(pending) {
            return Err(cut(host, "the host went down"));
        }
        let answer =
            self.present().and_then(|mut world| world.finish(pending)).map_err(impossible)?;
        if self.saved.is_some() && self.world.borrow().has_changes() {
            // The command took effect, but the next process may not know it.
            self.save().map_err(|error| cut(host, &error.to_string()))?;
        }
        Ok(output_of(answer))
    }

    async fn sleep(&self, duration: Duration) {
        if !duration.is_zero() {
            self.clock.sleep(duration).await;
        }
    }
}

#[async_trait(?Send)]
impl Transport for ModelTransport {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        match request {
            Request::Look(command) => {
                self.is_there(host)?;
                // A model knows states, and no contents of files.
                let output = match command.body {
                    Body::Compare(_) => Output::new(Exit::Code(0), "unsure\n", ""),
                    _ => self.perform(host, command, None).await?,
                };
                Ok(Reply::Ended(output, None))
            }
            Request::Attempt(id, command, _) => {
                self.is_there(host)?;
                if self.memory.borrow().knows(id) {
                    let why = "an attempt with this id was already started or cancelled".to_owned();
                    return Err(TransportError::Repeated { host: host.name.clone(), why });
                }
                Ok(Reply::Ended(self.perform(host, command, Some(id)).await?, None))
            }
            Request::LogIn(_) => self.is_there(host).map(|()| Reply::Done),
            // It has none, also if it is down.
            Request::Lock(_) => Ok(Reply::Done),
            Request::Recover(id, _) => {
                self.is_there(host)?;
                self.present().map_err(|error| impossible(host, &error))?;
                let recalled = self.memory.borrow().recall(id);
                if let Some(recovered) = recalled {
                    return Ok(Reply::Recovered(recovered));
                }
                self.keep_attempt(id, false).map_err(|error| impossible(host, &error))?;
                self.memory.borrow_mut().give_up(id);
                Ok(Reply::Recovered(Recovered::Absent))
            }
            Request::Reach | Request::Recorded(_) | Request::Printed(_) => {
                self.is_there(host).map(|()| Reply::Done)
            }
        }
    }
}

/// An attempt that a caller waits for.
struct Mark<'t> {
    memory: &'t RefCell<Memory>,
    id: AttemptId,
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.memory.borrow_mut().leave(&self.id);
    }
}

fn act_of(command: &Command) -> Act<'_> {
    match &command.body {
        Body::Argv(argv) => Act::run(argv),
        Body::Script(_) => Act::Step(&command.step),
        Body::Upload(file) | Body::Compare(file) => Act::Upload(Some(&file.to)),
    }
}

fn impossible(host: &Host, error: &ModelError) -> TransportError {
    TransportError::Impossible { host: host.name.clone(), why: error.to_string() }
}

fn unreachable(host: &Host, why: &str) -> TransportError {
    TransportError::Unreachable { host: host.name.clone(), why: why.to_owned() }
}

fn cut(host: &Host, why: &str) -> TransportError {
    TransportError::Cut { host: host.name.clone(), why: why.to_owned() }
}

fn output_of(answer: Answer) -> Output {
    let mut output = Output::new(Exit::Code(answer.exit), answer.stdout, answer.stderr);
    output.stdout.truncate(MAX_OUTPUT);
    output.stderr.truncate(MAX_OUTPUT);
    output
}
