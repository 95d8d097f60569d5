//! What a run sees of commands on hosts: on this machine, and on real OpenSSH servers.

mod answer;
mod hosts;
mod local;
mod program;
mod redacting;
mod ssh;
mod wire;

use std::time::Duration;

use indexmap::IndexMap;
use planrun::inventory::{Connection, Host, HostName, Link};
use planrun::transport::{Body, Command, File};

fn host(name: &str, connection: Connection) -> Host {
    Host {
        name: HostName::new(name),
        link: Link { connection, address: format!("{name}.invalid"), ..Link::default() },
        vars: IndexMap::new(),
        encrypted: IndexMap::new(),
        groups: Vec::new(),
    }
}

fn upload(content: &[u8], to: &str) -> Command {
    command(Body::Upload(File {
        content: content.into(),
        secret: false,
        to: to.to_owned(),
        mode: None,
        owner: None,
    }))
}

fn command(body: Body) -> Command {
    Command {
        body,
        stdin: None,
        env: IndexMap::new(),
        secret_env: false,
        dir: None,
        r#become: None,
        timeout: Duration::from_mins(1),
        step: "test/step".to_owned(),
        host: None,
    }
}

fn script(text: &str) -> Command {
    command(Body::Script(text.to_owned()))
}

fn argv(words: &[&str]) -> Command {
    command(Body::Argv(words.iter().map(|&word| word.to_owned()).collect()))
}
