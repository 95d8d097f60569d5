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
use jiff::Timestamp;

use crate::inventory::{Host, HostName};
use crate::transport::lock::{LockReply, LockRequest};
use crate::transport::{AttemptId, Command, Output, Recovered, Transport, TransportError};

/// A transport that remembers the first such error. See the module.
pub(super) struct Guard<'a> {
    transport: &'a dyn Transport,
    host: &'a HostName,
    /// How long connecting to a host may take; `None` if its own time applies.
    longest: Option<Duration>,
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
    pub(super) fn new(transport: &'a dyn Transport, host: &'a HostName) -> Self {
        let (met, ahead) = (RefCell::new(None), RefCell::default());
        Self { transport, host, longest: None, met, ahead }
    }

    /// Bounds how long connecting to a host may take.
    pub(super) fn connecting_within(self, longest: Option<Duration>) -> Self {
        Self { longest, ..self }
    }

    /// Returns how long connecting to a host may take; `None` if its own time applies.
    pub(super) fn longest(&self) -> Option<Duration> {
        self.longest
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
        let Some(longest) = self.longest else {
            return Cow::Borrowed(host);
        };
        let mut host = host.clone();
        let own = host.link.connect_timeout;
        host.link.connect_timeout = Some(own.map_or(longest, |own| own.min(longest)));
        Cow::Owned(host)
    }

    fn see<T>(&self, result: Result<T, TransportError>) -> Result<T, TransportError> {
        if let Err(error) = &result
            && (error.blocks() || self.is_quarantined(error))
        {
            self.met.borrow_mut().get_or_insert_with(|| error.clone());
        }
        result
    }
}

#[async_trait(?Send)]
impl Transport for Guard<'_> {
    async fn look(&self, host: &Host, command: &Command) -> Result<Output, TransportError> {
        if let Some(seen) = self.seen_ahead(host, command) {
            return Ok(seen);
        }
        self.see(self.transport.look(&self.hurry(host), command).await)
    }

    async fn log_in(&self, host: &Host, r#become: Option<&str>) -> Result<(), TransportError> {
        self.see(self.transport.log_in(host, r#become).await)
    }

    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        let probe = {
            let mut ahead = self.ahead.borrow_mut();
            ahead.seen = None;
            ahead.probe.as_ref().filter(|(on, _)| *on == host.name).map(|(_, probe)| probe.clone())
        };
        let host = &self.hurry(host);
        let Some(probe) = probe else {
            return self.see(self.transport.attempt(host, id, command).await);
        };
        let result = self.transport.attempt_and_look(host, id, command, &probe).await;
        let (output, seen) = self.see(result)?;
        self.ahead.borrow_mut().seen = seen;
        Ok(output)
    }

    async fn reach(&self, host: &Host) -> Result<(), TransportError> {
        self.see(self.transport.reach(host).await)
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.transport.shown_key(host)
    }

    fn expect_key(&self, host: &HostName, key: &str) {
        self.transport.expect_key(host, key);
    }

    async fn lock(&self, host: &Host, request: &LockRequest) -> Result<LockReply, TransportError> {
        self.see(self.transport.lock(&self.hurry(host), request).await)
    }

    async fn recorded(&self, host: &Host, id: &AttemptId) {
        self.transport.recorded(host, id).await;
    }

    async fn recover(
        &self,
        host: &Host,
        id: &AttemptId,
        intended: Timestamp,
    ) -> Result<Recovered, TransportError> {
        self.see(self.transport.recover(&self.hurry(host), id, intended).await)
    }
}
