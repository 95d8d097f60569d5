//! The language, stage by stage: text to values, models, inventories and plans, without a run.

mod diagnostic;
mod duration;
mod foreign;
mod inventory;
mod kind;
mod lints;
pub(crate) mod model;
mod output;
mod plan;
mod quote;
mod regexes;
mod resolve;
mod scalar;
mod task;
mod template;
mod yaml11;
