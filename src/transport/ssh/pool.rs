//! A connection that is made once for all who need it, and made again when it is lost.

use std::cell::{Cell, RefCell};

use tokio::sync::Mutex;

use super::client::Client;
use super::connect::Connected;
use super::failure::Failure;

/// A connection and the number of the try it came from.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) number: u64,
}

/// The connection to a host or a jump host.
#[derive(Default)]
pub(super) struct Kept {
    /// Locked while a connection is being made, so that one is made for all callers.
    connection: Mutex<Option<Connection>>,
    /// The key it showed first, as `known_hosts` has it.
    pub(super) pinned: RefCell<Option<String>>,
    /// How many connections were tried, and how the last try failed.
    tries: Cell<u64>,
    failure: RefCell<Option<Failure>>,
}

impl Kept {
    /// Returns the connection; makes one if there is none that works.
    pub(super) async fn get(
        &self,
        make: impl Future<Output = Result<Connected, Failure>>,
    ) -> Result<Connection, Failure> {
        let tries = self.tries.get();
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|kept| !kept.client.is_closed()) {
            return Ok(connection.clone());
        }
        // Another one tried while this one waited, and failed: it would fail again.
        if self.tries.get() != tries
            && let Some(failure) = &*self.failure.borrow()
        {
            return Err(failure.clone());
        }
        *kept = None;
        let number = self.tries.get() + 1;
        let connected = make.await;
        self.tries.set(number);
        self.failure.replace(connected.as_ref().err().cloned());
        let Connected { client, key } = connected?;
        self.pinned.replace(key.and_then(|key| key.to_openssh().ok()));
        let connection = Connection { client, number };
        *kept = Some(connection.clone());
        Ok(connection)
    }

    /// Drops a broken connection, unless a newer one has replaced it.
    pub(super) async fn forget(&self, number: u64) {
        let mut kept = self.connection.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.number == number) {
            *kept = None;
        }
    }
}
