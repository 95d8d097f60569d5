//! `planrun schema`: the shapes of planrun's files, for editors.

use clap::ValueEnum;

use crate::cli::context;
use crate::cli::exit::Exit;
use crate::schema::Record;
use crate::schema::json;
use crate::schema::model::MODEL;
use crate::schema::plan::PLAN;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// What is done
    Plan,
    /// Hosts that exist only as data
    Model,
}

/// See the module.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The kind of file
    #[arg(value_name = "KIND", default_value = "plan")]
    kind: Kind,
}

/// Prints the schema.
pub(super) fn run(args: &Args) -> Exit {
    context::print(&text(args.kind));
    Exit::SUCCEEDED
}

fn text(kind: Kind) -> String {
    let (record, title): (&'static Record, &str) = match kind {
        Kind::Plan => (&PLAN, "planrun plan"),
        Kind::Model => (&MODEL, "planrun model"),
    };
    let text = serde_json::to_string_pretty(&json::schema(record, title));
    format!("{}\n", text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_schema_of_its_own() {
        for kind in Kind::value_variants() {
            let value: serde_json::Value = serde_json::from_str(&text(*kind)).unwrap();
            let name = format!("planrun {}", kind.to_possible_value().unwrap().get_name());
            assert_eq!(value["title"], name.as_str());
            assert!(value["properties"].is_object(), "{value}");
        }
    }
}
