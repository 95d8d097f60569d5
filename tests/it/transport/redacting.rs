//! Secrets are removed from everything that a transport returns.

use async_trait::async_trait;
use jiff::Timestamp;
use planrun::inventory::{Connection, Host};
use planrun::secret::Redactor;
use planrun::transport::redacting::Redacting;
use planrun::transport::{AttemptId, Command, Exit, Output, Recovered, Transport, TransportError};

use super::{argv, host};

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

#[tokio::test]
async fn every_way_back_is_searched() {
    let redactor = Redactor::new([("token", "hunter2!")]);
    let mut output = Output::new(Exit::Code(0), "a hunter2! b hunt", "c hunter2!");
    // More came than was kept: the end may be the beginning of a secret.
    output.stdout_len += 100;
    let echo = Echo(Ok(output));
    let redacting = Redacting { transport: &echo, redactor: &redactor };
    let (host, id, command) =
        (host("web1", Connection::Local), AttemptId("a".into()), argv(&["true"]));
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
