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
use crate::transport::lock::{LockReply, LockRequest};
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

    async fn attempt_and_look(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
        probe: &Command,
    ) -> Result<(Output, Option<Output>), TransportError> {
        let result = self.transport.attempt_and_look(host, id, command, probe).await;
        self.clean(result, |(output, seen)| {
            (self.output(output), seen.map(|seen| self.output(seen)))
        })
    }

    async fn reach(&self, host: &Host) -> Result<(), TransportError> {
        self.clean(self.transport.reach(host).await, |reached| reached)
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.transport.shown_key(host)
    }

    fn expect_key(&self, host: &HostName, key: &str) {
        self.transport.expect_key(host, key);
    }

    async fn lock(&self, host: &Host, request: &LockRequest) -> Result<LockReply, TransportError> {
        self.clean(self.transport.lock(host, request).await, |reply| reply)
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
        | Self::Locked { why, .. }
        | Self::Impossible { why, .. }) = self;
        if let Cow::Owned(clean) = redactor.text(why) {
            *why = clean;
        }
    }
}
