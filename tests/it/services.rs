//! Shipped plans on real servers: nginx with certificates, behind `HAProxy`; PostgreSQL with replicas; etcd.
//!
//! These tests need what `tests/services/install` installs (Debian, root). Each has its own servers in a
//! temporary folder, on loopback, and ends them.

mod balancers;
mod certificates;
mod etcd;
mod postgresql;

use std::process::{Output, Stdio};

use crate::harness::program;

/// Runs a program of this machine to its end.
#[track_caller]
fn ran(path: &str, words: &[&str]) -> Output {
    let done = program(path).args(words).stdin(Stdio::null()).output();
    let done = done.unwrap_or_else(|error| panic!("{path}: {error}"));
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{path} {words:?}: {stderr}");
    done
}
