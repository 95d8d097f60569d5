//! The host keys that hosts have shown: recorded once a host, and expected again after a resume.
//!
//! A key is recorded before anything that changes something is sent to its host. So a resume, or a
//! rollback by another process, never goes to another machine on the same address.

use crate::event::{HostEvent, JournalError};
use crate::inventory::{Host, HostName};
use crate::run::Live;
use crate::run::guard::Guard;
use crate::transport::{Transport as _, TransportError};

impl Live<'_, '_> {
    /// Records the host key that a host has shown.
    pub(super) async fn keep_key(&self, host: &HostName) -> Result<(), JournalError> {
        match self.run.transport.shown_key(host) {
            Some(key) if !self.state.borrow().host_keys.contains_key(host) => {
                self.note(HostEvent::KeySeen { key }.of(host)).await
            }
            _ => Ok(()),
        }
    }

    /// Connects to a host before anything is sent to it for the first time, and records its key; locks it if
    /// it has lost its lock. Returns why nothing may be sent, if that is so.
    pub(super) async fn meet(
        &self,
        host: &Host,
        through: &Guard<'_>,
    ) -> Result<Option<TransportError>, JournalError> {
        if !self.state.borrow().host_keys.contains_key(&host.name) {
            let reached = through.reach(host).await;
            self.keep_key(&host.name).await?;
            if let Err(error) = reached {
                return Ok(Some(error));
            }
        }
        self.lock_late(host, through).await
    }
}
