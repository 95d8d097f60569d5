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
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
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
}

/// What the server made of an offer.
enum Made {
    Accepted,
    /// It continues with these methods; whether the offer was accepted as a part of what it demands.
    Next(MethodSet, bool),
    /// It was not offered, for a reason of this machine.
    Not(String),
}

impl Login<'_> {
    /// Offers all there is.
    pub(super) async fn run(mut self, offers: &Offers) -> Result<(), Refused> {
        let mut methods = match self
            .within(async |login| login.handle.authenticate_none(login.user).await.ok())
            .await?
        {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => remaining_methods,
        };
        if methods.is_empty() {
            return Err(Refused::Lost);
        }
        let (mut tried, mut faults) = (Vec::new(), offers.faults.clone());
        let (mut refused, mut partly) = (0, false);
        for (number, offer) in offers.all.iter().enumerate() {
            let is_wanted = self.is_wanted(&offer.kind, &methods);
            if !is_wanted {
                continue;
            }
            match self.offer(offer, offers, &methods).await? {
                Made::Accepted => return Ok(()),
                Made::Not(why) => faults.push(why),
                Made::Next(next, is_part) if is_part => {
                    let more = names(&next);
                    tried.push(format!(
                        "{} (accepted, but the host also requires {more})",
                        offer.name
                    ));
                    (methods, partly) = (next, true);
                }
                Made::Next(next, _) if next.is_empty() => {
                    // The server says why it ends a connection; a lost one says nothing.
                    if !self.notes.is_ended() || refused == 0 {
                        return Err(Refused::Lost);
                    }
                    let left = offers.all.len() - number - 1;
                    tried.push(format!("{} (the host ended the login before {left} more {} tried, as \
                        `MaxAuthTries` of its SSH server demands: set `ansible_ssh_private_key_file` to the \
                        right key)", offer.name, if left == 1 { "was" } else { "were" }));
                    return Err(Refused::No(tried.join("; ")));
                }
                Made::Next(next, _) => {
                    refused += 1;
                    tried.push(format!("{} (not accepted)", offer.name));
                    methods = next;
                }
            }
        }
        if methods.contains(&MethodKind::KeyboardInteractive)
            && self.settings.accepts("KbdInteractiveAuthentication")
        {
            match self.answer(None).await? {
                Made::Accepted => return Ok(()),
                Made::Not(_) => {}
                Made::Next(..) => {
                    tried.push("the answers at the terminal (not accepted)".to_owned());
                }
            }
        }
        if tried.is_empty() && !faults.is_empty() {
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

    fn is_wanted(&self, kind: &Kind, methods: &MethodSet) -> bool {
        match kind {
            Kind::Password(_) => {
                let accepts =
                    |option, kind| self.settings.accepts(option) && methods.contains(kind);
                accepts("PasswordAuthentication", &MethodKind::Password)
                    || accepts("KbdInteractiveAuthentication", &MethodKind::KeyboardInteractive)
            }
            _ => methods.contains(&MethodKind::PublicKey),
        }
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
                let (key, certificate) = (Arc::clone(key), (**certificate).clone());
                made(
                    self.within(async |login| {
                        login
                            .handle
                            .authenticate_openssh_cert(login.user, key, certificate)
                            .await
                            .ok()
                    })
                    .await?,
                )
            }
            Kind::Locked(text_of, file) => {
                let prompt = format!("Passphrase for {file}");
                let passphrase = match &self.settings.passphrase {
                    Some(from) => match self.passwords.get(from, &prompt).await {
                        Ok(passphrase) => Some(passphrase),
                        Err(why) => return Ok(Made::Not(why)),
                    },
                    None => self.passwords.ask(&prompt).await,
                };
                let Some(passphrase) = passphrase else {
                    return Ok(Made::Not(format!(
                        "{} is passphrase-protected and not in the agent: run `ssh-add {file}`",
                        offer.name
                    )));
                };
                match russh::keys::decode_secret_key(text_of, Some(text(&passphrase))) {
                    Ok(key) => {
                        let key = Arc::new(key);
                        let data = key.public_key().key_data();
                        if let Some(certificate) = offers.certificate(data) {
                            let kind = Kind::Certificate(Arc::clone(&key), certificate);
                            let certified = Offer { name: offer.name.clone(), kind };
                            let made = Box::pin(self.offer(&certified, offers, methods)).await?;
                            if !matches!(&made, Made::Next(next, false) if !next.is_empty()) {
                                return Ok(made);
                            }
                        }
                        self.key(key).await
                    }
                    Err(_) => Ok(Made::Not(format!("wrong passphrase for {file}"))),
                }
            }
            Kind::Agent(held) => self.agent((**held).clone()).await,
            Kind::Password(from) => {
                let accepts = self.settings.accepts("PasswordAuthentication");
                if accepts && methods.contains(&MethodKind::Password) {
                    let password = match self.password(from).await {
                        Ok(password) => password,
                        Err(why) => return Ok(Made::Not(why)),
                    };
                    return made(
                        self.within(async |login| {
                            let password = text(&password).to_owned();
                            login.handle.authenticate_password(login.user, password).await.ok()
                        })
                        .await?,
                    );
                }
                self.answer(Some(from)).await
            }
        }
    }

    async fn password(&self, from: &SecretFrom) -> Result<crate::secret::Secret, String> {
        self.passwords.get(from, &format!("Password for {}", self.whom)).await
    }

    async fn key(&mut self, key: Arc<PrivateKey>) -> Result<Made, Refused> {
        let hash = self.hash(&key.algorithm()).await;
        made(
            self.within(async |login| {
                let key = PrivateKeyWithHashAlg::new(key, hash);
                login.handle.authenticate_publickey(login.user, key).await.ok()
            })
            .await?,
        )
    }

    async fn agent(&mut self, held: AgentIdentity) -> Result<Made, Refused> {
        let Some(socket) = self.settings.agent.clone() else {
            return Ok(Made::Not("there is no agent".to_owned()));
        };
        let at = place(&socket);
        let Ok(mut agent) = AgentClient::connect_uds(&socket).await else {
            return Err(Refused::Here(format!("the connection to the agent at {at} was lost")));
        };
        let hash = self.hash(&held.public_key().algorithm()).await;
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
            Ok(result) => made(result),
            Err(_) if self.handle.is_closed() => Err(Refused::Lost),
            Err(error) => Err(Refused::Here(format!("the agent at {at} did not sign: {error}"))),
        }
    }

    /// Answers the questions of a server: the first secret one with the password, others at the terminal.
    async fn answer(&mut self, from: Option<&SecretFrom>) -> Result<Made, Refused> {
        let user = self.user;
        let mut from = from;
        let mut reply = self
            .within(async |login| {
                let start = login.handle.authenticate_keyboard_interactive_start(user, None);
                start.await.ok()
            })
            .await?;
        let mut is_answered = false;
        for _ in 0..MAX_ROUNDS {
            let prompts = match reply {
                KeyboardInteractiveAuthResponse::Success => return Ok(Made::Accepted),
                KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                    let next = Made::Next(remaining_methods, partial_success);
                    let none = "no question was asked".to_owned();
                    return Ok(if is_answered { next } else { Made::Not(none) });
                }
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
            };
            let mut answers = Vec::new();
            for prompt in &prompts {
                is_answered = true;
                let answer = if let Some(from) = from.take_if(|_| !prompt.echo) {
                    match self.password(from).await {
                        Ok(password) => Some(password),
                        Err(why) => return Ok(Made::Not(why)),
                    }
                } else {
                    let question = prompt.prompt.trim().trim_end_matches(':');
                    self.passwords.ask_again(&format!("{}: {question}", self.whom)).await
                };
                let Some(answer) = answer else {
                    return Ok(Made::Not(
                        "the host asks questions, and there is no terminal".into(),
                    ));
                };
                answers.push(text(&answer).to_owned());
            }
            reply = self
                .within(async |login| {
                    login.handle.authenticate_keyboard_interactive_respond(answers).await.ok()
                })
                .await?;
        }
        Err(Refused::No(format!("the host asked questions {MAX_ROUNDS} times")))
    }

    /// Returns how a key signs: SHA-1 only if the server knows nothing else.
    async fn hash(&self, algorithm: &Algorithm) -> Option<HashAlg> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return None;
        }
        self.handle.best_supported_rsa_hash().await.ok().flatten().flatten()
    }

    /// Waits for an answer of the server.
    async fn within<T>(
        &mut self,
        asked: impl AsyncFnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, Refused> {
        let patience = self.settings.patience.get().max(Duration::from_secs(1));
        timeout(patience, asked(self)).await.ok().flatten().ok_or(Refused::Lost)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "callers return a result")]
fn made(result: AuthResult) -> Result<Made, Refused> {
    Ok(match result {
        AuthResult::Success => Made::Accepted,
        AuthResult::Failure { remaining_methods, partial_success } => {
            Made::Next(remaining_methods, partial_success)
        }
    })
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
