//! Logs in on a connection: offers one thing after the other, on one connection, as the server asks for it.
//!
//! The server is asked first what it accepts. What it does not accept is not offered, and what it accepts
//! in part (a key, and then a code) is continued. A refusal names what was offered, what the server
//! accepts, and what to do.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use tokio::time::timeout;

use super::auth::{Kind, Offer, Offers, place};
use super::client::{Notes, Verifier};
use super::settings::Settings;
use crate::inventory::SecretFrom;
use crate::transport::passwords::{Passwords, text};

/// How many rounds of questions a server may ask.
const MAX_ROUNDS: usize = 8;

/// Why a login failed.
pub(super) enum Refused {
    /// The connection was lost: nothing is decided.
    Lost,
    /// A problem on this machine.
    Here(String),
    /// One of the offers cannot be made, because of a problem on this machine.
    NotOffered(String),
    /// Nothing that was offered is accepted.
    No(String),
}

/// A login that is being made.
pub(super) struct Login<'a> {
    pub(super) handle: &'a mut Handle<Verifier>,
    pub(super) notes: &'a Notes,
    pub(super) user: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) passwords: &'a Passwords,
    /// `USER@HOST`, for questions.
    pub(super) whom: String,
    /// Whether the operator was asked more than the password.
    pub(super) is_asked: bool,
}

/// What the server made of an offer.
enum Made {
    Accepted,
    /// It continues with these methods; whether the offer was accepted as a part of what it demands.
    Next(MethodSet, bool),
}

impl Login<'_> {
    /// Offers all there is.
    pub(super) async fn run(mut self, offers: &Offers) -> Result<(), Refused> {
        let none = self.within(async |login| login.handle.authenticate_none(login.user).await);
        let mut methods = match none.await?.into() {
            Made::Accepted => return Ok(()),
            Made::Next(methods, _) => methods,
        };
        if methods.is_empty() {
            return Err(Refused::Lost);
        }
        let (mut tried, mut faults) = (Vec::new(), offers.faults.clone());
        let (mut refused, mut partly) = (0, false);
        for (number, offer) in offers.all.iter().enumerate() {
            let name = &offer.name;
            let kinds = match &offer.kind {
                Kind::Password(_) => &[MethodKind::Password, MethodKind::KeyboardInteractive][..],
                _ => &[MethodKind::PublicKey],
            };
            if !kinds.iter().any(|&kind| self.accepts(kind, &methods)) {
                continue;
            }
            match self.offer(offer, offers, &methods).await {
                Ok(Made::Accepted) => return Ok(()),
                Err(Refused::NotOffered(why)) => faults.push(why),
                Err(refused) => return Err(refused),
                Ok(Made::Next(next, true)) => {
                    let more = names(&next);
                    tried.push(format!("{name} (accepted, but the host also requires {more})"));
                    (methods, partly) = (next, true);
                }
                Ok(Made::Next(next, _)) if next.is_empty() => {
                    // The server says why it ends a connection; a lost one says nothing.
                    if !self.notes.is_ended() || refused == 0 {
                        return Err(Refused::Lost);
                    }
                    let left = offers.all.len() - number - 1;
                    tried.push(format!("{name} (the host ended the login before {left} more {} tried, as \
                        `MaxAuthTries` of its SSH server demands: set `ansible_ssh_private_key_file` to the \
                        right key)", if left == 1 { "was" } else { "were" }));
                    return Err(Refused::No(tried.join("; ")));
                }
                Ok(Made::Next(next, _)) => {
                    refused += 1;
                    tried.push(format!("{name} (not accepted)"));
                    methods = next;
                }
            }
        }
        match self.ask(&methods, tried.is_empty()).await {
            Ok(Made::Accepted) => return Ok(()),
            Ok(Made::Next(..)) => {
                tried.push("the answers at the terminal (not accepted)".to_owned());
            }
            Err(Refused::NotOffered(_)) => {}
            Err(refused) => return Err(refused),
        }
        if tried.is_empty() && !faults.is_empty() {
            if !methods.contains(&MethodKind::PublicKey) {
                faults.push(without_keys(offers, &methods));
            }
            return Err(Refused::Here(faults.join("; ")));
        }
        if !partly && !methods.contains(&MethodKind::PublicKey) {
            tried.push(without_keys(offers, &methods));
        } else if tried.is_empty() {
            tried.push(format!("nothing was offered; the host accepts {}", names(&methods)));
        }
        tried.extend(faults);
        Err(Refused::No(tried.join("; ")))
    }

    /// Lets the operator answer, once. A password is asked for if no key was refused.
    async fn ask(&mut self, methods: &MethodSet, is_first: bool) -> Result<Made, Refused> {
        if self.accepts(MethodKind::KeyboardInteractive, methods) {
            let made = self.answer(None).await;
            if !matches!(made, Err(Refused::NotOffered(_))) {
                return made;
            }
        }
        let is_keyless = is_first || !methods.contains(&MethodKind::PublicKey);
        let is_asked = is_keyless && self.settings.password.is_none();
        if is_asked && self.accepts(MethodKind::Password, methods) {
            return self.password(&SecretFrom::Ask, methods).await;
        }
        Err(Refused::NotOffered(String::new()))
    }

    /// Whether a method can be used.
    fn accepts(&self, kind: MethodKind, methods: &MethodSet) -> bool {
        let option = match kind {
            MethodKind::PublicKey => "PubkeyAuthentication",
            MethodKind::Password => "PasswordAuthentication",
            _ => "KbdInteractiveAuthentication",
        };
        methods.contains(&kind) && self.settings.accepts(option)
    }

    async fn offer(
        &mut self,
        offer: &Offer,
        offers: &Offers,
        methods: &MethodSet,
    ) -> Result<Made, Refused> {
        match &offer.kind {
            Kind::Key(key, _) => self.key(Arc::clone(key)).await,
            Kind::Certificate(key, certificate) => {
                self.certificate(Arc::clone(key), (**certificate).clone()).await
            }
            Kind::Locked(text_of, file) => {
                let prompt = format!("Passphrase for {file}");
                let passphrase = match &self.settings.passphrase {
                    Some(from) => Some(self.passwords.get(from, &prompt).await),
                    None => self.passwords.ask(&prompt).await.map(Ok),
                };
                let missing = || {
                    let name = &offer.name;
                    Err(format!(
                        "{name} is passphrase-protected and not in the agent: run `ssh-add {file}`"
                    ))
                };
                let passphrase = passphrase.unwrap_or_else(missing).map_err(Refused::NotOffered)?;
                let key = russh::keys::decode_secret_key(text_of, Some(text(&passphrase)));
                let wrong = |_| Refused::NotOffered(format!("wrong passphrase for {file}"));
                let key = Arc::new(key.map_err(wrong)?);
                if let Some(certificate) = offers.certificate(key.public_key().key_data()) {
                    let made = self.certificate(Arc::clone(&key), *certificate).await?;
                    if !matches!(&made, Made::Next(next, false) if !next.is_empty()) {
                        return Ok(made);
                    }
                }
                self.key(key).await
            }
            Kind::Agent(held) => self.agent((**held).clone()).await,
            Kind::Password(from) => self.password(from, methods).await,
        }
    }

    /// Sends a password, or answers the questions of the server with it.
    async fn password(&mut self, from: &SecretFrom, methods: &MethodSet) -> Result<Made, Refused> {
        let (passwords, prompt, user) = (self.passwords, self.prompt(), self.user);
        let tried = async {
            let made = match passwords.get(from, &prompt).await {
                Err(why) => Err(Refused::NotOffered(why)),
                Ok(password) if self.accepts(MethodKind::Password, methods) => {
                    let password = text(&password).to_owned();
                    let sent = self.within(async |login| {
                        login.handle.authenticate_password(user, password).await
                    });
                    sent.await.map(Made::from)
                }
                Ok(_) => self.answer(Some(from)).await,
            };
            let is_good = match &made {
                Ok(Made::Accepted | Made::Next(_, true)) => Some(true),
                Ok(Made::Next(..)) if !self.is_asked => Some(false),
                _ => None,
            };
            (made, is_good)
        };
        passwords.once(from, user, &prompt, tried).await.map_err(Refused::No)?
    }

    fn prompt(&self) -> String {
        format!("Password for {}", self.whom)
    }

    async fn key(&mut self, key: Arc<PrivateKey>) -> Result<Made, Refused> {
        let hash = self.hash(&key.algorithm(), false).await?;
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let sent =
            self.within(async |login| login.handle.authenticate_publickey(login.user, key).await);
        sent.await.map(Made::from)
    }

    async fn certificate(
        &mut self,
        key: Arc<PrivateKey>,
        certificate: Certificate,
    ) -> Result<Made, Refused> {
        self.hash(&key.algorithm(), true).await?;
        let sent = self.within(async |login| {
            login.handle.authenticate_openssh_cert(login.user, key, certificate).await
        });
        sent.await.map(Made::from)
    }

    async fn agent(&mut self, held: AgentIdentity) -> Result<Made, Refused> {
        let Some(socket) = self.settings.agent.clone() else {
            return Err(Refused::NotOffered("there is no agent".to_owned()));
        };
        let is_certificate = matches!(held, AgentIdentity::Certificate { .. });
        let hash = self.hash(&held.public_key().algorithm(), is_certificate).await?;
        let at = place(&socket);
        let Ok(mut agent) = AgentClient::connect_uds(&socket).await else {
            return Err(Refused::Here(format!("the connection to the agent at {at} was lost")));
        };
        // Keys on tokens wait for a finger: the server sets the limit of time.
        let (handle, user) = (&mut *self.handle, self.user);
        let signed = match held {
            AgentIdentity::PublicKey { key, .. } => {
                handle.authenticate_publickey_with(user, key, hash, &mut agent).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                handle.authenticate_certificate_with(user, certificate, hash, &mut agent).await
            }
        };
        match signed {
            Ok(result) => Ok(result.into()),
            Err(_) if self.handle.is_closed() => Err(Refused::Lost),
            Err(error) => Err(Refused::Here(format!("the agent at {at} did not sign: {error}"))),
        }
    }

    /// Answers the questions of a server: the first secret one with the password, others at the terminal.
    async fn answer(&mut self, from: Option<&SecretFrom>) -> Result<Made, Refused> {
        let not = |why: &str| Refused::NotOffered(why.to_owned());
        let (user, mut from) = (self.user, from);
        let started = self.within(async |login| {
            login.handle.authenticate_keyboard_interactive_start(user, None).await
        });
        let mut reply = started.await?;
        let mut is_answered = false;
        for _ in 0..MAX_ROUNDS {
            let prompts = match reply {
                KeyboardInteractiveAuthResponse::Success => return Ok(Made::Accepted),
                KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                    let next = Made::Next(remaining_methods, partial_success);
                    return is_answered.then_some(next).ok_or(not("no question was asked"));
                }
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
            };
            let mut answers = Vec::new();
            for prompt in &prompts {
                is_answered = true;
                let answer = if let Some(from) = from.take_if(|_| !prompt.echo) {
                    let password = self.passwords.get(from, &self.prompt()).await;
                    Some(password.map_err(Refused::NotOffered)?)
                } else {
                    self.is_asked = true;
                    let question = prompt.prompt.trim().trim_end_matches(':');
                    self.passwords.ask_again(&format!("{}: {question}", self.whom)).await
                };
                let answer =
                    answer.ok_or(not("the host asks questions, and there is no terminal"))?;
                answers.push(text(&answer).to_owned());
            }
            let responded = self.within(async |login| {
                login.handle.authenticate_keyboard_interactive_respond(answers).await
            });
            reply = responded.await?;
        }
        Err(Refused::No(format!("the host asked questions {MAX_ROUNDS} times")))
    }

    /// Returns how a key signs: SHA-1 only if the server knows nothing else. A key that the configuration
    /// excludes is not offered.
    async fn hash(
        &self,
        key: &Algorithm,
        is_certificate: bool,
    ) -> Result<Option<HashAlg>, Refused> {
        let is_rsa = matches!(key, Algorithm::Rsa { .. });
        let mut best = None;
        if is_rsa {
            best = self.handle.best_supported_rsa_hash().await.ok().flatten().flatten();
        }
        let config = &self.settings.config;
        let list = config.one("PubkeyAcceptedAlgorithms");
        let is_accepted = |&hash: &Option<HashAlg>| {
            let kind = if is_rsa { Algorithm::Rsa { hash } } else { key.clone() };
            let name = if is_certificate { kind.to_certificate_type() } else { kind.to_string() };
            list.is_none_or(|list| list.split(',').any(|accepted| accepted == name))
        };
        let hashes = [Some(HashAlg::Sha512), Some(HashAlg::Sha256), None];
        let from = hashes.iter().position(|hash| *hash == best).unwrap_or_default();
        hashes[from..].iter().copied().find(is_accepted).ok_or_else(|| {
            let why = format!("`PubkeyAcceptedAlgorithms` excludes {key} keys{}", config.origin());
            Refused::NotOffered(why)
        })
    }

    /// Waits for an answer of the server.
    async fn within<T>(
        &mut self,
        asked: impl AsyncFnOnce(&mut Self) -> Result<T, russh::Error>,
    ) -> Result<T, Refused> {
        let patience = self.settings.patience.get().max(Duration::from_secs(1));
        let answered = timeout(patience, asked(self)).await;
        answered.ok().and_then(Result::ok).ok_or(Refused::Lost)
    }
}

impl From<AuthResult> for Made {
    fn from(result: AuthResult) -> Self {
        match result {
            AuthResult::Success => Self::Accepted,
            AuthResult::Failure { remaining_methods, partial_success } => {
                Self::Next(remaining_methods, partial_success)
            }
        }
    }
}

/// Says what a host accepts that accepts no keys.
fn without_keys(offers: &Offers, methods: &MethodSet) -> String {
    let keys = offers.all.iter().filter(|offer| !matches!(offer.kind, Kind::Password(_)));
    let keys: Vec<&str> = keys.map(|offer| offer.name.as_str()).collect();
    let accepted = names(methods);
    match keys.as_slice() {
        [] => format!("the host accepts only {accepted}"),
        _ => format!("{} (the host accepts no keys, only {accepted})", keys.join(", ")),
    }
}

/// Returns methods as a part of a sentence.
fn names(methods: &MethodSet) -> String {
    let names: Vec<&str> = methods.iter().map(<&str>::from).collect();
    names.join(", ")
}
