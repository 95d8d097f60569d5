//! `planrun explain PLAN`: writes a plan as a page or as a graph, and checks a committed one.

use std::path::{Component, Path, PathBuf};

use clap::ValueEnum;

use crate::cli::values::Values;
use crate::cli::{Context, Exit, Fault, print};
use crate::diagnostic::Diagnostics;
use crate::load::reading;
use crate::load::reading::ReadPlan;
use crate::procedure;
use crate::quote::readable;
use crate::source::Sources;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Markdown,
    /// One file, without scripts and without access to a network
    Html,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    Mermaid,
    Svg,
}

#[derive(Debug, clap::Args)]
pub(super) struct PageArgs {
    /// Show the values of the hosts of an inventory: a path, or a name in `inventories/` next to the plan
    #[arg(long, short, value_name = "INV", requires = "subject")]
    inventory: Vec<String>,
    #[command(flatten)]
    values: Values,
    /// The format of the page; Markdown by default
    #[arg(long, value_name = "FORMAT", requires = "subject")]
    format: Option<Format>,
    /// Draw the steps instead
    #[arg(long, value_name = "FORMAT", requires = "subject", conflicts_with = "format")]
    graph: Option<GraphFormat>,
    /// Write to a file instead of standard output
    #[arg(long, short, value_name = "FILE", requires = "subject")]
    output: Option<PathBuf>,
    /// Compare with a file: exit with 1 if it is not what would be written
    #[arg(long, value_name = "FILE", requires = "subject", conflicts_with = "output")]
    check: Option<PathBuf>,
}

pub(super) fn run(path: &Path, args: &PageArgs, context: &Context) -> Result<Exit, Fault> {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let request = args.values.request(&args.inventory);
    let Some(plan) = reading::read(path, &request, &mut sources, &mut found) else {
        print::refuse(&found, &sources, "nothing was written", context);
        return Err(Fault::reported(Exit::INVALID));
    };
    print::diagnostics(&found, &sources, context);
    if let Some(file) = &args.check {
        return check(&plan, file, path, args);
    }
    let text = written(&plan, &plain(path), args);
    match &args.output {
        None => context.print(&text),
        Some(file) => std::fs::write(file, text).map_err(|error| {
            Fault::of(Exit::STORE, format!("cannot write {}", file.display()), &error)
        })?,
    }
    Ok(Exit::SUCCEEDED)
}

fn written(plan: &ReadPlan, path: &Path, args: &PageArgs) -> String {
    let page = || procedure::page(plan.plan(), plan.resolved(), &path.to_string_lossy());
    match (args.graph, args.format) {
        (Some(GraphFormat::Mermaid), _) => procedure::graph(plan.plan()).mermaid(),
        (Some(GraphFormat::Svg), _) => procedure::graph(plan.plan()).svg(),
        (None, Some(Format::Html)) => page().html(),
        (None, Some(Format::Markdown) | None) => page().markdown(),
    }
}

/// Returns a path without what changes nothing: `plans/x.yaml` for `./plans/x.yaml`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// Returns the paths that name a plan in some directory, the typed one first: where a page was written does not matter.
fn spellings(path: &Path) -> Vec<PathBuf> {
    let whole = std::fs::canonicalize(path).unwrap_or_default();
    let parts: Vec<Component<'_>> = whole.components().collect();
    let ends = (0..parts.len()).rev().map(|start| parts[start..].iter().collect());
    [plain(path)].into_iter().chain(ends).collect()
}

fn check(plan: &ReadPlan, file: &Path, path: &Path, args: &PageArgs) -> Result<Exit, Fault> {
    let is_same = |bytes: &[u8]| {
        let mut paths = spellings(path).into_iter();
        paths.any(|path| written(plan, &path, args).as_bytes() == bytes)
    };
    let what = match std::fs::read(file) {
        Ok(bytes) if is_same(&bytes) => return Ok(Exit::SUCCEEDED),
        Ok(_) => "is out of date",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "does not exist",
        Err(error) => {
            let message = format!("cannot read {}", file.display());
            return Err(Fault::of(Exit::STORE, message, &error));
        }
    };
    let fault = Fault::new(Exit::FAILED, format!("{} {what}", file.display()));
    Err(fault.help(format!("to write it, run `{}`", again(file, path, args))))
}

/// Returns the command that writes a page again.
fn again(file: &Path, path: &Path, args: &PageArgs) -> String {
    let mut words =
        vec!["planrun".to_owned(), "explain".to_owned(), readable(&path.to_string_lossy())];
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), readable(value)]);
    let name = |format: Option<clap::builder::PossibleValue>| {
        format.map(|format| format.get_name().to_owned()).unwrap_or_default()
    };
    args.inventory.iter().for_each(|inventory| option("--inventory", inventory));
    if let Some(limit) = &args.values.limit {
        option("--limit", limit);
    }
    if let Some(inputs) = &args.values.inputs {
        option("--inputs", &inputs.to_string_lossy());
    }
    for (input, value) in &args.values.set {
        option("--set", &format!("{input}={value}"));
    }
    match (args.graph, args.format) {
        (Some(graph), _) => option("--graph", &name(graph.to_possible_value())),
        (None, None | Some(Format::Markdown)) => {}
        (None, Some(format)) => option("--format", &name(format.to_possible_value())),
    }
    option("--output", &file.to_string_lossy());
    words.join(" ")
}
