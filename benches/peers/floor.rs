//! The least that a client of SSH needs: one connection per host, one channel per step, and no promise.
//!
//! `benches/peers/compare` starts it next to planrun and other tools: their times are given as ratios to it.
//! It verifies no host key, keeps no record and retries nothing.
//!
//! Arguments: the login user, the file of the private key, the number of steps, how many hosts at a time, and the
//! addresses with their ports. Every step is `true`. It exits with 1 if one step failed on one host.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench ends if it fails")]

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use russh::ChannelMsg;
use russh::client::{self, Config, Handler};
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, load_secret_key};

struct Anyone;

impl Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKey) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [user, key, steps, at_once, hosts @ ..] = &arguments[..] else {
        // `cargo bench` runs every bench; this one is of use to the script alone.
        return;
    };
    let (steps, at_once) = (steps.parse().unwrap(), at_once.parse().unwrap());
    let key = Arc::new(load_secret_key(key, None).unwrap());
    let config = Arc::new(Config { nodelay: true, ..Config::default() });
    let runs = hosts.iter().map(|address| {
        let (key, config) = (Arc::clone(&key), Arc::clone(&config));
        async move {
            let mut session = client::connect(config, address.as_str(), Anyone).await.unwrap();
            let key = PrivateKeyWithHashAlg::new(key, None);
            assert!(session.authenticate_publickey(user, key).await.unwrap().success());
            for _ in 0..steps {
                let mut channel = session.channel_open_session().await.unwrap();
                channel.exec(true, "true").await.unwrap();
                let mut status = None;
                while let Some(message) = channel.wait().await {
                    if let ChannelMsg::ExitStatus { exit_status } = message {
                        status = Some(exit_status);
                    }
                }
                assert_eq!(status, Some(0));
            }
        }
    });
    stream::iter(runs).buffer_unordered(at_once).collect::<Vec<()>>().await;
}
