//! What is offered to a host for a login.
//!
//! The private key of the inventory if one is named, and nothing else. Otherwise the keys of the
//! configuration, each from the agent if that has it, then, unless `IdentitiesOnly` is set, the other keys
//! of the agent. If no key is named, all keys of the agent, then the usual files of the user that exist.
//! A certificate goes before its key. A password comes last, if the inventory says where it is.
//!
//! A key with a passphrase is taken from the agent; if the agent does not have it, the passphrase is
//! asked for at the terminal when it is the key's turn.
//!
//! A key that cannot be read, or an agent that does not answer, is a problem on this machine: it
//! says nothing about the host.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, Error as KeyError, PrivateKey, PublicKey};
use tokio::time::timeout;

use super::settings::Settings;
use super::{SshOptions, files};
use crate::inventory::SecretFrom;

/// The files tried if no key is named, in order; OpenSSH's own, less the kinds that need hardware.
const USUAL: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// How long the agent may take to list its keys.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// One thing to offer.
pub(super) struct Offer {
    /// What it is, for a message.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What an offer consists of. It may contain a key: it is never printed.
#[derive(Clone)]
pub(super) enum Kind {
    /// A private key, and the text of its file.
    Key(Arc<PrivateKey>, String),
    /// The text of a key file with a passphrase, and its name.
    Locked(String, String),
    Certificate(Arc<PrivateKey>, Box<Certificate>),
    /// A key or a certificate of the agent.
    Agent(Box<AgentIdentity>),
    Password(SecretFrom),
}

/// What can be offered, and what could have been without a problem on this machine.
#[derive(Default)]
pub(super) struct Offers {
    pub(super) all: Vec<Offer>,
    pub(super) faults: Vec<String>,
    /// Whether the agent could not be asked: it may have the right key.
    pub(super) is_agent_away: bool,
    held: Vec<AgentIdentity>,
    certificates: Vec<Certificate>,
}

/// Gathers what can be offered to a host.
pub(super) async fn offers(settings: &Settings, options: &SshOptions) -> Offers {
    let mut found = Offers::default();
    if settings.accepts("PubkeyAuthentication") {
        found.add_keys(settings, options).await;
    }
    if let Some(from) = &settings.password {
        let name = "the password".to_owned();
        found.all.push(Offer { name, kind: Kind::Password(from.clone()) });
    }
    found
}

/// Lists the keys of the agent; an error is a sentence.
async fn agent_keys(socket: &Path) -> Result<Vec<AgentIdentity>, String> {
    let asked = async {
        let mut agent = AgentClient::connect_uds(socket).await?;
        agent.request_identities().await
    };
    let at = place(socket);
    match timeout(AGENT_PATIENCE, asked).await {
        Ok(Ok(keys)) => Ok(keys),
        Ok(Err(error)) => Err(format!("cannot use the agent at {at}: {error}")),
        Err(_) => Err(format!("the agent at {at} does not answer")),
    }
}

/// Returns how an agent is named in a message.
pub(super) fn place(socket: &Path) -> String {
    let is_usual = std::env::var_os("SSH_AUTH_SOCK").is_some_and(|usual| usual == socket);
    if is_usual { "SSH_AUTH_SOCK".to_owned() } else { socket.display().to_string() }
}

impl Offers {
    async fn add_keys(&mut self, settings: &Settings, options: &SshOptions) {
        let mut away = None;
        if let Some(socket) = &settings.agent {
            match agent_keys(socket).await {
                Ok(keys) => self.held = keys,
                Err(why) => away = Some(why),
            }
        }
        for file in &settings.certificates {
            match files::read(Path::new(file)).await.map(|text| Certificate::from_openssh(&text)) {
                Ok(Ok(certificate)) => self.certificates.push(certificate),
                Ok(Err(error)) => self.faults.push(format!("cannot use {file}: {error}")),
                Err(error) => self.faults.push(format!("cannot read {file}: {error}")),
            }
        }
        self.is_agent_away = away.is_some() && !settings.is_exclusive;
        for file in settings.keys.iter().flatten() {
            self.add_file(file, settings.is_exclusive, away.as_deref()).await;
        }
        if !settings.is_exclusive {
            self.add_rest_of_agent();
        }
        if let (None, Some(home)) = (&settings.keys, &options.home) {
            for name in USUAL {
                let file = home.join(".ssh").join(name).display().to_string();
                self.add_file(&file, false, away.as_deref()).await;
            }
        }
        if let Some(why) = away.filter(|_| !settings.is_exclusive) {
            self.faults.push(why);
        }
    }

    async fn add_file(&mut self, file: &str, must_exist: bool, away: Option<&str>) {
        let public = async |file: String| {
            let text = files::read(Path::new(&file)).await.ok()?;
            PublicKey::from_openssh(&text).ok()
        };
        let mut listed = public(format!("{file}.pub")).await;
        let certificate = files::read(Path::new(&format!("{file}-cert.pub"))).await.ok();
        self.certificates
            .extend(certificate.and_then(|text| Certificate::from_openssh(&text).ok()));
        let text = match files::read_secret(Path::new(file), "PRIVATE KEY").await {
            // A public key names a key of the agent.
            Ok(text) if PublicKey::from_openssh(&text).is_ok() => {
                listed = PublicKey::from_openssh(&text).ok();
                None
            }
            Ok(text) => Some(text),
            Err(error) => {
                let is_missing = error.kind() == ErrorKind::NotFound;
                if !is_missing || must_exist && listed.is_none() {
                    self.faults.push(format!("cannot read the key {file}: {error}"));
                }
                None
            }
        };
        let own = text.as_ref().and_then(|text| PrivateKey::from_openssh(text).ok());
        let key = own.map(|key| key.public_key().clone()).or(listed);
        if let Some(key) = key
            && self.holds(key.key_data())
        {
            self.add_of_agent(&key, &format!("the key {file} of the agent"));
            return;
        }
        match text.map(|text| (russh::keys::decode_secret_key(&text, None), text)) {
            Some((Ok(key), text)) => {
                let key = Arc::new(key);
                let certificate = self.certificate(key.public_key().key_data());
                if matches!(key.algorithm(), Algorithm::Rsa { .. }) && certificate.is_some() {
                    // The library names an algorithm that servers refuse: SHA-1.
                    let why = format!(
                        "the certificate of {file} is for an RSA key, which planrun \
                        cannot offer: make one for an ed25519 key"
                    );
                    self.faults.push(why);
                } else if let Some(certificate) = certificate {
                    let kind = Kind::Certificate(Arc::clone(&key), certificate);
                    self.all.push(Offer { name: format!("the certificate of {file}"), kind });
                }
                let kind = Kind::Key(key, text);
                self.all.push(Offer { name: format!("the key {file}"), kind });
            }
            Some((Err(KeyError::KeyIsEncrypted), text)) => {
                let kind = Kind::Locked(text, file.to_owned());
                let mut name = format!("the key {file}");
                if let Some(why) = away {
                    name = format!("{name} ({why})");
                }
                self.all.push(Offer { name, kind });
            }
            Some((Err(error), _)) => {
                // Some keys that OpenSSH reads are unknown to the library.
                self.faults.push(format!(
                    "cannot use the key {file}: {error}; if `ssh` can, put it into an agent with `ssh-add`"
                ));
            }
            None if must_exist && self.faults.is_empty() => {
                self.faults.push(match away {
                    Some(why) => format!("the key {file} is only in an agent, and {why}"),
                    None => format!("the agent does not have the key {file}: run `ssh-add`"),
                });
            }
            None => {}
        }
    }

    fn holds(&self, key: &KeyData) -> bool {
        self.held.iter().any(|held| held.public_key().key_data() == key)
    }

    /// Returns the certificate for a key.
    pub(super) fn certificate(&self, key: &KeyData) -> Option<Box<Certificate>> {
        self.certificates.iter().find(|one| one.public_key() == key).cloned().map(Box::new)
    }

    /// Adds a key of the agent, with its certificates before it, once.
    fn add_of_agent(&mut self, key: &PublicKey, name: &str) {
        let is_known = |offer: &Offer| matches!(&offer.kind, Kind::Agent(held) if held.public_key().key_data() == key.key_data());
        if self.all.iter().any(is_known) {
            return;
        }
        let held = self.held.iter().filter(|held| held.public_key().key_data() == key.key_data());
        let mut held: Vec<AgentIdentity> = held.cloned().collect();
        let is_certificate =
            |held: &AgentIdentity| matches!(held, AgentIdentity::Certificate { .. });
        held.sort_by_key(|held| !is_certificate(held));
        if !held.iter().any(is_certificate) && self.certificate(key.key_data()).is_some() {
            let why = format!("the agent does not have the certificate of {name}: run `ssh-add`");
            self.faults.push(why);
        }
        self.all.extend(held.into_iter().map(|held| {
            let what = if is_certificate(&held) { "the certificate of " } else { "" };
            Offer { name: format!("{what}{name}"), kind: Kind::Agent(Box::new(held)) }
        }));
    }

    /// Adds all keys of the agent.
    fn add_rest_of_agent(&mut self) {
        for held in self.held.clone() {
            let key = held.public_key().into_owned();
            let comment = held.comment();
            let what =
                if comment.is_empty() { key.algorithm().to_string() } else { comment.to_owned() };
            self.add_of_agent(&key, &format!("the key {what} of the agent"));
        }
    }
}
