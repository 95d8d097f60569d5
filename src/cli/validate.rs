//! `planrun validate`: every fault of some plans.

use std::path::Path;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::explain;
use crate::cli::load;
use crate::cli::load::Values;
use crate::cli::models;
use crate::cli::tell;
use crate::cli::tell::Count;
use crate::cli::tell::Format;
use crate::diagnostic::Diagnostics;
use crate::plan::Plan;
use crate::resolve;
use crate::source::Sources;

/// What may be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Deny {
    /// Warnings end with status 1
    Warnings,
}

/// See the module.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun validate plans/*.yaml
  planrun validate plans/obox-restart.yaml -i prod --set user=probe
  planrun validate --format json plans/*.yaml | jq .code")]
pub(super) struct Args {
    /// The plans
    #[arg(required = true, value_name = "PLAN")]
    plans: Vec<PathBuf>,
    /// Check against the hosts and variables of this inventory too
    #[arg(long, short, value_name = "INV")]
    inventory: Option<String>,
    #[command(flatten)]
    values: Values,
    /// How the faults are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Let warnings fail
    #[arg(long, value_name = "WHAT")]
    deny: Option<Deny>,
}

/// Checks the plans, each for itself.
pub(super) fn run(args: &Args, context: &Context) -> Exit {
    let mut all = Count::default();
    let mut faulty = 0;
    let mut codes = Vec::new();
    for path in &args.plans {
        let mut sources = Sources::default();
        let mut found = Diagnostics::default();
        if let Some((_, plan)) = load::plan(path, &mut sources, &mut found) {
            resolve(args, path, plan, &mut sources, &mut found);
        }
        tell::tell(&found, &sources, args.format, context);
        let count = Count::of(&found);
        faulty += usize::from(!count.is_zero());
        all += count;
        codes.extend(found.sorted().iter().map(|one| one.code));
    }
    context.say(&verdict(all, faulty, args.plans.len()));
    let more = explain::more(codes).filter(|_| args.format == Format::Human);
    if let Some(more) = more {
        context.say(&more);
    }
    if all.errors > 0 {
        Exit::INVALID
    } else if all.warnings > 0 && args.deny == Some(Deny::Warnings) {
        Exit::FAILED
    } else {
        Exit::SUCCEEDED
    }
}

/// Brings a plan together with the inventory, if there is one.
fn resolve(args: &Args, path: &Path, plan: Plan, sources: &mut Sources, found: &mut Diagnostics) {
    let Some(name) = &args.inventory else {
        return;
    };
    let plan_dir = load::directory(path);
    let inventory = load::inventory(name, Some(plan_dir), sources, found);
    let given = load::given(&args.values, plan_dir, sources, found);
    if let (Some((place, inventory)), Some(given)) = (inventory, given) {
        // Its text is checked with it; the model itself is not needed here.
        let _model = models::read(&inventory, &place, plan_dir, sources, found);
        let _resolved = resolve::resolve(plan, inventory, &given, sources, found);
    }
}

fn verdict(count: Count, faulty: usize, plans: usize) -> String {
    if count.is_zero() {
        return match plans {
            1 => "the plan is sound".to_owned(),
            _ => format!("{plans} plans are sound"),
        };
    }
    let words = count.words();
    match plans {
        1 => format!("{words} in the plan"),
        _ => format!("{words} in {faulty} of {plans} plans"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_faults_and_plans() {
        let count = |errors, warnings| Count { errors, warnings };
        assert_eq!(verdict(count(0, 0), 0, 3), "3 plans are sound");
        assert_eq!(verdict(count(0, 0), 0, 1), "the plan is sound");
        assert_eq!(
            verdict(count(2, 1), 1, 3),
            "2 errors, 1 warning in 1 of 3 plans"
        );
        assert_eq!(verdict(count(0, 1), 1, 1), "1 warning in the plan");
    }
}
