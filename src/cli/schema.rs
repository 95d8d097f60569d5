//! `planrun schema`: prints the JSON Schemas of planrun's files, for editors.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::cli::Exit;
use crate::cli::out;
use crate::schema::kind::Kind;

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let about = match self {
            Self::Plan => "The steps for each host",
            Self::Model => "Simulated hosts",
            Self::Test => "Scenarios of a plan, with expected results",
            Self::Inventory => "The hosts",
        };
        Some(PossibleValue::new(self.name()).help(about))
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun schema plan > plan.schema.json
Then at the top of a plan:
  # yaml-language-server: $schema=plan.schema.json")]
pub(super) struct Args {
    /// The kind of file
    #[arg(value_name = "KIND", default_value = "plan")]
    kind: Kind,
}

pub(super) fn run(args: &Args) -> Exit {
    out::print(&args.kind.schema());
    Exit::SUCCEEDED
}
