//! `planrun ping PATTERN -i INV`: whether each host can be worked on, and what it can do.
//!
//! It does what a run does before its first change, and changes nothing: it connects, checks the host key,
//! logs in, becomes the other user, and asks the host a few questions with one probe.

use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::chosen::Chosen;
use crate::cli::prompter::Prompter;
use crate::cli::runs::RunFormat;
use crate::cli::{Context, Exit, Fault, Stream, runtime};
use crate::clock::Clock;
use crate::inventory::Host;
use crate::report::text::{columns, count, pretty_json, printable, wrap};
use crate::transport::answer::refused;
use crate::transport::hosts::{Hosts, at_a_time};
use crate::transport::local::LocalTransport;
use crate::transport::passwords::Passwords;
use crate::transport::ssh::{SshOptions, SshTransport};
use crate::transport::{Body, Command, Transport, TransportError};

/// How many hosts are asked at a time, by default.
const JOBS: u16 = 20;

/// How far the clock of a host may differ before it is reported.
const SKEW: i64 = 2;

/// How little space for records is reported, in KiB.
const LITTLE: u64 = 10 * 1024;

/// What a host is asked. The login has made the directory for records, if that is possible.
const QUESTIONS: &str = include_str!("ping.sh");

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun ping -i prod
  planrun ping 'backends:!backend3' -i prod --become postgres
  planrun ping -i prod --format json | jq '.hosts[] | select(.error)'")]
pub(super) struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Become this user; by default as the inventory says
    #[arg(long, value_name = "USER")]
    r#become: Option<String>,
    /// How many hosts to ask at a time
    #[arg(long, value_name = "NUMBER", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: RunFormat,
}

/// What a host answered, as `--format json` prints it.
#[derive(Default, serde::Serialize)]
struct Answer {
    user: String,
    r#become: Option<String>,
    system: String,
    /// By how many seconds its clock is ahead.
    clock_skew: Option<i64>,
    /// The free space for records.
    free_kib: Option<u64>,
    /// How long the probe took.
    milliseconds: u64,
    tools: Vec<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let hosts = args.chosen.hosts("cannot ping", context)?;
    if hosts.is_empty() {
        return Ok(Exit::SUCCEEDED);
    }
    let runtime = runtime("cannot connect to hosts")?;
    let passwords = Rc::new(Passwords::of(Rc::<Prompter>::default()));
    let ssh = SshTransport::with(SshOptions::default(), passwords);
    let transport = Hosts::new(ssh, LocalTransport::new(), None);
    let ask = hosts.iter().map(|host| ask(&transport, host, args.r#become.as_deref()));
    let answers = runtime.block_on(at_a_time(args.jobs.into(), ask));
    // A question at the terminal may still be open.
    runtime.shutdown_background();
    let rows: Vec<(&Host, &Result<Answer, TransportError>)> = hosts.iter().zip(&answers).collect();
    context.print(&match args.format {
        RunFormat::Human => human(&rows, context),
        RunFormat::Json => {
            let hosts: Vec<Value> = rows.iter().map(|(host, answer)| data(host, answer)).collect();
            pretty_json(&json!({ "hosts": hosts }))
        }
    });
    Ok(Exit::of_hosts(answers.iter().filter_map(|answer| answer.as_ref().err())))
}

async fn ask(
    transport: &Hosts,
    host: &Host,
    r#become: Option<&str>,
) -> Result<Answer, TransportError> {
    transport.log_in(host, None).await?;
    let own = || host.link.become_user.clone().unwrap_or_else(|| "root".to_owned());
    let user = r#become.map(str::to_owned);
    let user = user.or_else(|| (host.link.r#become == Some(true)).then(own));
    if user.is_some() {
        transport.log_in(host, user.as_deref()).await?;
    }
    let command = Command {
        body: Body::Script(QUESTIONS.to_owned()),
        stdin: None,
        env: indexmap::IndexMap::new(),
        secret_env: false,
        dir: None,
        r#become: None,
        timeout: Duration::from_secs(30),
        step: String::new(),
        host: None,
    };
    let (start, before) = (Clock::Real.monotonic(), Clock::Real.now().as_second());
    let output = transport.look(host, &command).await?;
    let (took, after) =
        (Clock::Real.monotonic().saturating_sub(start), Clock::Real.now().as_second());
    let milliseconds = took.as_millis().try_into().unwrap_or(u64::MAX);
    let mut answer = Answer { r#become: user, milliseconds, ..Answer::default() };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.split_once(' ').unwrap_or((line, "")) {
            // Between sending and receiving, the host read its clock.
            ("time", time) => {
                let time = time.parse::<i64>().ok();
                answer.clock_skew = time.map(|time| time - time.clamp(before, after));
            }
            ("user", user) => user.clone_into(&mut answer.user),
            ("system", system) => system.clone_into(&mut answer.system),
            ("free", free) => answer.free_kib = free.parse().ok(),
            ("no-record", _) => return Err(refused(host.name.clone(), line)),
            ("has", tool) => answer.tools.push(tool.to_owned()),
            _ => {}
        }
    }
    Ok(answer)
}

impl Answer {
    /// Returns what may become a problem.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(skew) = self.clock_skew.filter(|skew| skew.abs() >= SKEW) {
            let way = if skew > 0 { "ahead" } else { "behind" };
            remarks.push(format!("its clock is {} s {way}", skew.abs()));
        }
        if let Some(free) = self.free_kib.filter(|free| *free < LITTLE) {
            remarks.push(format!("only {free} KiB are free for records"));
        }
        for (tool, why) in [
            ("setsid", "a lost connection may end a command"),
            ("flock", "commands that are still running are found by their processes only"),
        ] {
            if !self.tools.iter().any(|has| has == tool) {
                remarks.push(format!("no {tool}: {why}"));
            }
        }
        remarks
    }
}

fn human(rows: &[(&Host, &Result<Answer, TransportError>)], context: &Context) -> String {
    let title = ["HOST", "LOGIN", "BECOMES", "SYSTEM", "FREE", "ms"].map(str::to_owned);
    let mut table = vec![title];
    let mut below = Vec::new();
    let mut failed = 0;
    for (host, answer) in rows {
        let name = printable(host.name.as_str());
        match answer {
            Ok(answer) => {
                let free =
                    answer.free_kib.map_or("?".to_owned(), |free| format!("{} MiB", free / 1024));
                let to = answer.r#become.clone().unwrap_or_else(|| "-".to_owned());
                let took = answer.milliseconds.to_string();
                table
                    .push([&*name, &answer.user, &to, &answer.system, &free, &took].map(printable));
                below.extend(answer.remarks().into_iter().map(|text| format!("{name}: {text}")));
            }
            Err(error) => {
                failed += 1;
                below.push(printable(&error.to_string()));
            }
        }
    }
    let mut out = if table.len() > 1 { columns(&table, |_| true) } else { String::new() };
    let width = context.style(Stream::Out).width;
    for text in below {
        for (number, line) in wrap(&text, width.saturating_sub(4)).iter().enumerate() {
            let _written = writeln!(out, "{}{line}", if number == 0 { "" } else { "    " });
        }
    }
    let good = rows.len() - failed;
    out + &format!("{} of {} can be worked on\n", good, count(rows.len(), "host"))
}

fn data(host: &Host, answer: &Result<Answer, TransportError>) -> Value {
    let name = host.name.as_str();
    match answer {
        Ok(answer) => {
            let mut data = json!(answer);
            (data["host"], data["remarks"]) = (json!(name), json!(answer.remarks()));
            data
        }
        Err(error) => {
            let kind = match error {
                TransportError::Unreachable { .. } | TransportError::Cut { .. } => "unreachable",
                TransportError::HostKey { .. } => "host_key",
                TransportError::Denied { .. } => "denied",
                _ => "controller",
            };
            json!({"host": name, "error": kind, "message": error.to_string()})
        }
    }
}
