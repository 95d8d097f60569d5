//! planrun: a declarative plan executor.
pub mod clock;
pub mod diagnostic;
pub mod document;
pub mod duration;
pub mod event;
pub mod inventory;
pub mod report;
pub mod schema;
pub mod source;
pub mod store;
pub mod template;
pub mod transport;
