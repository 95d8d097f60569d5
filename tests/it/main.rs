//! Tests of planrun as its users meet it.

mod rejected;
