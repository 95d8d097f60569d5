//! The keys that are offered to a host for a login.
//!
//! The private key of the inventory if one is named, and nothing else; otherwise all keys of the
//! agent, then the usual files of the user that exist. A passphrase is not asked for: that is what
//! an agent is for. A named key with a passphrase is taken from the agent, if the agent has it.
//!
//! A key that cannot be read, or an agent that does not answer, is a problem on this machine: it
//! says nothing about the host.
//!
//! Not here: passwords, one-time codes, keys on tokens other than through the agent, certificates
//! (`async-ssh2-tokio` has no way to offer one). A certificate that OpenSSH would offer is named
//! when a login is refused.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use async_ssh2_tokio::AuthMethod;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Error as KeyError, PrivateKey, PublicKey};
use tokio::time::timeout;

use super::{SshOptions, files};
use crate::inventory::Link;

/// The files tried if the inventory names none, in order; OpenSSH's own, less the kinds that need
/// hardware.
const USUAL: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// How long the agent may take to list its keys.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// One thing to offer.
pub(super) struct Offer {
    /// What it is, for a message.
    pub(super) name: String,
    /// The library's form of it. Its `Debug` shows the key: it is never printed.
    pub(super) method: AuthMethod,
    /// How many keys it includes.
    pub(super) keys: usize,
    /// The certificate that OpenSSH would offer as well, if there is one.
    pub(super) certificate: Option<String>,
}

/// What can be offered, and what could have been without a problem on this machine.
#[derive(Default)]
pub(super) struct Offers {
    pub(super) all: Vec<Offer>,
    pub(super) faults: Vec<String>,
    /// Whether the agent could not be asked: it may have the right key.
    pub(super) is_agent_away: bool,
}

/// What is known of the agent's keys.
struct Agent {
    keys: Result<Vec<AgentIdentity>, String>,
    /// Whether all of them are offered in any case.
    is_offered: bool,
}

/// Gathers what can be offered to a host.
pub(super) async fn offers(link: &Link, options: &SshOptions) -> Offers {
    let mut found = Offers::default();
    let keys = if options.agent { agent_keys().await } else { Ok(Vec::new()) };
    let mut agent = Agent { keys, is_offered: false };
    if let Some(file) = &link.identity_file {
        match files::read(Path::new(file)).await {
            Ok(text) => found.add_file(file, &text, &agent).await,
            Err(error) => found.faults.push(format!("cannot read the key {file}: {error}")),
        }
        return found;
    }
    agent.is_offered = true;
    match &agent.keys {
        Ok(keys) if keys.is_empty() => {}
        Ok(keys) => found.add_agent(keys),
        Err(why) => {
            found.faults.push(why.clone());
            found.is_agent_away = true;
        }
    }
    for name in USUAL {
        let Some(home) = &options.home else { break };
        let path = home.join(".ssh").join(name);
        let file = path.to_string_lossy();
        match files::read(&path).await {
            Ok(text) => found.add_file(&file, &text, &agent).await,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => found.faults.push(format!("cannot read the key {file}: {error}")),
        }
    }
    found
}

/// Lists the keys of the agent; an error is a sentence.
async fn agent_keys() -> Result<Vec<AgentIdentity>, String> {
    let asked = async {
        let mut agent = AgentClient::connect_env().await?;
        agent.request_identities().await
    };
    match timeout(AGENT_PATIENCE, asked).await {
        Ok(Ok(keys)) => Ok(keys),
        Ok(Err(error)) => Err(format!("cannot use the agent at SSH_AUTH_SOCK: {error}")),
        Err(_) => Err("the agent at SSH_AUTH_SOCK does not answer".to_owned()),
    }
}

impl Offers {
    fn add_agent(&mut self, keys: &[AgentIdentity]) {
        let is_certificate = |key: &AgentIdentity| matches!(key, AgentIdentity::Certificate { .. });
        self.all.push(Offer {
            name: "the keys of the agent".to_owned(),
            method: AuthMethod::with_agent(),
            keys: keys.len(),
            certificate: keys.iter().any(is_certificate).then(|| "one is in the agent".to_owned()),
        });
    }

    async fn add_file(&mut self, file: &str, text: &str, agent: &Agent) {
        match russh::keys::decode_secret_key(text, None) {
            Ok(_) => {
                let method = AuthMethod::with_key(text, None);
                self.add_key(file, format!("the key {file}"), method).await;
            }
            Err(KeyError::KeyIsEncrypted) => self.add_locked(file, text, agent).await,
            Err(error) => self.faults.push(format!("cannot use the key {file}: {error}")),
        }
    }

    /// Adds a key with a passphrase, through the agent.
    async fn add_locked(&mut self, file: &str, text: &str, agent: &Agent) {
        let public = format!("{file}.pub");
        let listed = files::read(Path::new(&public)).await.ok();
        let listed = listed.and_then(|text| PublicKey::from_openssh(&text).ok());
        let own = PrivateKey::from_openssh(text).ok().map(|key| key.public_key().clone());
        let is = |key: &PublicKey, other: &PublicKey| key.key_data() == other.key_data();
        let held = |key: &PublicKey| {
            let keys = agent.keys.as_deref().unwrap_or_default();
            keys.iter().any(|held| is(&held.public_key(), key))
        };
        let key = own.as_ref().or(listed.as_ref());
        match &agent.keys {
            Err(why) => {
                self.faults.push(format!("the key {file} is passphrase-protected, and {why}"));
            }
            Ok(_) if !key.is_some_and(held) => self.faults.push(format!(
                "the key {file} is passphrase-protected and not in the agent: run `ssh-add {file}`"
            )),
            Ok(_) if agent.is_offered => {}
            // The library finds a single key of the agent only by a file with its public half.
            Ok(_) if key.zip(listed.as_ref()).is_some_and(|(key, listed)| is(key, listed)) => {
                let method = AuthMethod::with_public_key_file(&public);
                self.add_key(file, format!("the key {file} of the agent"), method).await;
            }
            Ok(keys) => self.add_agent(keys),
        }
    }

    async fn add_key(&mut self, file: &str, name: String, method: AuthMethod) {
        let certificate = format!("{file}-cert.pub");
        let exists = files::is_readable(Path::new(&certificate)).await;
        let certificate = exists.then(|| format!("{certificate} exists"));
        self.all.push(Offer { name, method, keys: 1, certificate });
    }
}
