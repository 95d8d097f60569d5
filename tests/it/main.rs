//! Tests of planrun from outside: its texts, its commands, real hosts.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends where it stands"
)]

mod bad_input;
mod cluster;
mod demo;
mod harness;
