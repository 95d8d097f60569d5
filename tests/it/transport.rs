//! What a run sees of commands on hosts: on this machine, and on real OpenSSH servers.

mod local;
mod ssh;

use std::time::Duration;

use indexmap::IndexMap;
use planrun::transport::{Body, Command};

fn command(body: Body) -> Command {
    Command {
        body,
        stdin: None,
        env: IndexMap::new(),
        dir: None,
        r#become: None,
        timeout: Duration::from_mins(1),
        step: "test/step".to_owned(),
    }
}

fn script(text: &str) -> Command {
    command(Body::Script(text.to_owned()))
}

fn argv(words: &[&str]) -> Command {
    command(Body::Argv(words.iter().map(|&word| word.to_owned()).collect()))
}
