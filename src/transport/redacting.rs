//! A transport that removes secrets from results.
//!
//! The output of a host is searched as a whole, before it is cut, read or shown: probes, results and
//! messages are made from text without secrets. Output that was cut at
//! [`MAX_OUTPUT`](super::MAX_OUTPUT) may end within a secret; that end is removed, too.

use std::borrow::Cow;

use async_trait::async_trait;

use crate::inventory::{Host, HostName};
use crate::secret::Redactor;
use crate::transport::{Output, Recovered, Reply, Request, Transport, TransportError};

pub struct Redacting<'a> {
    /// The transport that does the work.
    pub transport: &'a dyn Transport,
    pub redactor: &'a Redactor,
}

impl Redacting<'_> {
    fn clean(&self, output: &mut Output) {
        output.stdout_len = self.stream(&mut output.stdout, output.stdout_len);
        output.stderr_len = self.stream(&mut output.stderr, output.stderr_len);
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
    async fn handle(&self, host: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        // More may follow what was printed up to now.
        let is_part = matches!(request, Request::Printed(_));
        let mut result = self.transport.handle(host, request).await;
        if self.redactor.is_idle() {
            return result;
        }
        match &mut result {
            Ok(Reply::Ended(output, _)) if is_part => {
                output.stdout = self.redactor.bytes(&output.stdout, true).into_owned();
            }
            Ok(Reply::Ended(output, seen)) => {
                self.clean(output);
                if let Some(seen) = seen {
                    self.clean(seen);
                }
            }
            Ok(Reply::Recovered(Recovered::Ended(output))) => self.clean(output),
            Ok(Reply::Done | Reply::Lock(_) | Reply::Recovered(_)) => {}
            Err(error) => error.redact(self.redactor),
        }
        result
    }

    fn shown_key(&self, host: &HostName) -> Option<String> {
        self.transport.shown_key(host)
    }

    fn expect_key(&self, host: &HostName, key: &str) {
        self.transport.expect_key(host, key);
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
