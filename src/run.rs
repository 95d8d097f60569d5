//! Runs: a resolved plan becomes events.

pub mod planned;
