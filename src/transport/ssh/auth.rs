//! What is offered to a host to be let in.
//!
//! The private key of the inventory where one is named, and nothing else; otherwise all keys of
//! the agent, then the usual files of the user that are there. Files are read away from the runtime's
//! thread. A key under a passphrase is not asked for: that is what an agent is for, and where one
//! runs, it is tried in place of the file.
//!
//! Not here: passwords, one-time codes, certificates, keys on tokens but through the agent.

use std::path::Path;

use async_ssh2_tokio::AuthMethod;
use russh::keys::Error as KeyError;

use super::SshOptions;
use super::files;
use crate::inventory::Link;

/// The files tried where the inventory names none, in order; OpenSSH's own, less the kinds that
/// need hardware.
const USUAL: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// One thing to offer.
pub(super) struct Offer {
    /// What it is, for a message.
    pub(super) name: String,
    /// The library's form of it. Its `Debug` shows the key: it is never printed.
    pub(super) method: AuthMethod,
}

/// What can be offered, and what could have been but for a fault.
#[derive(Default)]
pub(super) struct Offers {
    pub(super) offers: Vec<Offer>,
    pub(super) faults: Vec<String>,
}

/// Gathers what can be offered to a host.
pub(super) async fn offers(link: &Link, options: &SshOptions) -> Offers {
    let mut found = Offers::default();
    if let Some(file) = &link.identity_file {
        found.add_file(file, options.agent).await;
        return found;
    }
    if options.agent {
        found.add_agent();
    }
    for name in USUAL {
        let Some(home) = &options.home else { break };
        let path = home.join(".ssh").join(name);
        if path.is_file() {
            // The agent has been tried already.
            found.add_file(&path.to_string_lossy(), false).await;
        }
    }
    found
}

impl Offers {
    fn add_agent(&mut self) {
        self.offers.push(Offer {
            name: "the keys of the agent".to_owned(),
            method: AuthMethod::with_agent(),
        });
    }

    async fn add_file(&mut self, file: &str, agent: bool) {
        let text = match files::read(Path::new(file)).await {
            Ok(text) => text,
            Err(error) => {
                self.faults.push(format!("the key {file} cannot be read: {error}"));
                return;
            }
        };
        match russh::keys::decode_secret_key(&text, None) {
            Ok(_) => self.offers.push(Offer {
                name: format!("the key {file}"),
                method: AuthMethod::with_key(&text, None),
            }),
            Err(KeyError::KeyIsEncrypted) if agent => self.add_agent(),
            Err(KeyError::KeyIsEncrypted) => self.faults.push(format!(
                "the key {file} is under a passphrase: give it to an agent (`ssh-add {file}`)"
            )),
            Err(error) => self.faults.push(format!("the key {file} is not usable: {error}")),
        }
    }
}
