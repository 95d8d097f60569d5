//! Which machines a run has for itself.

use std::collections::BTreeMap;

use super::RunPlanned;
use crate::inventory::{Connection, Locking};

/// The port of SSH if an inventory sets none.
const SSH_PORT: u16 = 22;

impl RunPlanned {
    /// Returns the machines that no other run may work on meanwhile: those of its hosts and of
    /// `locks`, each by what is the same for it in all inventories, with the name of its host. Model hosts are data of their
    /// run, and no other run can meet them; hosts without locks (`planrun_locks: none`) may be shared.
    pub fn locked_machines(&self) -> BTreeMap<String, String> {
        let names = self.hosts.iter().chain(&self.locks);
        names
            .filter_map(|name| {
                let link = &self.inventory.host(name)?.link;
                let machine = match link.connection {
                    _ if link.locking == Locking::None => return None,
                    Connection::Ssh | Connection::OpenSsh => {
                        let address = link.address.to_lowercase();
                        format!("ssh {address} {}", link.port.unwrap_or(SSH_PORT))
                    }
                    // All local hosts are one machine.
                    Connection::Local => match &link.locking {
                        Locking::Dir(dir) => format!("local {dir}"),
                        Locking::Usual | Locking::None => "local".to_owned(),
                    },
                    Connection::Model => return None,
                };
                Some((machine, name.to_string()))
            })
            .collect()
    }
}
