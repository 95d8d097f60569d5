//! `planrun validate`: every fault of the files that people write.
//!
//! ```text
//!  words -> files -> kind: plan, model, test, inventory -> read -> Findings -> tell
//! ```
//!
//! Nothing is run and no host is touched. Files are told in the order they were given, each once.
//! What plans share (an inventory, its model, a file of inputs) is read once, and its faults are
//! told once, for the first plan that leads to it.

mod entries;
mod files;
mod scenarios;
mod shared;

use clap::ValueEnum;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::load::Values;
use crate::cli::tell::{Checked, Count, Findings, Format};
use crate::cli::validate::files::File;
use crate::cli::validate::shared::Shared;
use crate::cli::{explain, load, models, tell};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::document;
use crate::plan;
use crate::plan::check::uninterruptible;
use crate::resolve::{secrets, texts};
use crate::schema;
use crate::schema::Shape;
use crate::schema::foreign::file::recognise;
use crate::schema::kind::Kind;
use crate::source::{SourceId, Sources};

/// Warnings about a plan that come only where there is an inventory.
const WITH_INVENTORY: [Code; 2] = [Code::NoEntry, Code::LocksNotEnforced];

/// Warnings of `apply` about what no change of a plan can help: notes here, which nothing denies.
const NOT_OF_THE_PLAN: [Code; 1] = [Code::LocksNotEnforced];

/// What may be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Deny {
    /// Warnings end with status 1
    Warnings,
    /// Files in folders that are not of planrun are errors
    PassedOver,
}

/// See the module.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun validate plans/*.yaml
  planrun validate plans/                                  all that is planrun's, in folders too
  planrun validate plans/obox-restart.yaml -i prod --set test_user=probe
  planrun validate --format json plans/*.yaml | jq .code
  planrun validate --format sarif --deny warnings plans/ > planrun.sarif
  planrun validate --format short --stdin-filename plans/a.yaml - < plans/a.yaml

Exit: 0 no errors; 1 warnings, with `--deny warnings`; 2 errors, or nothing to check. `planrun help` has the others.")]
pub(super) struct Args {
    /// Plans, models, tests, inventories; folders with them; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// What the files are; by default each shows it by its modeline or its keys
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// The name of what comes on standard input
    #[arg(long, value_name = "NAME")]
    stdin_filename: Option<String>,
    /// Check plans against the hosts and variables of this inventory too; repeat it for more
    #[arg(long, short, value_name = "INV")]
    inventory: Vec<String>,
    #[command(flatten)]
    values: Values,
    /// How the faults are written: `human` to standard error, all others to standard output
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Let these fail too; repeat it for both
    #[arg(long, value_name = "WHAT")]
    deny: Vec<Deny>,
}

/// Checks the files, each for itself.
pub(super) fn run(args: &Args, context: &Context) -> Exit {
    let denied = |what| args.deny.contains(&what);
    let stdin = args.stdin_filename.as_deref();
    let listed = files::list(&args.files, args.kind, stdin, denied(Deny::PassedOver));
    let mut findings = Findings { deny_warnings: denied(Deny::Warnings), ..Findings::default() };
    let mut shared = Shared::new(&args.inventory, &args.values, listed.files.len() > 1);
    for file in listed.files {
        check(file, args.kind, &mut shared, &mut findings);
    }
    shared.hide_inputs(&mut findings.sources);
    shared.unchecked(&mut findings);
    // Some warnings come only of a plan and its inventory together.
    let together = !args.inventory.is_empty();
    findings.settle(|code| !together && WITH_INVENTORY.contains(&code));
    tell::report(&findings, args.format, context);
    for line in listed.talk.iter().chain(&shared.talk) {
        context.say(line);
    }
    context.say(&verdict(&findings));
    if args.format == Format::Human {
        let codes = findings.faults().map(|(_, one)| one.code);
        if let Some(more) = explain::more(codes) {
            context.say(&more);
        }
    }
    let all = findings.count();
    if all.errors > 0 {
        Exit::INVALID
    } else if all.warnings > 0 && findings.deny_warnings {
        Exit::FAILED
    } else {
        Exit::SUCCEEDED
    }
}

/// Checks a file, and adds what was found.
fn check(file: File, kind: Option<Kind>, shared: &mut Shared<'_>, findings: &mut Findings) {
    let mut found = Diagnostics::default();
    let sources = &mut findings.sources;
    let known = kind.or_else(|| file.kind());
    match (file.text, known) {
        // Inventories are read by their paths: variables stand in files beside them.
        (Ok(_), Some(Kind::Inventory)) if file.path.exists() => {
            let dir = load::directory(&file.path);
            let paths = [file.path.clone()];
            findings.files.extend(shared.inventory_at(&paths, dir, sources));
            return;
        }
        (Err(fault), _) => found.push(*fault),
        (Ok(text), Some(kind)) => {
            let id = sources.add(&file.shown, text);
            match kind {
                Kind::Plan => {
                    let plan = plan::read(sources, id, &mut found);
                    let dir = load::directory(&file.path);
                    let also = shared.prepare(dir, sources, &mut found);
                    findings.files.extend(also);
                    shared.has_secrets |= plan.as_ref().is_none_or(secrets::are_needed);
                    if let Some(plan) = plan {
                        uninterruptible::notes(&plan, &mut found);
                        texts::check(&plan, dir, sources, &mut found);
                        shared.resolve(plan, &file.shown, dir, sources, &mut found);
                        found.amend(|one| {
                            if NOT_OF_THE_PLAN.contains(&one.code) {
                                one.severity = Severity::Note;
                            }
                        });
                    }
                }
                Kind::Model => {
                    let _model = models::lower(id, sources, &mut found);
                }
                Kind::Test => {
                    scenarios::check(id, load::directory(&file.path), sources, &mut found);
                }
                Kind::Inventory => inventory_text(id, sources, &mut found),
            }
        }
        (Ok(text), None) => {
            let id = sources.add(&file.shown, text);
            let node = document::parse(sources, id, &mut Diagnostics::default());
            if node.as_ref().and_then(recognise).is_some() {
                let _no_plan = plan::read(sources, id, &mut found);
            } else {
                found.push(unknown_kind(&file.shown));
            }
        }
    }
    let found = found.sorted().into_iter().cloned().collect();
    let file = file.shown;
    findings.files.push(Checked { file, found });
}

/// Checks an inventory that is no file.
fn inventory_text(id: SourceId, sources: &Sources, found: &mut Diagnostics) {
    if let Some(node) = document::parse(sources, id, found) {
        schema::check(&node, &Shape::Record(Kind::Inventory.record()), found);
    }
}

fn unknown_kind(shown: &str) -> Diagnostic {
    let message = format!("`{shown}` shows nothing of a plan, a model, a test or an inventory");
    Diagnostic::error(Code::UnknownKind, message)
        .help("a plan has `version`, `name`, `hosts` and `steps`")
        .help("leave the file out, or say what it is: `--kind plan`")
}

fn verdict(findings: &Findings) -> String {
    let files = findings.files.len();
    let count = findings.count();
    let faulty = findings.files.iter();
    let faulty = faulty.filter(|file| !file.count().is_zero()).count();
    summary(count, faulty, files)
}

fn summary(count: Count, faulty: usize, files: usize) -> String {
    if count.is_zero() {
        return match files {
            1 => "the file is sound".to_owned(),
            _ => format!("{files} files are sound"),
        };
    }
    let words = count.words();
    match files {
        1 => format!("{words} in the file"),
        _ => format!("{words} in {faulty} of {files} files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_faults_and_files() {
        let count = |errors, warnings| Count { errors, warnings };
        assert_eq!(summary(count(0, 0), 0, 3), "3 files are sound");
        assert_eq!(summary(count(0, 0), 0, 1), "the file is sound");
        assert_eq!(summary(count(2, 1), 1, 3), "2 errors, 1 warning in 1 of 3 files");
        assert_eq!(summary(count(0, 1), 1, 1), "1 warning in the file");
    }
}
