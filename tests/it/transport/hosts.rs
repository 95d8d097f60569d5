//! Each host is reached by the transport that its inventory names.

use planrun::inventory::Connection;
use planrun::transport::hosts::Hosts;
use planrun::transport::local::LocalTransport;
use planrun::transport::ssh::{SshOptions, SshTransport};
use planrun::transport::{Transport, TransportError};

use super::{argv, host};

#[tokio::test]
async fn each_host_is_reached_by_the_transport_it_names() {
    let ssh = SshTransport::new(SshOptions::default());
    let hosts = Hosts::new(ssh, LocalTransport::new(), None);
    let look =
        async |connection| hosts.look(&host("imap1", connection), &argv(&["echo", "here"])).await;
    assert_eq!(look(Connection::Local).await.unwrap().stdout, b"here\n");
    let ssh = look(Connection::Ssh).await;
    assert!(matches!(ssh, Err(TransportError::Unreachable { .. })), "{ssh:?}");
    let model = look(Connection::Model).await;
    assert!(matches!(model, Err(TransportError::Impossible { .. })), "{model:?}");
}
