//! Why a login was refused: a second connection that asks.
//!
//! The library reports "not accepted" for a refused key and for a connection that was lost during
//! the login, and never what the host would accept. The first must not be tried again, the second
//! must: so the host is asked, once, by a connection of our own that shows the same host key. That
//! is a login without credentials, and then one with the key itself, if it is the only one that can
//! be offered. More are not offered again: servers count refused keys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_ssh2_tokio::AuthMethod;
use russh::client::{AuthResult, Handle};
use russh::keys::{PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet, client};
use tokio::time::timeout;

use super::auth::Offer;
use super::{connect, host_key};

/// What a host makes of a login.
pub(super) enum Login {
    /// It lost or ended the connection: nothing is decided.
    Lost,
    /// It accepts what it refused a moment ago.
    Accepted,
    /// It refuses, and accepts only these methods.
    Refused(MethodSet),
    /// It accepts the key, and demands one of these methods as well.
    Partial(MethodSet),
}

/// Asks a host that shows `key` what it makes of a login, with a key if there is one to offer.
pub(super) async fn ask(
    address: SocketAddr,
    user: &str,
    key: &PublicKey,
    offer: Option<&Offer>,
    patience: Duration,
) -> Login {
    let asked = async {
        let config = Arc::new(connect::config(Some(host_key::algorithms(key))));
        let mut handle = client::connect(config, address, Only(key.clone())).await.ok()?;
        let without = handle.authenticate_none(user).await.ok()?;
        let AuthResult::Failure { remaining_methods, .. } = &without else {
            return Some(without);
        };
        if !remaining_methods.contains(&MethodKind::PublicKey) {
            return Some(without);
        }
        let Some(offer) = offer else {
            return Some(without);
        };
        match private_key(&offer.method, &handle).await {
            Some(key) => handle.authenticate_publickey(user, key).await.ok(),
            None => Some(without),
        }
    };
    match timeout(patience, asked).await {
        Ok(Some(AuthResult::Success)) => Login::Accepted,
        Ok(Some(AuthResult::Failure { remaining_methods, partial_success })) => {
            // Without a single method, it is the library's word for a lost connection.
            match (remaining_methods.is_empty(), partial_success) {
                (true, _) => Login::Lost,
                (false, true) => Login::Partial(remaining_methods),
                (false, false) => Login::Refused(remaining_methods),
            }
        }
        Ok(None) | Err(_) => Login::Lost,
    }
}

async fn private_key(method: &AuthMethod, handle: &Handle<Only>) -> Option<PrivateKeyWithHashAlg> {
    let AuthMethod::PrivateKey { key_data, .. } = method else {
        return None;
    };
    let key = russh::keys::decode_secret_key(key_data, None).ok()?;
    let hash = handle.best_supported_rsa_hash().await.ok()?.flatten();
    Some(PrivateKeyWithHashAlg::new(Arc::new(key), hash))
}

/// Returns methods as a part of a sentence.
pub(super) fn names(methods: &MethodSet) -> String {
    let names: Vec<&str> = methods.iter().map(<&str>::from).collect();
    names.join(", ")
}

/// Accepts one host key.
struct Only(PublicKey);

impl client::Handler for Only {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKey) -> Result<bool, russh::Error> {
        Ok(*key == self.0)
    }
}
