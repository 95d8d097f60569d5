//! Tests of planrun from outside: its texts, its commands, real hosts.

mod bad_input;
mod cluster;
mod demo;
mod harness;
