//! All transports as one: each host is reached by the one its inventory names.

use std::rc::Rc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::local::LocalTransport;
use super::lock::{LockReply, LockRequest};
use super::ssh::SshTransport;
use super::{AttemptId, Command, Output, Recovered, Transport, TransportError};
use crate::inventory::{Connection, Host, HostName, Locking};

/// The transports of a run.
pub struct Hosts {
    ssh: SshTransport,
    local: LocalTransport,
    model: Option<Rc<dyn Transport>>,
}

impl Hosts {
    /// Joins transports; without `model`, commands for model hosts are [`TransportError::Impossible`].
    pub fn new(ssh: SshTransport, local: LocalTransport, model: Option<Rc<dyn Transport>>) -> Self {
        Self { ssh, local, model }
    }

    fn of(&self, host: &Host) -> Result<&dyn Transport, TransportError> {
        match host.link.connection {
            Connection::Ssh | Connection::OpenSsh => Ok(&self.ssh),
            Connection::Local => Ok(&self.local),
            Connection::Model => self.model.as_deref().ok_or_else(|| TransportError::Impossible {
                host: host.name.clone(),
                why: "it is a model host, and no model is loaded".to_owned(),
            }),
        }
    }
}

#[async_trait(?Send)]
impl Transport for Hosts {
    async fn look(&self, host: &Host, command: &Command) -> Result<Output, TransportError> {
        self.of(host)?.look(host, command).await
    }

    async fn log_in(&self, host: &Host, r#become: Option<&str>) -> Result<(), TransportError> {
        self.of(host)?.log_in(host, r#become).await
    }

    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        self.of(host)?.attempt(host, id, command).await
    }

    async fn attempt_and_look(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
        probe: &Command,
    ) -> Result<(Output, Option<Output>), TransportError> {
        self.of(host)?.attempt_and_look(host, id, command, probe).await
    }

    async fn reach(&self, host: &Host) -> Result<(), TransportError> {
        self.of(host)?.reach(host).await
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.ssh.shown_key(host)
    }

    fn expect_key(&self, host: &HostName, key: &str) {
        self.ssh.expect_key(host, key);
    }

    async fn lock(&self, host: &Host, request: &LockRequest) -> Result<LockReply, TransportError> {
        match host.link.locking {
            Locking::None => Ok(LockReply::Needless),
            Locking::Usual | Locking::Dir(_) => self.of(host)?.lock(host, request).await,
        }
    }

    async fn recorded(&self, host: &Host, id: &AttemptId) {
        if let Ok(transport) = self.of(host) {
            transport.recorded(host, id).await;
        }
    }

    async fn recover(
        &self,
        host: &Host,
        id: &AttemptId,
        intended: Timestamp,
    ) -> Result<Recovered, TransportError> {
        self.of(host)?.recover(host, id, intended).await
    }
}
