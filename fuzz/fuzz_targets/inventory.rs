//! Any text as `entries::inventory` takes it: see `fuzz/README.md`.

#![no_main]

#[path = "../entries.rs"]
#[allow(dead_code, reason = "each target has one entry of them")]
mod entries;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| entries::inventory(text));
