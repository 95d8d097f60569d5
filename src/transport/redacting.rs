//! A transport that removes secrets from results.
//!
//! The output of a host is searched as a whole, before it is cut, read or shown: probes, results and
//! messages are made from text without secrets. Output that was cut at
//! [`MAX_OUTPUT`](super::MAX_OUTPUT) may end within a secret; that end is removed, too.

use std::borrow::Cow;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::inventory::{Host, HostName};
use crate::secret::Redactor;
use crate::transport::{AttemptId, Command, Output, Recovered, Transport, TransportError};

pub struct Redacting<'a> {
    /// The transport that does the work.
    pub transport: &'a dyn Transport,
    /// What is looked for.
    pub redactor: &'a Redactor,
}

impl Redacting<'_> {
    fn clean<T>(
        &self,
        result: Result<T, TransportError>,
        output: impl FnOnce(T) -> T,
    ) -> Result<T, TransportError> {
        if self.redactor.is_idle() {
            return result;
        }
        match result {
            Ok(value) => Ok(output(value)),
            Err(mut error) => {
                error.redact(self.redactor);
                Err(error)
            }
        }
    }

    fn output(&self, mut output: Output) -> Output {
        output.stdout_len = self.stream(&mut output.stdout, output.stdout_len);
        output.stderr_len = self.stream(&mut output.stderr, output.stderr_len);
        output
    }

    /// Removes secrets from a stream that had so many bytes in total; returns the length to report.
    fn stream(&self, bytes: &mut Vec<u8>, came: u64) -> u64 {
        let rest = came.saturating_sub(bytes.len() as u64);
        if let Cow::Owned(clean) = self.redactor.bytes(bytes, rest > 0) {
            *bytes = clean;
        }
        bytes.len() as u64 + rest
    }
}

#[async_trait(?Send)]
impl Transport for Redacting<'_> {
    async fn look(&self, host: &Host, command: &Command) -> Result<Output, TransportError> {
        let result = self.transport.look(host, command).await;
        self.clean(result, |output| self.output(output))
    }

    async fn log_in(&self, host: &Host, r#become: Option<&str>) -> Result<(), TransportError> {
        self.clean(self.transport.log_in(host, r#become).await, |()| ())
    }

    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        let result = self.transport.attempt(host, id, command).await;
        self.clean(result, |output| self.output(output))
    }

    async fn reach(&self, host: &Host) -> Result<(), TransportError> {
        self.clean(self.transport.reach(host).await, |reached| reached)
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.transport.shown_key(host)
    }

    fn hold_key(&self, host: &HostName, key: &str) {
        self.transport.hold_key(host, key);
    }

    async fn recorded(&self, host: &Host, id: &AttemptId) {
        self.transport.recorded(host, id).await;
    }

    async fn recover(
        &self,
        host: &Host,
        id: &AttemptId,
        intended: Timestamp,
    ) -> Result<Recovered, TransportError> {
        let result = self.transport.recover(host, id, intended).await;
        self.clean(result, |recovered| match recovered {
            Recovered::Ended(output) => Recovered::Ended(self.output(output)),
            other => other,
        })
    }
}

impl TransportError {
    /// Removes secrets from its text.
    pub fn redact(&mut self, redactor: &Redactor) {
        let (Self::Unreachable { why, .. }
        | Self::HostKey { why, .. }
        | Self::Denied { why, .. }
        | Self::Cut { why, .. }
        | Self::Controller { why, .. }
        | Self::Repeated { why, .. }
        | Self::Impossible { why, .. }) = self;
        if let Cow::Owned(clean) = redactor.text(why) {
            *why = clean;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indexmap::IndexMap;
    use jiff::Timestamp;

    use super::*;
    use crate::inventory::{Connection, HostName, Link};
    use crate::transport::{Body, Exit};

    /// Gives every command the same answer.
    struct Echo(Result<Output, TransportError>);

    #[async_trait(?Send)]
    impl Transport for Echo {
        async fn look(&self, _: &Host, _: &Command) -> Result<Output, TransportError> {
            self.0.clone()
        }

        async fn attempt(
            &self,
            host: &Host,
            _: &AttemptId,
            command: &Command,
        ) -> Result<Output, TransportError> {
            self.look(host, command).await
        }

        async fn recover(
            &self,
            _: &Host,
            _: &AttemptId,
            _: Timestamp,
        ) -> Result<Recovered, TransportError> {
            self.0.clone().map(Recovered::Ended)
        }
    }

    fn host() -> Host {
        Host {
            name: HostName::new("web1"),
            link: Link {
                connection: Connection::Local,
                address: "web1".into(),
                port: None,
                user: None,
                connect_timeout: None,
                identity_file: None,
                known_hosts: None,
                r#become: None,
                become_user: None,
                model: None,
                state: IndexMap::new(),
            },
            vars: IndexMap::new(),
            encrypted: indexmap::IndexMap::new(),
            groups: Vec::new(),
        }
    }

    fn command() -> Command {
        Command {
            body: Body::Argv(vec!["true".into()]),
            stdin: None,
            env: IndexMap::new(),
            dir: None,
            r#become: None,
            timeout: Duration::from_mins(1),
            step: "test/step".into(),
        }
    }

    #[tokio::test]
    async fn every_way_back_is_searched() {
        let redactor = Redactor::new([("token", "hunter2!")]);
        let mut output = Output::new(Exit::Code(0), "a hunter2! b hunt", "c hunter2!");
        // More came than was kept: the end may be the beginning of a secret.
        output.stdout_len += 100;
        let echo = Echo(Ok(output));
        let redacting = Redacting { transport: &echo, redactor: &redactor };
        let (host, id, command) = (host(), AttemptId("a".into()), command());
        let looked = redacting.look(&host, &command).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&looked.stdout), "a «secret token» b «secret token»");
        assert_eq!(looked.stdout_len, looked.stdout.len() as u64 + 100);
        assert_eq!(String::from_utf8_lossy(&looked.stderr), "c «secret token»");
        let tried = redacting.attempt(&host, &id, &command).await.unwrap();
        assert_eq!(tried, looked);
        let found = redacting.recover(&host, &id, Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(found, Recovered::Ended(looked));

        let echo = Echo(Err(TransportError::Cut {
            host: host.name.clone(),
            why: "in the midst of hunter2!".into(),
        }));
        let redacting = Redacting { transport: &echo, redactor: &redactor };
        let error = redacting.look(&host, &command).await.unwrap_err();
        assert!(error.to_string().ends_with("«secret token»"), "{error}");
    }
}
