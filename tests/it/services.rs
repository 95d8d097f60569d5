//! Shipped plans on real servers: nginx with certificates, behind `HAProxy`; PostgreSQL with replicas; etcd.
//!
//! These tests need what `tests/services/install` installs (Debian, root). Each has its own servers in a
//! temporary folder, on loopback, and ends them.

mod balancers;
mod certificates;
mod etcd;
mod postgresql;

use std::process::{Output, Stdio};

use tempfile::TempDir;

use crate::harness::{Planrun, program, root};

/// Real servers of one test, started by a script of `tests/services`; ended when dropped.
struct Lab {
    script: String,
    folder: TempDir,
    planrun: Planrun,
}

impl Lab {
    fn up(script: &str) -> Self {
        // Short, for the sockets in it.
        let folder = tempfile::Builder::new().prefix("pr").tempdir_in("/tmp").unwrap();
        let script = root().join("tests/services").join(script).to_str().unwrap().to_owned();
        let lab = Self { script, folder, planrun: Planrun::new() };
        ran(&lab.script, &["up", &lab.at(""), &std::process::id().to_string()]);
        lab
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ended = program(&self.script).args(["down", &self.at("")]).output();
    }
}

/// Runs a program of this machine to its end.
#[track_caller]
fn ran(path: &str, words: &[&str]) -> Output {
    let done = program(path).args(words).stdin(Stdio::null()).output();
    let done = done.unwrap_or_else(|error| panic!("{path}: {error}"));
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{path} {words:?}: {stderr}");
    done
}
