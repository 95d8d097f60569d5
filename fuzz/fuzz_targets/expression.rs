//! Any text as `expressions::expression` takes it: see `fuzz/README.md`.

#![no_main]

#[path = "../expressions.rs"]
mod expressions;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _accepted = expressions::expression(text);
});
