//! All transports as one: each host is reached by the one its inventory names.

use std::rc::Rc;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::local::LocalTransport;
use super::ssh::SshTransport;
use super::{Reply, Request, Transport, TransportError};
use crate::inventory::{Connection, Host, HostName, Locking};

/// Does work with many hosts, with at most so many at a time; one that hangs keeps no other waiting. Returns
/// the results in the order of the work.
pub async fn at_a_time<T>(
    most: usize,
    work: impl IntoIterator<Item = impl Future<Output = T>>,
) -> Vec<T> {
    let room = Semaphore::new(most);
    let one = async |work| {
        let _turn = room.acquire().await;
        work.await
    };
    join_all(work.into_iter().map(one)).await
}

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
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        match request {
            Request::Lock(_) if host.link.locking == Locking::None => Ok(Reply::Done),
            _ => self.of(host)?.handle(host, request).await,
        }
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.ssh.shown_key(host)
    }

    fn expect_key(&self, host: &HostName, key: &str) {
        self.ssh.expect_key(host, key);
    }
}
