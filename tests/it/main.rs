//! The tests of planrun as a whole: one binary, a module a subject.

mod docs;
mod engine;
mod rejected;
mod support;
mod tidy;
