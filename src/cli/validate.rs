//! `planrun validate`: reports every problem in planrun's files.
//!
//! Nothing is run and no host is contacted. [`crate::load::validate`] checks the files; here are the
//! arguments, the last line and the exit code.

use std::io::Read as _;

use clap::ValueEnum;

use crate::cli::print::{Count, Findings, ReportFormat};
use crate::cli::values::Values;
use crate::cli::{Context, Exit, print};
use crate::file::MAX_BYTES;
use crate::load::files::{self, File, STDIN, Skipped};
use crate::load::validate::{Unmatched, Validated, validate};
use crate::report::text::{count, printable};
use crate::schema::kind::Kind;
use crate::source::Sources;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Deny {
    /// Exit with 1 if there are warnings
    Warnings,
    /// Report files in folders that are not planrun's as errors
    PassedOver,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun validate plans/*.yaml
  planrun validate plans/                                  all of planrun's files, also in subfolders
  planrun validate plans/obox-restart.yaml -i prod --set test_user=probe
  planrun validate --format json plans/*.yaml | jq .code
  planrun validate --format sarif --deny warnings plans/ > planrun.sarif
  planrun validate --format short --stdin-filename plans/a.yaml - < plans/a.yaml

Exit: 0 no errors; 1 warnings, with `--deny warnings`; 2 errors, or nothing to check. `planrun help` has the others.")]
pub(super) struct Args {
    /// Plans, models, tests, inventories; folders with them; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The kind of the files; by default the modeline or the keys of each file determine it
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// The name of the file on standard input
    #[arg(long, value_name = "NAME")]
    stdin_filename: Option<String>,
    /// Also check plans against the hosts and variables of this inventory; repeat it for more
    #[arg(long, short, value_name = "INV")]
    inventory: Vec<String>,
    #[command(flatten)]
    values: Values,
    /// The output format: `human` goes to standard error, all others to standard output
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: ReportFormat,
    /// What else is a failure; repeat it for both
    #[arg(long, value_name = "WHAT")]
    deny: Vec<Deny>,
}

pub(super) fn run(args: &Args, context: &Context) -> Exit {
    let denied = |what| args.deny.contains(&what);
    let mut sources = Sources::default();
    let stdin = args.files.iter().any(|word| word == STDIN).then(|| standard_input(args));
    let all = denied(Deny::PassedOver);
    let listed = files::list(&args.files, args.kind, stdin, all, &*sources.files());
    let request = args.values.request(&args.inventory);
    let Validated { files, unmatched } = validate(listed.files, args.kind, &request, &mut sources);
    let findings = Findings { sources, files, deny_warnings: denied(Deny::Warnings) };
    print::report(&findings, args.format, context);
    let lines = listed.skipped.iter().map(skipped);
    for line in lines.chain(unmatched.iter().map(unchecked)) {
        context.say(&line);
    }
    context.say(&verdict(&findings));
    if args.format == ReportFormat::Human {
        let codes = findings.faults().map(|(_, one)| one.code);
        if let Some(more) = print::more(codes) {
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

fn standard_input(args: &Args) -> File {
    let mut bytes = Vec::new();
    let most = MAX_BYTES as u64 + 1;
    let read = std::io::stdin().lock().take(most).read_to_end(&mut bytes);
    File::standard_input(args.stdin_filename.as_deref(), read.map(|_| bytes))
}

fn skipped(skipped: &Skipped) -> String {
    let named: Vec<String> = skipped.files.iter().take(3).map(|name| printable(name)).collect();
    let more = if skipped.files.len() > named.len() { ", ..." } else { "" };
    format!(
        "skipped {} in `{}`, not planrun files: {}{more}",
        count(skipped.files.len(), "file"),
        printable(&skipped.folder),
        named.join(", ")
    )
}

fn unchecked(unmatched: &Unmatched) -> String {
    format!(
        "not checked against {}: {}, whose hosts `{}` are not in it",
        printable(&unmatched.inventory),
        printable(&unmatched.plan),
        printable(&unmatched.hosts)
    )
}

fn verdict(findings: &Findings) -> String {
    let files = findings.files.len();
    let count = findings.count();
    let faulty = findings.files.iter();
    let faulty = faulty.filter(|file| !Count::of(&file.found).is_zero()).count();
    summary(count, faulty, files)
}

fn summary(count: Count, faulty: usize, files: usize) -> String {
    if count.is_zero() {
        return match files {
            1 => "the file is valid".to_owned(),
            _ => format!("{files} files are valid"),
        };
    }
    let words = count.words();
    match files {
        1 => format!("{words} in the file"),
        _ => format!("{words} in {faulty} of {files} files"),
    }
}
