//! `planrun config`: every setting, the value that is in force, and where it comes from.
//!
//! Of secrets only names are shown. A setting that depends on a configuration with an error has no
//! value: commands that need it fail.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::cli::configuration::Configuration;
use crate::cli::print::json::diagnostic;
use crate::cli::runs::RunFormat;
use crate::cli::setting::{InForce, Origin};
use crate::cli::{Context, Exit, print};
use crate::report::text::{columns, pretty_json, printable};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun config
  planrun config --format json

An option comes first, then the environment, then the file, then the default. The exit code is 2 if the file has an error.")]
pub(super) struct Args {
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: RunFormat,
}

/// A setting as it is shown.
struct Row {
    name: &'static str,
    /// Its value, and where it comes from; `None` if that is not known, because the file has an error.
    set: Option<(Value, Origin)>,
}

pub(super) fn run(args: &Args, context: &Context) -> Exit {
    let read = context.configuration();
    let rows = rows(context);
    context.print(&match args.format {
        RunFormat::Human => human(read, &rows),
        RunFormat::Json => pretty_json(&data(read, &rows)),
    });
    context.configuration_was_reported();
    if read.settings().is_some() {
        print::diagnostics(&read.found, &read.sources, context);
        return Exit::SUCCEEDED;
    }
    let what = "a command that needs one of these settings fails";
    print::refuse(&read.found, &read.sources, what, context);
    Exit::INVALID
}

fn rows(context: &Context) -> [Row; 5] {
    let row = |name, set: Option<(Value, Origin)>| Row { name, set };
    let secrets = context.configuration().settings().map(|settings| match &settings.secrets {
        Some(set) => {
            let names = set.value.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
            (json!(names), context.origin_in_file(set.line))
        }
        None => (json!([]), Origin::Default),
    });
    [
        row("inventory", context.inventory().map(|set| (json!(set.value), set.origin))),
        row(
            "state_dir",
            context.state_dir().map(|set| (json!(set.value.display().to_string()), set.origin)),
        ),
        row("color", context.color().map(word)),
        row("output", context.output().map(word)),
        row("secrets", secrets),
    ]
}

/// Returns a keyword and its origin.
fn word(set: InForce<impl ValueEnum>) -> (Value, Origin) {
    let name = set.value.to_possible_value().map(|value| value.get_name().to_owned());
    (json!(name), set.origin)
}

fn human(read: &Configuration, rows: &[Row]) -> String {
    let path = match &read.path {
        Some(path) => printable(&path.display().to_string()),
        None => "none: neither HOME nor XDG_CONFIG_HOME is set".to_owned(),
    };
    let state = match (read.exists, read.settings().is_some()) {
        (false, _) => " (does not exist)",
        (true, true) => "",
        (true, false) => " (has an error)",
    };
    let mut lines = vec![["SETTING", "VALUE", "FROM"].map(str::to_owned)];
    for Row { name, set } in rows {
        let (value, origin) = match set {
            Some((value, origin)) => (shown(value), origin.to_string()),
            None => ("unknown".to_owned(), "the file has an error".to_owned()),
        };
        lines.push([(*name).to_owned(), printable(&value), printable(&origin)]);
    }
    format!("configuration: {path}{state}\n\n{}", columns(&lines, |_| true))
}

/// Returns a value as text; nothing is `-`.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(shown).collect::<Vec<_>>().join(", ")
        }
        _ => "-".to_owned(),
    }
}

fn data(read: &Configuration, rows: &[Row]) -> Value {
    let settings = rows.iter().map(|Row { name, set }| {
        let (value, from) = match set {
            Some((value, origin)) => (value.clone(), from(origin)),
            None => (Value::Null, json!({"kind": "unknown"})),
        };
        json!({"name": name, "value": value, "from": from})
    });
    let found = read.found.sorted();
    let found = found.into_iter().map(|one| diagnostic(one, &read.sources));
    json!({
        "file": {
            "path": read.path.as_ref().map(|path| path.display().to_string()),
            "exists": read.exists,
            "valid": read.settings().is_some(),
        },
        "settings": settings.collect::<Vec<_>>(),
        "diagnostics": found.collect::<Vec<_>>(),
    })
}

fn from(origin: &Origin) -> Value {
    match origin {
        Origin::Option(name) => json!({"kind": "option", "name": name}),
        Origin::Environment(name) => json!({"kind": "environment", "name": name}),
        Origin::File { path, line } => {
            json!({"kind": "file", "path": path.display().to_string(), "line": line})
        }
        Origin::Default => json!({"kind": "default"}),
    }
}
