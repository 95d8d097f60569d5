//! The command line: parses the arguments and runs a command.
//!
//! A command takes its arguments and a `Context`, calls the stages, and returns an `Exit`. Results go to
//! standard output: data, and what a run does. Messages go to standard error. There are three kinds of problems: `print` prints
//! diagnostics, a `Fault` is an error of the system and is printed in one place, and what failed on a
//! host is data in the events of a run.
//!
//! ```text
//!  arguments -> Cli -> validate, explain, inventory, schema, runs, show, config  read and print
//!                      completions                                    print a script for a shell
//!                      test                                           run plans on model hosts
//!                      ping, preview, look                            contact hosts, change nothing
//!                      new, man                                       write files
//!                      locks, unlock                                  ask hosts about their locks
//!                      abort, resolve                                 add one event to a run
//!                      stop, watch                                    pause or follow a run of another process
//!                      apply, resume, rollback -> session             execute a run
//!                                                  |- view    shows the run
//!                                                  |- notifying  sends notifications
//!                                                  |- signals interrupt it
//!                                                  '- asker   asks the operator
//! ```
//!
//! What plans and runs mean is decided elsewhere. No other module uses this one.

mod abort;
mod apply;
mod asker;
mod chosen;
mod completions;
mod config;
mod configuration;
mod context;
mod exit;
mod expected;
mod explain;
mod fault;
mod hosts;
mod identity;
mod inbox;
mod inventory;
mod locks;
mod log;
mod look;
mod man;
mod near;
mod new;
mod notifying;
mod observe;
mod open_run;
mod out;
mod ping;
mod preview;
mod print;
mod programs;
mod prompter;
mod prune;
mod request;
mod resolve;
mod resume;
mod revision;
mod rollback;
mod runs;
mod saved;
mod schema;
mod secret_args;
mod session;
mod setting;
mod sharing;
mod show;
mod signals;
mod stop;
mod subject;
mod targets;
mod terminal;
mod test;
mod unlock;
mod validate;
mod values;
mod view;
mod watch;

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::cli::context::{Context, Stream};
use crate::cli::exit::Exit;
use crate::cli::fault::Fault;
use crate::cli::identity::who;
use crate::report::text::printable;

const EXAMPLES: &str = "\
Examples:
  planrun new web-restart                                create a plan
  planrun validate plans/*.yaml                          report every problem, contact no host
  planrun test plans                                     run the scenarios of plans on model hosts
  planrun apply plans/obox-restart.yaml -i demo          run a plan on model hosts
  planrun apply plans/obox-restart.yaml -i prod --limit backend1
  planrun show last                                      what was done, and why
  planrun resume last                                    continue after an interrupt or a crash
  planrun rollback last --reason 'mail is slow'          undo the changes";

/// Run declarative maintenance plans over SSH, with checks, rollback and crash-safe resume
#[derive(Debug, Parser)]
#[command(
    name = "planrun",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Args)]
struct Global {
    /// When to use colour; by default as `color` of your configuration says, else `auto`: on a terminal,
    /// unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", help_heading = "General")]
    color: Option<ColorChoice>,
    /// Show the output of each command; repeat it to log to standard error, too. `PLANRUN_LOG` sets a filter
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "General")]
    verbose: u8,
    /// Append the log to a file instead, from `info` on; only you can read it
    #[arg(long, global = true, value_name = "FILE", help_heading = "General")]
    log: Option<PathBuf>,
    /// The state directory; by default `$PLANRUN_STATE_DIR`, else `state_dir` of your configuration, else
    /// `~/.local/state/planrun`
    #[arg(long, global = true, value_name = "DIR", help_heading = "General")]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Validate plans, models, tests and inventories without contacting hosts
    Validate(validate::Args),
    /// Run the scenarios of test files on model hosts
    Test(test::Args),
    /// Create a commented, valid plan or inventory
    New(new::Args),
    /// Show what `apply` would do now, and change nothing
    Preview(preview::Args),
    /// Run one probe of a plan, and show its output and value
    Look(look::Args),
    /// Run a plan on the hosts of an inventory
    Apply(apply::Args),
    /// Resume a paused or interrupted run
    Resume(resume::Args),
    /// Roll back a run, newest step first
    Rollback(rollback::Args),
    /// Abandon a run without undoing anything
    Abort(abort::Args),
    /// Answer a question of a run
    Resolve(resolve::Args),
    /// Pause a run that another process works on
    Stop(stop::Args),
    /// Show a run while it is executed, or from its first event
    Watch(watch::Args),
    /// List the runs, newest first
    Runs(runs::Args),
    /// Show all details of a run
    Show(show::Args),
    /// Remove old runs that have ended
    Prune(prune::Args),
    /// Show the hosts of an inventory and how to connect to them
    Inventory(inventory::Args),
    /// Check whether the hosts of an inventory can be worked on
    Ping(ping::Args),
    /// Trust the host keys of an inventory, after comparing them
    Hosts(hosts::Args),
    /// Show which runs have locked hosts
    Locks(locks::Args),
    /// Release the lock of a run that cannot be resumed or aborted
    Unlock(unlock::Args),
    /// Show every setting, its value and where it comes from
    Config(config::Args),
    /// Explain the code of a diagnostic: what it means, an example, its fix
    Explain(explain::Args),
    /// Print the JSON Schema of a kind of file, for editors
    Schema(schema::Args),
    /// Print the completion script of a shell
    Completions(completions::Args),
    /// Write the manual pages
    Man(man::Args),
}

/// Runs the command line, and returns the exit code of the process.
pub fn main() -> ExitCode {
    if let Some(exit) = completions::answer() {
        return exit.into();
    }
    fault::set_panic_hook();
    // Without it, planrun works, up to the limit.
    let _unlimited = signals::survive_limits();
    let done =
        std::panic::catch_unwind(AssertUnwindSafe(
            || run(&std::env::args_os().collect::<Vec<_>>()),
        ));
    done.unwrap_or(Exit::INTERNAL).into()
}

fn run(words: &[OsString]) -> Exit {
    let parsed = command().try_get_matches_from(words);
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed.map_err(|error| near::with_tip(error, words)) {
        Ok(cli) => cli,
        Err(error) => {
            // It quotes the arguments, such as the name of a file.
            let is_plain =
                |word: &OsString| word.to_str().is_some_and(|text| printable(text) == text);
            if error.use_stderr() && !words.iter().all(is_plain) {
                let text = error.render().to_string();
                text.lines().for_each(|line| out::write_line(&printable(line)));
            } else if let Err(failure) = error.print() {
                out::note(&failure);
            }
            return arrived(if error.use_stderr() { Exit::INVALID } else { Exit::SUCCEEDED });
        }
    };
    let context = Context::new(&cli.global);
    if let Err(fault) = context.begin_log() {
        context.tell(&fault);
        return arrived(fault.exit());
    }
    tracing::info!(target: "run", version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "planrun started");
    let exit = cli.command.run(&context).unwrap_or_else(|fault| {
        context.tell(&fault);
        tracing::info!(target: "run", "{}", fault.lines().join(": "));
        fault.exit()
    });
    tracing::info!(target: "run", code = exit.0, "planrun ended");
    context.warn();
    log::warn();
    arrived(exit)
}

/// Makes what runs futures on this thread; an error is about what cannot be done then.
fn runtime(doing: &str) -> Result<Runtime, Fault> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Fault::of(Exit::INTERNAL, doing, &error))
}

/// Returns the exit code: a failure to write the output is never a success.
fn arrived(exit: Exit) -> Exit {
    match out::failure() {
        Some(why) => {
            out::write_line(&format!("error: cannot write standard output: {why}"));
            if exit == Exit::SUCCEEDED { Exit::STORE } else { exit }
        }
        None => exit,
    }
}

fn command() -> clap::Command {
    let after = format!("{EXAMPLES}\n\n{}", exit::table());
    Cli::command().after_help(EXAMPLES).after_long_help(after)
}

impl Command {
    fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self {
            Self::Validate(args) => Ok(validate::run(&args, context)),
            Self::Test(args) => test::run(&args, context),
            Self::New(args) => new::run(&args, context),
            Self::Preview(args) => preview::run(&args, context),
            Self::Look(args) => look::run(&args, context),
            Self::Apply(args) => apply::run(&args, context),
            Self::Resume(args) => resume::run(&args, context),
            Self::Rollback(args) => rollback::run(&args, context),
            Self::Abort(args) => abort::run(&args, context),
            Self::Resolve(args) => resolve::run(&args, context),
            Self::Stop(args) => stop::run(&args, context),
            Self::Watch(args) => watch::run(&args, context),
            Self::Runs(args) => runs::run(&args, context),
            Self::Show(args) => show::run(&args, context),
            Self::Prune(args) => prune::run(&args, context),
            Self::Inventory(args) => inventory::run(&args, context),
            Self::Ping(args) => ping::run(&args, context),
            Self::Hosts(args) => hosts::run(&args, context),
            Self::Locks(args) => locks::run(&args, context),
            Self::Unlock(args) => unlock::run(&args, context),
            Self::Config(args) => config::run(&args, context),
            Self::Explain(args) => explain::run(&args, context),
            Self::Schema(args) => Ok(schema::run(&args)),
            Self::Completions(args) => Ok(completions::run(&args)),
            Self::Man(args) => man::run(&args, context),
        }
    }
}
