//! `planrun hosts trust PATTERN -i INV`: asks hosts for their keys, shows them, and adds those that the operator trusts to
//! the known hosts.
//!
//! A key is never trusted by itself: either the operator compares the fingerprints and says so at a terminal,
//! or the expected fingerprints are given. A key that differs from a known one is never replaced.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::rc::Rc;

use crate::cli::chosen::Chosen;
use crate::cli::prompter::Prompter;
use crate::cli::{Context, Exit, Fault, runtime};
use crate::inventory::{Host, HostName};
use crate::report::text::{columns, count, printable};
use crate::transport::hosts::at_a_time;
use crate::transport::passwords::Passwords;
use crate::transport::ssh::{Scanned, Shown, SshOptions, SshTransport, Trust};

/// How many hosts are asked at a time.
const JOBS: usize = 20;

/// How many jump hosts may be on the way: each is trusted before the next one is asked.
const MAX_ROUNDS: usize = 17;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Ask hosts for their keys, show the fingerprints, and add the keys to the known hosts
    Trust(Trusting),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun hosts trust 'backend*' -i prod
  planrun hosts trust backend1 -i prod --expect SHA256:uNiVztksCsDhcc0u9e8BrbJXJBH2YcWqN8uX9ZP7Fr0

Compare the fingerprints with what the host itself shows, over a trusted path:
  ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub")]
struct Trusting {
    #[command(flatten)]
    chosen: Chosen,
    /// Add only keys with this fingerprint, without asking; repeat it for more
    #[arg(long, value_name = "SHA256:...", value_parser = fingerprint)]
    expect: Vec<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let Command::Trust(args) = &args.command;
    let mut hosts = args.chosen.hosts("cannot ask for keys", context)?;
    if hosts.is_empty() {
        return Ok(Exit::SUCCEEDED);
    }
    let runtime = runtime("cannot connect to hosts")?;
    let passwords = Rc::new(Passwords::of(Rc::<Prompter>::default()));
    let ssh = SshTransport::with(SshOptions::default(), passwords);
    let (mut failures, mut is_refused) = (Vec::new(), false);
    for _ in 0..MAX_ROUNDS {
        let scans = runtime.block_on(at_a_time(JOBS, hosts.iter().map(|host| ssh.scan(host))));
        let mut waiting = BTreeSet::new();
        let mut shown: Vec<Scanned> = Vec::new();
        for (host, scan) in hosts.iter().zip(scans) {
            match scan {
                Err(error) => failures.push(error),
                Ok(scan) => {
                    if scan.host.is_none() {
                        waiting.insert(host.name.clone());
                    }
                    let key = |one: &Scanned| (one.name.clone(), one.file.clone());
                    if shown.iter().all(|other| key(other) != key(&scan)) {
                        shown.push(scan);
                    }
                }
            }
        }
        is_refused |= !trusts(&shown, args, context)?;
        if waiting.is_empty() || is_refused {
            break;
        }
        hosts.retain(|host: &Host| waiting.contains::<HostName>(&host.name));
    }
    runtime.shutdown_background();
    for failure in &failures {
        context.say(&printable(&failure.to_string()));
    }
    Ok(if is_refused { Exit(77) } else { Exit::of_hosts(failures.iter()) })
}

fn fingerprint(text: &str) -> Result<String, &'static str> {
    const WHY: &str = "expected SHA256: and 43 characters, as `ssh-keygen -l` prints them";
    let is_whole = text.strip_prefix("SHA256:").is_some_and(|hash| hash.len() == 43);
    is_whole.then(|| text.to_owned()).ok_or(WHY)
}

/// Shows keys, asks, and writes them. Returns false if the operator declined, or a key is not what it should be.
fn trusts(shown: &[Scanned], args: &Trusting, context: &Context) -> Result<bool, Fault> {
    let mut refused = false;
    let (mut new, mut table) = (Vec::new(), Vec::new());
    for one in shown {
        let mut titles = [one.host.as_ref().map_or("jump host", HostName::as_str), &one.name];
        for key in &one.keys {
            let mut is_expected = args.expect.is_empty();
            is_expected |= args.expect.iter().any(|want| key.fingerprint.ends_with(want.as_str()));
            let state = match &key.state {
                Trust::Known => "known".to_owned(),
                Trust::New if is_expected => "new".to_owned(),
                Trust::New => "not expected".to_owned(),
                Trust::Changed(at) => format!("CHANGED: {at} has another key"),
                Trust::Revoked(at) => format!("REVOKED by {at}"),
            };
            refused |= matches!(key.state, Trust::Changed(_) | Trust::Revoked(_));
            if key.state == Trust::New && is_expected {
                new.push((one, key));
            }
            let [host, name] = std::mem::take(&mut titles);
            table.push([host, name, &key.fingerprint, &state].map(printable));
        }
        let is_known = |key: &Shown| key.state == Trust::Known;
        let is_new = new.iter().any(|(other, _)| std::ptr::eq(*other, one));
        refused |= !is_new && !one.keys.iter().any(is_known);
    }
    context.print(&columns(&table, |_| true));
    if refused {
        context.say(
            "nothing was added: a key is not what was expected. Either a host was reinstalled, or \
             someone intercepts the connection. Find out which, then remove the old line",
        );
        return Ok(false);
    }
    if new.is_empty() {
        return Ok(true);
    }
    let files = new.iter().map(|(one, _)| file_of(one)).collect::<Result<Vec<_>, _>>()?;
    if args.expect.is_empty() {
        let question =
            format!("Did you compare the fingerprints? Add {}?", count(new.len(), "key"));
        if !context.confirm_or(&question, "pass the expected fingerprints by `--expect`")? {
            return Ok(false);
        }
    }
    for ((one, key), file) in new.iter().zip(&files) {
        append(file, &format!("{} {}\n", one.name, key.key)).map_err(|error| {
            Fault::of(Exit::STORE, format!("cannot write {}", file.display()), &error)
        })?;
    }
    let files: BTreeSet<String> = files.iter().map(|file| file.display().to_string()).collect();
    let files = files.into_iter().collect::<Vec<_>>().join(" and ");
    context.say(&format!("added {} to {}", count(new.len(), "key"), printable(&files)));
    Ok(true)
}

/// Returns the file that the keys of a host belong in.
fn file_of(one: &Scanned) -> Result<&Path, Fault> {
    let why = match &one.file {
        None => format!("no file to add keys to: `UserKnownHostsFile` of {} is `none`", one.name),
        Some(file) if file.metadata().is_ok_and(|at| !at.is_file()) => {
            format!("cannot add keys to {}: it is not a regular file", file.display())
        }
        Some(file) => return Ok(file),
    };
    Err(Fault::new(Exit::INVALID, why).help("set `planrun_known_hosts` to the file to use"))
}

/// Appends a line, after the end of one that is not ended.
fn append(file: &Path, line: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut open =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(file)?;
    let mut last = [b'\n'];
    if open.seek(SeekFrom::End(0))? > 0 {
        open.seek(SeekFrom::End(-1))?;
        open.read_exact(&mut last)?;
    }
    let end = if last == [b'\n'] { "" } else { "\n" };
    open.write_all(format!("{end}{line}").as_bytes())
}
