//! Errors of a transport that are not the result of a step.
//!
//! If a key file on this machine cannot be read, or an older copy of this run sent an attempt
//! ([`TransportError::blocks`]), this is not a fact about a host. A host that shows another host
//! key may be another host: nothing is sent to it, not even a rollback. A condition turns every
//! error of a probe into *unknown*, which would fail the step. So all work on a host uses a guard,
//! and checks it before it judges or sends anything, and at the end. If the guard has met such an
//! error, the host is blocked, the run pauses, and a resume continues where the host was.
//!
//! A guard also bounds how long a connection may take for a task in a hurry.

use std::borrow::Cow;
use std::cell::RefCell;
use std::time::Duration;

use async_trait::async_trait;

use crate::inventory::{Host, HostName};
use crate::transport::{Command, Output, Reply, Request, Transport, TransportError};

/// A transport that remembers the first such error. See the module.
pub(super) struct Guard<'a> {
    transport: &'a dyn Transport,
    host: &'a HostName,
    /// How long connecting to a host may take; `None` if its own time applies.
    pub(super) longest: Option<Duration>,
    met: RefCell<Option<TransportError>>,
    ahead: RefCell<Ahead>,
}

/// The probe of a `done_when`, which is sent along with the effect that it checks: most conditions have one,
/// and are true at once.
#[derive(Default)]
struct Ahead {
    /// Whether the next probe is the one.
    is_next: bool,
    probe: Option<(HostName, Command)>,
    /// What it found right after the effect. Only the next probe may use it.
    seen: Option<Output>,
}

impl<'a> Guard<'a> {
    pub(super) fn new(
        transport: &'a dyn Transport,
        host: &'a HostName,
        longest: Option<Duration>,
    ) -> Self {
        let (met, ahead) = (RefCell::new(None), RefCell::default());
        Self { transport, host, longest, met, ahead }
    }

    /// Notes that the next probe is the first one of a `done_when`.
    pub(super) fn expect_probe(&self) {
        self.ahead.borrow_mut().is_next = true;
    }

    /// Returns what a probe has found that was sent along with an effect.
    fn seen_ahead(&self, host: &Host, command: &Command) -> Option<Output> {
        let mut ahead = self.ahead.borrow_mut();
        if std::mem::take(&mut ahead.is_next) {
            ahead.probe = Some((host.name.clone(), command.clone()));
        }
        let seen = ahead.seen.take();
        let is_it = |(on, probe): &(HostName, Command)| *on == host.name && probe == command;
        seen.filter(|_| ahead.probe.as_ref().is_some_and(is_it))
    }

    /// Returns the probe that is sent along with an effect.
    fn probe_after(&self, host: &Host) -> Option<Command> {
        let mut ahead = self.ahead.borrow_mut();
        ahead.seen = None;
        ahead.probe.as_ref().filter(|(on, _)| *on == host.name).map(|(_, probe)| probe.clone())
    }

    pub(super) fn met(&self) -> Option<TransportError> {
        self.met.borrow().clone()
    }

    /// Whether the host itself fails its host key verification. Another host that a step needs
    /// fails that step only.
    fn is_quarantined(&self, error: &TransportError) -> bool {
        matches!(error, TransportError::HostKey { host, .. } if host == self.host)
    }

    /// Returns the host as it is connected to.
    fn hurry<'h>(&self, host: &'h Host) -> Cow<'h, Host> {
        let Some(longest) = self.longest else { return Cow::Borrowed(host) };
        let mut host = host.clone();
        let own = host.link.connect_timeout;
        host.link.connect_timeout = Some(own.map_or(longest, |own| own.min(longest)));
        Cow::Owned(host)
    }
}

#[async_trait(?Send)]
impl Transport for Guard<'_> {
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        let probe = match request {
            Request::Attempt(..) => self.probe_after(host),
            _ => None,
        };
        let request = match request {
            Request::Look(command) => match self.seen_ahead(host, command) {
                Some(seen) => return Ok(Reply::Ended(seen, None)),
                None => request,
            },
            Request::Attempt(id, command, _) => Request::Attempt(id, command, probe.as_ref()),
            _ => request,
        };
        let host = match request {
            Request::Reach | Request::LogIn(_) => Cow::Borrowed(host),
            _ => self.hurry(host),
        };
        let mut result = self.transport.handle(&host, request).await;
        match &mut result {
            Ok(Reply::Ended(_, seen)) => self.ahead.borrow_mut().seen = seen.take(),
            Err(error) if error.blocks() || self.is_quarantined(error) => {
                self.met.borrow_mut().get_or_insert_with(|| error.clone());
            }
            _ => {}
        }
        result
    }
}
