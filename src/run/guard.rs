//! What a transport reports that is no result of a step.
//!
//! A key on this machine that cannot be read says nothing about a host, and neither does an attempt
//! that an older copy of this run sent ([`TransportError::blocks`]). A host that shows another host
//! key may be another host: nothing is sent to it, not even a rollback. Conditions take every error of
//! a look for "cannot tell", and a step would fail of that. So whoever works on a host looks
//! through a guard, asks it before anything is judged or sent, and at the end: if it has met such
//! an error, the host is blocked, the run pauses, and a resume continues where the host was.

use std::cell::RefCell;

use async_trait::async_trait;

use crate::inventory::Host;
use crate::inventory::HostName;
use crate::transport::AttemptId;
use crate::transport::Command;
use crate::transport::Output;
use crate::transport::Recovered;
use crate::transport::Transport;
use crate::transport::TransportError;

/// A transport that remembers the first such error. See the module.
pub(super) struct Guard<'a> {
    transport: &'a dyn Transport,
    host: &'a HostName,
    met: RefCell<Option<TransportError>>,
}

impl<'a> Guard<'a> {
    /// Guards a piece of work on a host.
    pub(super) fn new(transport: &'a dyn Transport, host: &'a HostName) -> Self {
        Self { transport, host, met: RefCell::new(None) }
    }

    /// Returns the error that it has met.
    pub(super) fn met(&self) -> Option<TransportError> {
        self.met.borrow().clone()
    }

    /// Whether the host itself fails its host key verification. Another host that a step needs
    /// fails that step only.
    fn is_quarantined(&self, error: &TransportError) -> bool {
        matches!(error, TransportError::HostKey { host, .. } if host == self.host)
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
        self.see(self.transport.look(host, command).await)
    }

    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        self.see(self.transport.attempt(host, id, command).await)
    }

    async fn reach(&self, host: &Host) -> Result<(), TransportError> {
        self.see(self.transport.reach(host).await)
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.transport.shown_key(host)
    }

    fn hold_key(&self, host: &HostName, key: &str) {
        self.transport.hold_key(host, key);
    }

    async fn recover(&self, host: &Host, id: &AttemptId) -> Result<Recovered, TransportError> {
        self.see(self.transport.recover(host, id).await)
    }
}
