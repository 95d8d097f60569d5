//! `planrun config`: every setting, the value that is in force, and where it comes from.
//!
//! Of secrets and of the targets of notifications only names are shown. A setting that depends on a configuration with an error has no
//! value: commands that need it fail.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::cli::configuration::Configuration;
use crate::cli::print::json::diagnostic;
use crate::cli::runs::RunFormat;
use crate::cli::setting::{InForce, Origin};
use crate::cli::{Context, Exit, Fault, print, signals, who};
use crate::clock::Clock;
use crate::duration;
use crate::notify::message::{Kind, Message};
use crate::report::text::{columns, pretty_json, printable};
use crate::secret::Redactor;
use crate::transport::program::Running;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun config
  planrun config --format json
  planrun config --test-notify

An option comes first, then the environment, then the file, then the default. The exit code is 2 if the file has an error.")]
pub(super) struct Args {
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: RunFormat,
    /// Send a test notification to each target, and report what happened
    #[arg(long)]
    test_notify: bool,
}

/// A setting as it is shown.
struct Row {
    name: &'static str,
    /// Its value, and where it comes from; `None` if that is not known, because the file has an error.
    set: Option<(Value, Origin)>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    if args.test_notify {
        test_notify(args.format, context)
    } else {
        Ok(show(args.format, context))
    }
}

/// Sends a message to each target, one after the other.
fn test_notify(format: RunFormat, context: &Context) -> Result<Exit, Fault> {
    let targets = context.settings()?.targets();
    if targets.is_empty() {
        let fault = Fault::new(Exit::INVALID, "your configuration has no `notify`");
        return Err(fault.help("to see where it is and what is in it, run `planrun config`"));
    }
    let message = Message::test(&who(), Clock::Real.now());
    // A program has a process group of its own, which `^C` does not reach.
    let running = Running::default();
    signals::guard(running.clone())
        .map_err(|error| Fault::of(Exit::INTERNAL, "cannot send notifications", &error))?;
    let redactor = Redactor::default();
    let results =
        targets.iter().map(|target| (target, target.try_out(&message, &running, &redactor)));
    let results: Vec<_> = results.collect();
    context.print(&match format {
        RunFormat::Human => {
            let lines = results.iter().map(|(target, result)| {
                let (word, detail) = match result {
                    Ok(detail) => ("delivered", detail),
                    Err(why) => ("failed", why),
                };
                [
                    printable(&target.name),
                    target.kind().to_owned(),
                    word.to_owned(),
                    printable(detail),
                ]
            });
            columns(&lines.collect::<Vec<_>>(), |_| true)
        }
        RunFormat::Json => {
            let each = results.iter().map(|(target, result)| {
                json!({
                    "name": target.name,
                    "kind": target.kind(),
                    "delivered": result.is_ok(),
                    "reply": result.as_ref().ok(),
                    "error": result.as_ref().err(),
                })
            });
            pretty_json(&each.collect::<Vec<_>>())
        }
    });
    let is_delivered = results.iter().all(|(_, result)| result.is_ok());
    Ok(if is_delivered { Exit::SUCCEEDED } else { Exit::FAILED })
}

fn show(format: RunFormat, context: &Context) -> Exit {
    let read = context.configuration();
    let rows = rows(context);
    context.print(&match format {
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

fn rows(context: &Context) -> [Row; 7] {
    let row = |name, set: Option<(Value, Origin)>| Row { name, set };
    let secrets = context.configuration().settings().map(|settings| match &settings.secrets {
        Some(set) => {
            let names = set.value.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
            (json!(names), context.origin_in_file(set.line))
        }
        None => (json!([]), Origin::Default),
    });
    let notify = context.configuration().settings().map(|settings| match &settings.notify {
        Some(set) => {
            let targets = set.value.iter().map(|target| {
                let on = target.on.iter().copied().map(Kind::word).collect::<Vec<_>>();
                json!({
                    "name": target.name,
                    "kind": target.kind(),
                    "on": on,
                    "timeout": duration::show(target.timeout),
                })
            });
            (targets.collect::<Value>(), context.origin_in_file(set.line))
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
        row("pace", context.pace().map(|set| (json!(set.value.to_string()), set.origin))),
        row("secrets", secrets),
        row("notify", notify),
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
        Value::Object(target) => shown(&target["name"]),
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
