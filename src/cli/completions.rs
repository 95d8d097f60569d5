//! `planrun completions`: the scripts that complete command lines in shells, and the candidates that they ask for.
//!
//! ```text
//!  shell --the line up to the cursor--> PLANRUN_COMPLETE=SHELL planrun --words--> engine of clap
//!        <--words in its quoting------- Bash, Zsh, Fish        <--candidates--- values, paths
//! ```
//!
//! A script asks this program each time, so that runs, hosts and steps are those of the moment. An answer is
//! never an error: it writes nothing but candidates, and its exit code is 0.

mod line;
mod paths;
mod values;

use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use clap::{Command, ValueEnum};
use clap_complete::engine;
use clap_complete::engine::CompletionCandidate;

use crate::cli::Exit;
use crate::cli::completions::line::{Line, Typed, Word};
use crate::cli::{command, out};
use crate::report::text::{clip, pad, printable, width};

/// The environment variable by which a script asks for candidates.
const ASKED_BY: &str = "PLANRUN_COMPLETE";
/// The group of candidates that are paths.
const PATH: &str = "path";
/// Columns of a description.
const WIDEST: usize = 60;
/// What bash asks for if it lists candidates and inserts at most what they have in common.
const LISTING: [&str; 3] = ["63", "33", "64"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where to put the script:
  bash   planrun completions bash > ~/.local/share/bash-completion/completions/planrun
         (with the package bash-completion), or in ~/.bashrc: source <(planrun completions bash)
  zsh    planrun completions zsh > ~/.zfunc/_planrun
         and in ~/.zshrc, before compinit: fpath=(~/.zfunc $fpath)
         or after compinit: source <(planrun completions zsh)
  fish   planrun completions fish > ~/.config/fish/completions/planrun.fish

It completes commands, options, and what they name: plans, inventories, hosts, inputs, probes, runs and
their questions. For that it runs planrun, which reads files and the run store, contacts no host and
starts no other program.")]
pub(super) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Exit {
    out::print(match args.shell {
        Shell::Bash => include_str!("completions/planrun.bash"),
        Shell::Zsh => include_str!("completions/planrun.zsh"),
        Shell::Fish => include_str!("completions/planrun.fish"),
    });
    Exit::SUCCEEDED
}

/// Prints candidates if a shell asks for them; `None` if none does.
pub(super) fn answer() -> Option<Exit> {
    let shell = std::env::var_os(ASKED_BY).filter(|shell| !shell.is_empty())?;
    let shell = shell.to_str().and_then(|shell| Shell::from_str(shell, false).ok());
    // In the middle of a command line, a message would only destroy it.
    std::panic::set_hook(Box::new(|_| {}));
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let found = std::panic::catch_unwind(AssertUnwindSafe(|| match shell {
        Some(Shell::Bash) => for_bash(&words),
        Some(Shell::Zsh) => for_zsh(&words),
        Some(Shell::Fish) => for_fish(&words),
        None => String::new(),
    }));
    out::print(&found.unwrap_or_default());
    Some(Exit::SUCCEEDED)
}

/// What can be at the cursor.
struct Candidate {
    value: String,
    help: String,
    is_path: bool,
}

impl Candidate {
    /// Whether the word is complete: a space may follow.
    fn is_whole(&self) -> bool {
        !(self.value.ends_with('=') || self.is_path && self.value.ends_with('/'))
    }
}

/// Returns the candidates for a word after other words, of which the first one is the program.
fn candidates(before: &[String], word: &str) -> Vec<Candidate> {
    // The candidates of a lone dash are its short options only.
    let asked = if word == "-" { "--" } else { word };
    let mut words: Vec<OsString> = before.iter().map(OsString::from).collect();
    let line = Arc::new(Line::of(&words, &command()));
    words.push(asked.into());
    let index = words.len() - 1;
    let mut command = completed(command(), &line);
    let found = engine::complete(&mut command, words, index, None).unwrap_or_default();
    let mut found: Vec<Candidate> = found.iter().filter_map(usable).collect();
    // Options are offered if asked for, or if there is nothing else.
    if word.is_empty() && found.iter().any(|one| !one.value.starts_with('-')) {
        found.retain(|one| !one.value.starts_with('-'));
    } else if word.is_empty() {
        found.retain(|one| one.value.starts_with("--"));
    }
    found
}

/// Gives all options and arguments of a command their candidates.
fn completed(command: Command, line: &Arc<Line>) -> Command {
    let command = command.mut_args(|arg| values::with_candidates(arg, line));
    command.mut_subcommands(|command| completed(command, line))
}

/// Returns a candidate that can be shown and typed.
fn usable(found: &CompletionCandidate) -> Option<Candidate> {
    let value = found.get_value().to_str().filter(|value| printable(value) == **value)?;
    let help = found.get_help().map(ToString::to_string).unwrap_or_default();
    Some(Candidate {
        value: value.to_owned(),
        help: about(help.lines().next().unwrap_or_default()),
        is_path: found.get_tag().is_some_and(|tag| tag.to_string() == PATH),
    })
}

/// Returns a description that fits next to a candidate.
fn about(text: &str) -> String {
    clip(&printable(text.lines().next().unwrap_or_default().trim()), WIDEST)
}

/// Arguments: the line up to the cursor, the reason of the call, the characters at which words are broken,
/// and the width of the terminal. A line of the answer replaces what follows the last break.
fn for_bash(words: &[String]) -> String {
    let [line, reason, breaks, columns] = words else { return String::new() };
    let typed = Typed::of(line, breaks);
    let found = candidates(&typed.before, &typed.word.text);
    let typed_words: Vec<(String, &str)> = found
        .iter()
        .filter_map(|one| Some((in_bash(one, &typed.word)?, one.help.as_str())))
        .collect();
    let columns = columns.parse().unwrap_or(80);
    let is_listed = LISTING.contains(&reason.as_str()) && typed_words.len() > 1;
    let widest = typed_words.iter().map(|(word, _)| width(word)).max().unwrap_or_default();
    let lines = typed_words.into_iter().map(|(word, help)| {
        let room = usize::saturating_sub(columns, widest + 5);
        if is_listed && !help.is_empty() && room > 10 {
            format!("{} ({})\n", pad(&word, widest), clip(help, room))
        } else {
            format!("{word}\n")
        }
    });
    lines.collect()
}

/// Returns what bash inserts for a candidate.
fn in_bash(candidate: &Candidate, word: &Word) -> Option<String> {
    // Only the part that readline replaces; a tilde must stay one.
    let rest = candidate.value.get(word.kept..)?;
    candidate.value.starts_with(&word.text[..word.kept]).then_some(())?;
    let special = match word.quote {
        Some('\'') => return Some(rest.replace('\'', r"'\''")),
        Some(_) => "\"$`\\!",
        None => " \t'\"\\$`!&|;<>()[]{}*?#~^",
    };
    let is_home = word.kept == 0 && candidate.is_path && rest.starts_with("~/");
    let mut out = String::new();
    for (at, letter) in rest.char_indices() {
        if special.contains(letter) && !(is_home && at == 0) {
            out.push('\\');
        }
        out.push(letter);
    }
    // After an open quote readline closes it instead.
    if candidate.is_whole() && word.quote.is_none() {
        out.push(' ');
    }
    Some(out)
}

/// Arguments: the word at the cursor, without quotes, and the words before it.
fn for_zsh(words: &[String]) -> String {
    let Some((word, before)) = words.split_first() else { return String::new() };
    let found = candidates(before, word);
    let are_paths = !found.is_empty() && found.iter().all(|one| one.is_path);
    let kept = if are_paths { word.rfind('/').map_or(0, |at| at + 1) } else { 0 };
    let escaped = |text: &str| text.replace('\\', r"\\").replace(':', r"\:");
    let lines = found.iter().filter_map(|one| {
        let after = if one.is_whole() { ' ' } else { '=' };
        let value = escaped(one.value.get(kept..)?);
        let help = if one.help.is_empty() { String::new() } else { format!(":{}", one.help) };
        Some(format!("{after}{value}{help}\n"))
    });
    let first = if are_paths { "paths\n" } else { "words\n" };
    std::iter::once(first.to_owned()).chain(lines).collect()
}

/// Arguments: the word at the cursor as it is typed, and the words before it.
fn for_fish(words: &[String]) -> String {
    let Some((word, before)) = words.split_first() else { return String::new() };
    let word = Typed::of(word, "").word.text;
    let found = candidates(before, &word);
    let lines = found.iter().map(|one| match one.help.as_str() {
        "" => format!("{}\n", one.value),
        help => format!("{}\t{help}\n", one.value),
    });
    lines.collect()
}
