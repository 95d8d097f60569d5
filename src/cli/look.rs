//! `planrun look`: runs one probe of a plan, and shows what it prints, its value and what a condition gives.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::cli::runs::RunFormat;
use crate::cli::subject::{Subject, load};
use crate::cli::targets::Targets;
use crate::cli::{Context, Exit, Fault, Stream, log, runtime};
use crate::diagnostic::nearest;
use crate::event::{Seen, Truth};
use crate::inventory::HostName;
use crate::plan::Plan;
use crate::report::text::{both_ends, pretty_json, printable};
use crate::resolve::ResolvedPlan;
use crate::run::survey::{Looked, look};
use crate::template::expression::Expression;
use crate::transport::redacting::Redacting;
use crate::transport::{Exit as Ended, Output};

/// Lines of an output that are shown to people; JSON has all that was kept.
const MOST_LINES: usize = 40;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun look plans/obox-restart.yaml ring -i demo --limit backend1
  planrun look plans/obox-restart.yaml ring -i demo --limit backend1 --expr 'backend.users == 0'

It sends nothing but probes, which only read.")]
pub(super) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// The probe
    #[arg(value_name = "PROBE")]
    probe: String,
    /// Also evaluate an expression of the plan's language, such as a condition
    #[arg(long, value_name = "EXPRESSION")]
    expr: Option<String>,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: RunFormat,
}

/// What was observed for a host.
struct Answer {
    host: HostName,
    looked: Vec<Looked>,
    condition: Option<(Seen, Result<Value, String>)>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let loaded = load(&args.subject.or_default(context)?, context)?;
    let plan = &loaded.plan;
    let Some(probe) = plan.plan.probes.get(&args.probe) else {
        return Err(unknown("probe", &args.probe, plan.plan.probes.keys().map(String::as_str)));
    };
    let expression = args.expr.as_deref().map(|text| expression(text, &plan.plan)).transpose()?;
    let doing = "cannot run a probe";
    log::hide(&plan.secrets.redactor);
    let runtime = runtime(doing)?;
    let targets = Targets::reading(loaded.model.clone(), &plan.inventory)?;
    let transport = Redacting { transport: &targets.transport, redactor: &plan.secrets.redactor };
    let work = async {
        let mut all = Vec::new();
        for host in &plan.hosts {
            let host = host.clone();
            let (looked, condition) =
                look(plan, &transport, &host, probe, expression.as_ref()).await;
            all.push(Answer { host, looked, condition });
        }
        all
    };
    let answers = LocalSet::new().block_on(&runtime, targets.clock.run(work));
    // A question at the terminal may still be open.
    runtime.shutdown_background();
    context.print(&match args.format {
        RunFormat::Human => answers.iter().map(|one| human(one, plan, context)).collect(),
        RunFormat::Json => {
            let mut value = json!({
                "probe": args.probe,
                "hosts": answers.iter().map(data).collect::<Vec<_>>(),
            });
            plan.secrets.redactor.value(&mut value);
            pretty_json(&value)
        }
    });
    let errors = answers.iter().flat_map(|one| &one.looked);
    let errors = errors.filter_map(|one| one.probed.answer.as_ref()?.as_ref().err());
    Ok(Exit::of_hosts(errors))
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str> + Clone) -> Fault {
    let fault = Fault::new(Exit::INVALID, format!("unknown {what} `{name}`"));
    let all: Vec<&str> = known.clone().collect();
    match nearest(name, known) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None if all.is_empty() => fault.help(format!("the plan has no {what}s")),
        None => fault.help(format!("{what}s of the plan: {}", all.join(", "))),
    }
}

/// Reads an expression of the command line; its names must be known before the first step.
fn expression(text: &str, plan: &Plan) -> Result<Expression, Fault> {
    let invalid =
        |why: &str| Fault::new(Exit::INVALID, format!("invalid expression `{text}`")).because(why);
    let expression = Expression::parse_text(text).map_err(|error| invalid(&error.text))?;
    let names = plan.probes.keys().chain(plan.named.keys()).chain(plan.inputs.keys());
    let names: Vec<&str> = names.map(String::as_str).chain(["host", "groups"]).collect();
    let used = expression.root.free_names();
    match used.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        Some((name, _)) => Err(unknown("name", name, names.iter().copied())),
        None => Ok(expression),
    }
}

fn human(answer: &Answer, plan: &ResolvedPlan, context: &Context) -> String {
    let style = context.style(Stream::Out);
    let redact = |text: &str| plan.secrets.redactor.text(text).into_owned();
    let mut out = String::new();
    for looked in &answer.looked {
        let probed = &looked.probed;
        let mut on = probed.on.to_string();
        if probed.on != answer.host {
            let _written = write!(on, " (for {})", answer.host);
        }
        let user = probed.user.as_ref().map_or(String::new(), |user| format!(", as {user}"));
        let command = redact(probed.command.lines().next().unwrap_or_default());
        let _written =
            writeln!(out, "{}: {}{}", printable(&on), printable(&command), printable(&user));
        match &probed.answer {
            Some(Ok(output)) => {
                let _written = writeln!(out, "  {}", ended(output));
                for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
                    let text = redact(&String::from_utf8_lossy(bytes));
                    let lines = both_ends(&text, MOST_LINES, style.width.saturating_sub(10), false);
                    for line in lines.iter().filter(|_| !text.trim().is_empty()) {
                        let _written = writeln!(out, "  {name}| {line}");
                    }
                }
            }
            Some(Err(error)) => {
                let _written = writeln!(out, "  {}", printable(&error.on(&probed.on)));
            }
            None => {}
        }
        let value = redact(&value(&looked.value));
        let lines: Vec<&str> = value.lines().collect();
        for line in lines.iter().take(2 * MOST_LINES) {
            let _written = writeln!(out, "  {}", printable(line));
        }
        if let Some(more @ 1..) = lines.len().checked_sub(2 * MOST_LINES) {
            let _written = writeln!(out, "  ... {more} more lines; `--format json` has all");
        }
    }
    if let Some((seen, value)) = &answer.condition {
        let truth = match (seen.truth, value) {
            (Truth::True, _) => "true".to_owned(),
            (Truth::False, _) => "false".to_owned(),
            (Truth::Unknown, Ok(value)) => format!("{value}, which is not a condition"),
            (Truth::Unknown, _) => "unknown".to_owned(),
        };
        let line = redact(&format!("{}: {} is {truth}", answer.host, seen.condition));
        let _written = writeln!(out, "{}", printable(&line));
        for (name, value) in &seen.values {
            let _written = writeln!(out, "  {}", printable(&redact(&format!("{name} = {value}"))));
        }
        if let Some(error) = seen.error.as_ref().filter(|_| value.is_err()) {
            let _written = writeln!(out, "  {}", printable(&redact(error)));
        }
    }
    out
}

/// Writes a value: of a table, one row a line.
fn value(value: &Result<Value, String>) -> String {
    let rows: Vec<String> = match value {
        Ok(Value::Object(rows)) if !rows.is_empty() => {
            rows.iter().map(|(key, row)| format!("\n  {key}: {row}")).collect()
        }
        Ok(Value::Array(rows)) if !rows.is_empty() => {
            rows.iter().map(|row| format!("\n  {row}")).collect()
        }
        Ok(value) => return format!("value: {value}"),
        Err(why) => return format!("value: unknown: {why}"),
    };
    format!("value:{}", rows.concat())
}

fn ended(output: &Output) -> String {
    let ended = match &output.exit {
        Ended::Code(code) => format!("exit code {code}"),
        Ended::Signal(name) => format!("killed by signal {}", printable(name)),
        Ended::TimedOut => "timed out".to_owned(),
    };
    let bytes = output.stdout_len;
    let kept = output.stdout.len();
    if bytes > kept as u64 {
        return format!("{ended}, {bytes} bytes, of which {kept} were kept");
    }
    format!("{ended}, {bytes} bytes")
}

fn data(answer: &Answer) -> Value {
    let looked = answer.looked.iter().map(|looked| {
        let probed = &looked.probed;
        let mut one = json!({
            "on": probed.on,
            "command": probed.command,
            "user": probed.user,
            "value": looked.value.as_ref().ok(),
        });
        if let Err(why) = &looked.value {
            one["unknown"] = json!(why);
        }
        match &probed.answer {
            Some(Ok(output)) => {
                one["exit"] = json!(output.exit);
                one["stdout"] = json!(String::from_utf8_lossy(&output.stdout));
                one["stdout_bytes"] = json!(output.stdout_len);
                one["stderr"] = json!(String::from_utf8_lossy(&output.stderr));
            }
            Some(Err(error)) => one["error"] = json!(error.to_string()),
            None => {}
        }
        one
    });
    let mut data = json!({"host": answer.host, "results": looked.collect::<Vec<_>>()});
    if let Some((seen, value)) = &answer.condition {
        data["expression"] = json!(seen);
        data["expression"]["value"] = json!(value.as_ref().ok());
    }
    data
}
