//! Tests of planrun from outside: its texts, its commands, real hosts.

mod docs;
mod support;
mod tidy;
