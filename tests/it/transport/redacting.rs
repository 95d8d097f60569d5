//! Secrets are removed from everything that a transport returns.

use async_trait::async_trait;
use jiff::Timestamp;
use planrun::inventory::{Connection, Host};
use planrun::secret::Redactor;
use planrun::transport::redacting::Redacting;
use planrun::transport::{
    AttemptId, Exit, Output, Recovered, Reply, Request, Transport, TransportError,
};

use super::{argv, host};

/// Gives every command the same answer.
struct Echo(Result<Output, TransportError>);

#[async_trait(?Send)]
impl Transport for Echo {
    async fn handle(&self, _: &Host, request: Request<'_>) -> Result<Reply, TransportError> {
        let output = self.0.clone()?;
        Ok(match request {
            Request::Attempt(_, _, probe) => {
                let seen = probe.map(|_| output.clone());
                Reply::Ended(output, seen)
            }
            Request::Recover(..) => Reply::Recovered(Recovered::Ended(output)),
            _ => Reply::Ended(output, None),
        })
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
    let both = redacting.handle(&host, Request::Attempt(&id, &command, Some(&command))).await;
    assert_eq!(both, Ok(Reply::Ended(looked.clone(), Some(looked.clone()))));
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
