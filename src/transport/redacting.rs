//! A transport that lets no secret come back.
//!
//! What a host prints is searched as a whole, before anybody cuts, reads or shows it: so a probe,
//! a result and a message are made of a text that holds no secret any more. What was cut at
//! [`MAX_OUTPUT`](super::MAX_OUTPUT) may end in the midst of one; that end goes, too.

use std::borrow::Cow;

use async_trait::async_trait;

use crate::inventory::Host;
use crate::secret::Redactor;
use crate::transport::AttemptId;
use crate::transport::Command;
use crate::transport::Output;
use crate::transport::Recovered;
use crate::transport::Transport;
use crate::transport::TransportError;

/// See the module.
pub struct Redacting<'a> {
    /// Who does the work.
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

    /// Cleans a stream of which so many bytes came in all; returns how many are to be told.
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

    async fn attempt(
        &self,
        host: &Host,
        id: &AttemptId,
        command: &Command,
    ) -> Result<Output, TransportError> {
        let result = self.transport.attempt(host, id, command).await;
        self.clean(result, |output| self.output(output))
    }

    async fn recover(&self, host: &Host, id: &AttemptId) -> Result<Recovered, TransportError> {
        let result = self.transport.recover(host, id).await;
        self.clean(result, |recovered| match recovered {
            Recovered::Ended(output) => Recovered::Ended(self.output(output)),
            other => other,
        })
    }
}

impl TransportError {
    /// Takes secrets out of its words.
    pub fn redact(&mut self, redactor: &Redactor) {
        let (Self::Unreachable { why, .. }
        | Self::HostKey { why, .. }
        | Self::Denied { why, .. }
        | Self::Cut { why, .. }
        | Self::Impossible { why, .. }) = self;
        if let Cow::Owned(clean) = redactor.text(why) {
            *why = clean;
        }
    }
}
