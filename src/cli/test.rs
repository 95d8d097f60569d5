//! `planrun test`: runs the scenarios of test files on model hosts.
//!
//! [`crate::load`] finds, reads and checks the files, [`crate::scenario`] runs the scenarios; here are the
//! arguments, the threads, the formats and the exit code. If a file has errors, no scenario is run. Results
//! are shown in the order of the files, whichever scenario ends first.

mod human;
mod json;
mod junit;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::{Context, Exit, Fault, print};
use crate::clock::Clock;
use crate::diagnostic::Diagnostics;
use crate::file::FileSystem;
use crate::load::scenarios::{self, Checked, TestFile};
use crate::load::test_files::{self, NoTests};
use crate::report::text::{count, printable};
use crate::scenario::stage::Stage;
use crate::scenario::{Ended, Scenario};
use crate::source::Sources;

/// Maximum number of threads.
const MAX_JOBS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line for each scenario, then the failures
    Human,
    /// One JSON object for each scenario
    Json,
    /// `JUnit` XML: a test case for each scenario
    Junit,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun test                               all scenarios below this folder
  planrun test plans/obox-restart.yaml       those of one plan
  planrun test plans/tests/obox-restart.test.yaml --filter 'does not start'
  planrun test plans --format junit > planrun.xml

Exit: 0 all scenarios passed; 1 a scenario failed; 2 a file has errors, or there is no scenario to run.
`planrun help` has the others.")]
pub(super) struct Args {
    /// Test files, plans (their test files are next to them or in `tests`), or folders; by default this folder
    #[arg(value_name = "PLAN|FILE|FOLDER", default_value = ".", hide_default_value = true)]
    words: Vec<String>,
    /// Run only scenarios whose file or name contains this text; repeat it for more
    #[arg(long, short = 'f', value_name = "TEXT")]
    filter: Vec<String>,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// List the scenarios and run none
    #[arg(long)]
    list: bool,
    /// Show the run of each scenario in full, also of those that pass
    #[arg(long)]
    trace: bool,
    /// How many scenarios run at a time; by default as many as this machine has cores
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZero<usize>>,
}

/// A scenario to be run.
#[derive(Debug)]
struct Case {
    path: PathBuf,
    /// The path as it is shown.
    file: String,
    line: usize,
    /// Its place among the scenarios of its file.
    number: usize,
    scenario: Scenario,
}

/// A scenario that has ended; an error says why it could not be run.
struct Tested<'a> {
    case: &'a Case,
    ended: Result<Ended, String>,
    /// How long that took this process.
    took: Duration,
}

impl Tested<'_> {
    fn has_passed(&self) -> bool {
        self.ended.as_ref().is_ok_and(|ended| ended.unmet.is_empty())
    }
}

impl Case {
    /// Returns its file and its name.
    fn shown(&self) -> String {
        format!("{}: {}", printable(&self.file), printable(&self.scenario.name))
    }

    fn is_chosen(&self, filter: &[String]) -> bool {
        let whole = format!("{}: {}", self.file, self.scenario.name).to_lowercase();
        filter.is_empty() || filter.iter().any(|text| whole.contains(&text.to_lowercase()))
    }
}

/// What a thread has read: the parts of a plan stay in one thread, so each reads the files itself.
#[derive(Default)]
struct Worker {
    sources: Sources,
    /// The file that was read last.
    file: Option<(PathBuf, TestFile)>,
}

impl Worker {
    fn run(&mut self, case: &Case) -> Result<Ended, String> {
        if self.file.as_ref().is_none_or(|(path, _)| *path != case.path) {
            let mut found = Diagnostics::default();
            let read = scenarios::read(&case.path, &mut self.sources, &mut found);
            self.file = read.map(|file| (case.path.clone(), file));
        }
        let file = self.file.as_ref().map(|(_, file)| file);
        let checked = file.and_then(|file| Some((file, file.scenarios.get(case.number)?)));
        let Some((file, Checked { plan, .. })) = checked else {
            return Err("the file was changed while its scenarios ran".to_owned());
        };
        let path = file.plan.display().to_string();
        let stage = Stage::new(plan.clone(), Arc::clone(&file.model), &path, &file.text);
        case.scenario.run(&stage).map_err(|error| error.to_string())
    }
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let mut sources = Sources::default();
    let files = files(&args.words, &*sources.files())?;
    let (all, number) = read(&files, &mut sources, context)?;
    let found = all.len();
    let cases: Vec<Case> = all.into_iter().filter(|case| case.is_chosen(&args.filter)).collect();
    if cases.is_empty() {
        let message = format!("no scenario matches `--filter`; there are {found}");
        let help = "to list them, run `planrun test --list`";
        return Err(Fault::new(Exit::INVALID, message).help(help));
    }
    if args.list {
        let lines = cases.iter().map(|case| format!("{}\n", case.shown()));
        context.print(&lines.collect::<String>());
        return Ok(Exit::SUCCEEDED);
    }
    let mut tested = Vec::new();
    let human = human::Report { context, sources: &sources, trace: args.trace };
    if args.format == Format::Human {
        human.start(cases.len(), number, found);
    }
    run_all(&cases, args.jobs, |one| {
        match args.format {
            Format::Human => human.line(&one),
            Format::Json => context.print(&json::line(&one, args.trace, &sources)),
            Format::Junit => {}
        }
        tested.push(one);
    });
    match args.format {
        Format::Human => human.end(&tested),
        Format::Json => {}
        Format::Junit => context.print(&junit::document(&tested, &sources)),
    }
    let failed = tested.iter().filter(|one| !one.has_passed()).count();
    if args.format != Format::Human {
        context.say(&verdict(tested.len(), failed));
    }
    Ok(if failed > 0 { Exit::FAILED } else { Exit::SUCCEEDED })
}

/// Returns the last line: how many passed.
fn verdict(all: usize, failed: usize) -> String {
    let passed = all - failed;
    match failed {
        0 => format!("{}: {passed} passed", count(all, "scenario")),
        _ => format!("{}: {passed} passed, {failed} failed", count(all, "scenario")),
    }
}

/// Finds the test files that words mean.
fn files(words: &[String], disk: &dyn FileSystem) -> Result<Vec<PathBuf>, Fault> {
    let mut files = Vec::new();
    for word in words {
        files.extend(test_files::find(word, disk).map_err(|why| no_tests(word, &why))?);
    }
    Ok(test_files::distinct(files, disk))
}

fn no_tests(word: &str, why: &NoTests) -> Fault {
    let fault = |message: String| Fault::new(Exit::INVALID, message);
    let name = Path::new(word).file_stem().unwrap_or_default().to_string_lossy();
    match why {
        NoTests::Missing => {
            fault(format!("there is no file or folder `{word}`")).help("check the path")
        }
        NoTests::InFolder => fault(format!("no test file in `{word}`"))
            .help("only files that end in `.yaml` or `.yml` are found")
            .help("to write the first one, run `planrun new --kind test NAME`"),
        NoTests::OfPlan => fault(format!("no test file names `{word}` as its plan"))
            .help("test files are searched next to the plan, and in `tests` next to it")
            .help(format!("to write one, run `planrun new --kind test {name}`")),
        NoTests::Other(kind) => {
            let kind = kind.map_or("not a test file", |kind| match kind.name() {
                "model" => "a model",
                _ => "an inventory",
            });
            fault(format!("`{word}` is {kind}")).help("name a test file, a plan, or a folder")
        }
    }
}

/// Reads all files; if one has errors, all of them are printed. Returns the scenarios and how many files
/// there are.
fn read(
    files: &[PathBuf],
    sources: &mut Sources,
    context: &Context,
) -> Result<(Vec<Case>, usize), Fault> {
    let mut found = Diagnostics::default();
    let mut cases = Vec::new();
    for path in files {
        let Some(file) = scenarios::read(path, sources, &mut found) else { continue };
        for (number, checked) in file.scenarios.iter().enumerate() {
            let scenario = Scenario::lower(&checked.node, &checked.plan.inventory);
            let source = sources.get(scenario.place.source);
            cases.push(Case {
                path: path.clone(),
                file: path.display().to_string(),
                line: source.line_column(scenario.place.range().start).0,
                number,
                scenario,
            });
        }
    }
    if found.has_errors() {
        print::refuse(&found, sources, "no scenario was run", context);
        return Err(Fault::reported(Exit::INVALID));
    }
    print::diagnostics(&found, sources, context);
    Ok((cases, files.len()))
}

/// Runs scenarios on several threads, and passes each on in its order.
fn run_all<'a>(cases: &'a [Case], jobs: Option<NonZero<usize>>, mut done: impl FnMut(Tested<'a>)) {
    let cores = || thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let jobs = jobs.unwrap_or_else(cores).get().min(MAX_JOBS).min(cases.len());
    let next = AtomicUsize::new(0);
    let (ends, ended) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let ends = ends.clone();
            let next = &next;
            scope.spawn(move || {
                let mut worker = Worker::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { break };
                    let begun = Clock::Real.monotonic();
                    let ended = worker.run(case);
                    let took = Clock::Real.monotonic().saturating_sub(begun);
                    if ends.send((number, Tested { case, ended, took })).is_err() {
                        break;
                    }
                }
            });
        }
        drop(ends);
        let mut waiting: Vec<Option<Tested<'a>>> = cases.iter().map(|_| None).collect();
        let mut shown = 0;
        for (number, one) in ended {
            waiting[number] = Some(one);
            while let Some(one) = waiting.get_mut(shown).and_then(Option::take) {
                shown += 1;
                done(one);
            }
        }
    });
}
