//! The tests of planrun as a whole: one binary, a module a subject.

mod engine;
mod rejected;
