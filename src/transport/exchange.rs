//! Requests to a login, over SSH or on this machine: each becomes a request to a host session, and the
//! answer of the session its reply.

use std::time::Duration;

use indexmap::IndexMap;

use super::answer::{Answer, Closing, printed};
use super::lock::Fences;
use super::wire::{Wire, name_of};
use super::{AttemptId, Body, Command, Exit, Output, Reply, Request, TransportError};
use crate::duration;
use crate::inventory::Host;

/// How long a host may take to show that it runs commands, once it is connected.
const REACH_TIMEOUT: Duration = Duration::from_secs(30);

/// Prints what an attempt has printed up to now.
const PRINTED: &str = include_str!("host/printed.sh");

/// The last bytes of it that are read.
const PRINTED_BYTES: usize = 64 * 1024;

/// How long that may take: the next one comes soon.
const PRINTED_TIMEOUT: Duration = Duration::from_secs(10);

/// Whose sessions serve the requests.
pub(super) struct Login<'t> {
    /// The name of the user, if it is known.
    pub(super) user: Option<&'t str>,
    /// How long a command may take to end after TERM.
    pub(super) grace: Duration,
    pub(super) fences: &'t Fences,
}

impl Login<'_> {
    /// Handles a request; `serve` gives one to a session.
    pub(super) async fn handle(
        &self,
        host: &Host,
        request: Request<'_>,
        serve: impl AsyncFn(&Wire) -> Result<(Closing, Answer), TransportError>,
    ) -> Result<Reply, TransportError> {
        let name = &host.name;
        let run = async |command: &Command, attempt, probe| {
            let wire = self.wire(host, command, attempt, probe)?;
            let (closing, answer) = serve(&wire).await?;
            answer.conclude_both(name, command, &wire, &closing)
        };
        match request {
            Request::Look(command) => {
                run(command, None, None).await.map(|(output, _)| Reply::Ended(output, None))
            }
            Request::Attempt(id, command, probe) => {
                let ended = run(command, Some(id), probe).await;
                ended.map(|(output, seen)| Reply::Ended(output, seen))
            }
            Request::Printed(id) => {
                let (id, bytes) = (name_of(id), PRINTED_BYTES.to_string());
                let words = ["/bin/sh", "-c", PRINTED, "planrun", &id, &bytes];
                let command = own_command(&words, None, PRINTED_TIMEOUT);
                let (mut output, _) = run(&command, None, None).await?;
                output.stdout = printed(&output.stdout, PRINTED_BYTES);
                Ok(Reply::Ended(output, None))
            }
            Request::LogIn(user) => {
                let command = own_command(&["true"], user, REACH_TIMEOUT);
                let (output, _) = run(&command, None, None).await?;
                logged_in(host, &output).map(|()| Reply::Done)
            }
            Request::Lock(request) => {
                let (closing, answer) = serve(&Wire::lock(host, request)?).await?;
                let line = answer.about_lock(name, &closing)?;
                self.fences.learn(host, request, &line).map(Reply::Lock)
            }
            Request::Recover(id, intended) => {
                let (closing, answer) = serve(&Wire::ask(id)).await?;
                answer.recovered(name, intended, &closing).map(Reply::Recovered)
            }
            Request::Reach | Request::Recorded(_) => Ok(Reply::Done),
        }
    }

    fn wire(
        &self,
        host: &Host,
        command: &Command,
        attempt: Option<&AttemptId>,
        probe: Option<&Command>,
    ) -> Result<Wire, TransportError> {
        let fence = attempt.and_then(|_| self.fences.of(host));
        let wire = Wire::new(command, self.user, attempt, fence.as_ref(), self.grace);
        let mut wire = wire.map_err(|error| TransportError::Impossible {
            host: host.name.clone(),
            why: error.to_string(),
        })?;
        wire.method = host.link.become_method;
        wire.has_password = host.link.become_password.is_some();
        Ok(match probe {
            Some(probe) => wire.with_probe(probe, self.user, self.grace),
            None => wire,
        })
    }
}

/// Returns a command of planrun itself.
fn own_command(words: &[&str], user: Option<&str>, timeout: Duration) -> Command {
    Command {
        body: Body::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
        stdin: None,
        env: IndexMap::new(),
        secret_env: false,
        dir: None,
        r#become: user.map(str::to_owned),
        timeout,
        step: String::new(),
        host: None,
    }
}

fn logged_in(host: &Host, output: &Output) -> Result<(), TransportError> {
    let host = host.name.clone();
    match output.exit {
        Exit::Code(0) => Ok(()),
        Exit::TimedOut => {
            let why = format!("`true` took longer than {}", duration::show(REACH_TIMEOUT));
            Err(TransportError::Unreachable { host, why })
        }
        Exit::Code(_) | Exit::Signal(_) => {
            let why = "login succeeds, but `true` fails there".to_owned();
            Err(TransportError::Denied { host, why })
        }
    }
}
