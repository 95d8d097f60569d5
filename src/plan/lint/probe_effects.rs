//! Probes that change the host, as far as their command shows.
//!
//! A list of programs and verbs that are known to change things on any POSIX system with systemd
//! and packages. Only the program and its verb count, so that an argument of the same name is
//! allowed. So are redirections to a variable (`> "$copy"`), to `/dev/null` or to another stream: a
//! probe uses a variable to declare that the file is its own.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::plan::lint::words;
use crate::plan::{Plan, Probe, Work};
use crate::table;
use crate::template::script::command_text;

pub(super) fn check(plan: &Plan, found: &mut Diagnostics) {
    for probe in plan.probes.values() {
        if let Some(what) = changes(probe) {
            Diagnostic::warning(
                Code::ProbeChanges,
                format!("probe `{}` changes the host", probe.name),
            )
            .at(probe.span, format!("runs `{what}`"))
            .help("use a command that only reads; move the change into a step")
            .help("or add a comment above the probe: `# planrun: allow(probe-changes) REASON`")
            .emit(found);
        }
    }
}

fn changes(probe: &Probe) -> Option<String> {
    let commands = words::commands(&probe.command.work);
    commands.iter().find_map(|one| changing(&one.words)).or_else(|| match &probe.command.work {
        Work::Shell(script) => redirected(&script.text),
        Work::Run(_) | Work::Upload(_) => None,
    })
}

/// Returns the part of a command that changes something.
fn changing(words: &[&str]) -> Option<String> {
    let words = match words {
        ["sudo" | "nice" | "env", rest @ ..] => rest,
        words => words,
    };
    let (first, rest) = words.split_first()?;
    let program = first.rsplit('/').next()?;
    if program.starts_with("mkfs.") {
        return Some(program.to_owned());
    }
    if program == "find" && rest.contains(&"-delete") {
        return Some("find ... -delete".into());
    }
    let mut rows = table::rows::<2>(include_str!("changing.tsv"));
    let [_, verbs] = rows.find(|[programs, _]| table::has(programs, program))?;
    if verbs.is_empty() {
        return Some(program.to_owned());
    }
    // The verb is the first word that is not an option; with `service` the one after the name.
    let options = verbs.starts_with('-');
    let mut plain = rest.iter().filter(|word| options || !word.starts_with('-'));
    let verb = if options {
        plain.find(|word| table::has(verbs, word))
    } else {
        plain.nth(usize::from(program == "service"))
    };
    let verb = verb.filter(|verb| table::has(verbs, verb))?;
    Some(format!("{program} {verb}"))
}

fn redirected(script: &str) -> Option<String> {
    const HARMLESS: [&str; 7] = ["&", "/dev/null", "/dev/std", "$", "\"$", "=", "("];
    let text = command_text(script);
    let signs =
        text.match_indices('>').filter(|(at, _)| !text[..*at].ends_with(['>', '-', '=', '{', '|']));
    let targets = signs.map(|(at, _)| script[at..].trim_start_matches('>').trim_start());
    let mut files = targets.filter(|target| !HARMLESS.iter().any(|sign| target.starts_with(sign)));
    Some(format!("> {}", files.find_map(|target| target.split_whitespace().next())?))
}
