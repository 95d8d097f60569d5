//! The examples of the manual are right: its plans run, its fragments are valid, its values are those
//! of the program.
//!
//! Every block of YAML says what it is: ```` ```yaml plan ````, `top` (keys of a plan), `step`,
//! `inventory`, and the other kinds of files. A plan with a comment right behind it,
//! `<!-- model: WORDS`, a model, `-->`, is applied to three hosts of each group of that model;
//! WORDS are added to the command line, `exits N` among them says how it ends; `<!-- model above -->`
//! is for the model shown before it. In a fragment any
//! name may be used: the test declares what it lacks. `docs/diagnostics.md` shows errors,
//! and has tests of its own.

use std::fmt::Write as _;
use std::path::Path;

use planrun::diagnostic::{Diagnostics, render};
use planrun::model::Model;
use planrun::schema::kind::Kind;
use planrun::source::Sources;
use planrun::{document, inventory, output, plan, schema};
use regex::Regex;
use serde_json::Value;

use crate::harness::Planrun;
use crate::support::{Fence, diagnostics_of_plan, fences, files, root, shown, text};

/// The page that shows what is wrong.
const DIAGNOSTICS: &str = "docs/diagnostics.md";

/// What a block of YAML may be.
const KINDS: [&str; 7] = ["plan", "top", "step", "inventory", "model", "test", "inputs"];

/// Kinds that other tests check: files of other programs, a plan with an error, and configurations.
const OTHERS: [&str; 6] = ["ansible", "github", "gitlab", "pre-commit", "faulty", "configuration"];

/// Returns the pages that show what is right, by their names.
fn pages() -> Vec<(String, String)> {
    let docs = files("docs", ".md");
    let mut names: Vec<String> = docs.iter().map(|path| shown(path)).collect();
    names.push("README.md".into());
    names.retain(|name| name != DIAGNOSTICS);
    names.into_iter().map(|name| (name.clone(), text(&name))).collect()
}

/// Returns all blocks of these kinds, each with its place.
fn blocks(kinds: &[&str]) -> Vec<(String, Fence)> {
    let mut found = Vec::new();
    for (page, text) in pages() {
        for fence in fences(&text) {
            let kind = fence.info.strip_prefix("yaml ");
            if kind.is_some_and(|kind| kinds.contains(&kind)) {
                found.push((format!("{page}:{}", fence.line), fence));
            }
        }
    }
    found
}

#[test]
fn every_block_of_yaml_says_what_it_is() {
    for (page, text) in pages() {
        for fence in fences(&text) {
            let mut words = fence.info.split_whitespace();
            if !matches!(words.next(), Some("yaml" | "yml")) {
                continue;
            }
            let kind = words.next().unwrap_or_default();
            assert!(
                (KINDS.contains(&kind) || OTHERS.contains(&kind)) && words.next().is_none(),
                "{page}:{}: write ```yaml KIND, one of {KINDS:?} or {OTHERS:?}",
                fence.line
            );
        }
    }
}

#[test]
fn fragments_of_plans_are_sound() {
    let blocks = blocks(&["top", "step"]);
    assert!(blocks.len() > 8, "only {} fragments", blocks.len());
    for (place, fence) in blocks {
        let part = if fence.info == "yaml step" {
            format!("steps:\n{}", indented(&fence.content))
        } else {
            fence.content
        };
        if let Some(faults) = faults_of_fragment(&part) {
            panic!("{place}\n{faults}");
        }
    }
}

/// Makes a list of what may be a single step.
fn indented(steps: &str) -> String {
    if steps.starts_with('-') {
        return steps.to_owned();
    }
    let lines: Vec<String> = steps.lines().map(|line| format!("  {line}\n")).collect();
    lines.concat().replacen("  ", "- ", 1)
}

/// Reads a part of a plan. A name that it lacks is declared as a probe, or where it is used in a
/// text, which never looks, as an input.
fn faults_of_fragment(part: &str) -> Option<String> {
    let (mut probes, mut inputs) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let plan = with(part, &probes, &inputs);
        let (sources, all) = diagnostics_of_plan("fragment.yaml", &plan);
        let mut found = Diagnostics::default();
        for one in all.sorted() {
            // What a fragment declares may be used by the rest of its plan.
            if !matches!(one.code.name(), "unused-name" | "unused-input") {
                found.push(one.clone());
            }
        }
        let mut lacks = None;
        for one in found.sorted() {
            let span = one.primary.as_ref().map(|label| label.span);
            let name = span.map(|span| sources.slice(span).to_owned()).unwrap_or_default();
            if matches!(one.code.name(), "unknown-name" | "look-in-template") && is_name(&name) {
                lacks = Some((one.code.name(), name));
                break;
            }
        }
        match lacks {
            Some(("unknown-name", name)) if !probes.contains(&name) => probes.push(name),
            Some(("look-in-template", name)) if probes.contains(&name) => {
                probes.retain(|probe| *probe != name);
                inputs.push(name);
            }
            _ if found.is_empty() => return None,
            // What a fragment declares is used elsewhere.
            None if found.sorted().iter().all(|one| one.code.name().starts_with("unused-")) => {
                return None;
            }
            _ => {
                return Some(format!("{}\n{plan}", render::human(&found, &sources, false)));
            }
        }
    }
    Some("it lacks too many names".into())
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Makes a plan of a part and of names that it lacks.
fn with(part: &str, probes: &[String], inputs: &[String]) -> String {
    let mut plan = String::new();
    for (key, text) in
        [("version", "1"), ("name", "fragment"), ("hosts", "all"), ("steps", "[{wait: 1s}]")]
    {
        if !has_key(part, key) {
            writeln!(plan, "{key}: {text}").unwrap();
        }
    }
    let declare = |key: &str, names: &[String], what: &str| {
        let lines: Vec<String> = names.iter().map(|name| format!("  {name}: {what}\n")).collect();
        let lines = lines.concat();
        (format!("{key}:\n"), lines)
    };
    let mut part = part.to_owned();
    for (key, lines) in [
        declare("probes", probes, "{run: look, parse: json}"),
        declare("inputs", inputs, "{type: string, default: any}"),
    ] {
        if lines.is_empty() {
            continue;
        }
        if part.contains(&key) {
            part = part.replacen(&key, &format!("{key}{lines}"), 1);
        } else {
            write!(plan, "{key}{lines}").unwrap();
        }
    }
    plan + &part
}

fn has_key(part: &str, key: &str) -> bool {
    part.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
}

#[test]
fn inventories_that_are_shown_are_read() {
    let blocks = blocks(&["inventory"]);
    assert!(!blocks.is_empty());
    let folder = tempfile::tempdir().unwrap();
    for (place, fence) in blocks {
        let path = folder.path().join("shown.yaml");
        std::fs::write(&path, fence.content).unwrap();
        let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
        let inventory = inventory::read::read(&path, &place, &mut sources, &mut found);
        let told = render::human(&found, &sources, false);
        assert_eq!(told, "", "{place}");
        assert!(!inventory.unwrap().hosts.is_empty(), "{place}");
    }
}

#[test]
fn other_files_that_are_shown_fit_their_schemas() {
    for kind in [Kind::Model, Kind::Test] {
        for (place, fence) in blocks(&[kind.name()]) {
            let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
            let id = sources.add(place.as_str(), fence.content);
            if let Some(node) = document::parse(&sources, id, &mut found) {
                schema::check(&node, &kind.shape(), &mut found);
                if kind == Kind::Model {
                    Model::lower(&node, &sources, &mut found);
                }
            }
            assert_eq!(render::human(&found, &sources, false), "", "{place}");
        }
    }
}

#[test]
fn plans_that_are_shown_run_on_their_models() {
    let mut ran = 0;
    let mut above = String::new();
    for (place, fence) in blocks(&["plan", "model"]) {
        if fence.info == "yaml model" {
            above = fence.content;
            continue;
        }
        let Some(remark) = fence.remark else { continue };
        let (words, model) = match remark.split_once('\n') {
            Some((words, model)) => (words, format!("version: 1\nmodel: shown\n{model}")),
            None => ("", above.clone()),
        };
        let planrun = Planrun::new();
        let plan = planrun.file("plan.yaml", fence.content);
        let inventory = planrun.file("hosts.yaml", hosts_of(&model));
        planrun.file("model.yaml", model);
        let words: Vec<&str> =
            words.trim_start_matches("model").trim_start_matches(':').split_whitespace().collect();
        let exits = words.iter().position(|word| *word == "exits");
        let (more, status) = match exits {
            Some(at) => (&words[..at], words[at + 1].parse().unwrap()),
            None => (&words[..], 0),
        };
        let ended = planrun.run(&[&["apply", &plan, "--inventory", &inventory], more].concat());
        assert_eq!(ended.status, Some(status), "{place}\n{}{}", ended.stdout, ended.stderr);
        ran += 1;
    }
    assert!(ran > 3, "only {ran} plans ran");
}

/// Makes an inventory of three hosts for each group of a model.
fn hosts_of(model: &str) -> String {
    let mut text = String::from(
        "all:\n  vars: {planrun_connection: model, planrun_model: model.yaml}\n  children:\n",
    );
    for group in model.lines().filter_map(|line| line.strip_suffix(':')) {
        if !group.starts_with([' ', '#']) {
            writeln!(text, "    {group}: {{hosts: {{\"{group}[1:3]\": {{}}}}}}").unwrap();
        }
    }
    text
}

#[test]
fn outputs_that_are_shown_have_the_values_shown() {
    let page = text("docs/language.md");
    let (_, rest) = page.split_once("<!-- examples: parse -->").unwrap();
    let (table, _) = rest.split_once("<!-- end of examples -->").unwrap();
    let row = Regex::new(r"^\| `(.+?)` \|(?: `(.*?)`)? \| (?:`(.+)`|fails: (.+)) \|$").unwrap();
    let mut tried = 0;
    for line in table.lines().filter(|line| line.starts_with("| `") && !line.contains("the output"))
    {
        let cells = row.captures(line).unwrap_or_else(|| panic!("no example: {line}"));
        let printed = cells.get(2).map_or("", |cell| cell.as_str());
        let printed = printed.replace("\\n", "\n").replace("\\t", "\t");
        let read =
            output::read(&reading(&cells[1]), 0, printed.as_bytes(), printed.len() as u64, b"");
        match cells.get(3) {
            Some(value) => {
                let value: Value = serde_json::from_str(value.as_str()).unwrap();
                assert_eq!(read, Ok(value), "{line}");
            }
            None => assert_eq!(read, Err(cells[4].to_owned()), "{line}"),
        }
        tried += 1;
    }
    assert!(tried > 15, "only {tried} examples");
}

/// Returns what a value of `parse` means.
fn reading(parse: &str) -> output::Reading {
    let text = format!(
        "version: 1\nname: shown\nhosts: all\nprobes:\n  seen: {{run: look, parse: {parse}}}\n\
         steps:\n  - wait: {{until: seen is defined, timeout: 1s}}\n"
    );
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add("shown.yaml", text);
    let plan = plan::read(&sources, id, &mut found);
    let plan = plan.unwrap_or_else(|| panic!("{}", render::human(&found, &sources, false)));
    plan.probes["seen"].reading.clone()
}

/// How commands of README and manual end. `RUN` is the last run: of those that are answered it has
/// ended, so that there is nothing to answer any more. Commands that are not here must only be ones
/// that planrun takes.
const COMMANDS: [(&str, i32); 11] = [
    ("planrun apply plans/obox-restart.yaml --inventory demo", 0),
    ("planrun apply plans/dovecot-reload.yaml --inventory demo --set source=README.md", 0),
    ("planrun apply plans/postgresql-minor-upgrade.yaml --inventory postgresql-demo", 0),
    ("planrun apply plans/certificate-renewal.yaml --inventory certificate-demo", 0),
    ("planrun apply plans/kernel-update.yaml --inventory kernel-demo", 6),
    ("planrun validate web-restart.yaml", 0),
    ("planrun apply web-restart.yaml --inventory prod", 0),
    ("planrun rollback RUN", 0),
    (r#"planrun resolve RUN web1/start --as done --reason "seen by hand""#, 2),
    ("planrun runs", 0),
    ("planrun show RUN", 0),
];

#[test]
fn commands_that_are_shown_end_as_they_should() {
    let shown =
        Regex::new(r"(?m)^ {4,}(planrun [a-z].*)$|`(planrun [a-z]+ [^`]+)`|`(planrun runs)`");
    let placeholder = Regex::new(r"\b[A-Z]{3,}\b|\[|\.\.\.").unwrap();
    let run = Regex::new(r"\bRUN\b").unwrap();
    let pages = ["README.md", "docs/guide.md", "docs/concepts.md", "docs/language.md"];
    let pages = pages.map(text).join("\n");
    let shown = shown.unwrap();
    let shown = shown.captures_iter(&pages);
    let shown: Vec<&str> =
        shown.map(|found| found.iter().skip(1).flatten().next().unwrap().as_str()).collect();
    for (line, _) in COMMANDS {
        assert!(shown.contains(&line), "no page shows {line}");
    }

    let planrun = Planrun::new();
    let folder = first_steps(&planrun);
    for line in shown {
        let known = COMMANDS.iter().find(|(known, _)| *known == line);
        let words = line
            .replace("plans/", &format!("{}/plans/", root().display()))
            .replace("README.md", &format!("{}/README.md", root().display()))
            .replace("HOST/STEP", "web1/start");
        let words = run.replace(&words, "last").into_owned();
        if known.is_none() && placeholder.is_match(words.trim_end_matches("README.md")) {
            continue;
        }
        let ended = planrun.type_line(&format!("cd {folder} && {words}"));
        let all = format!("{line}\n{}{}", ended.stdout, ended.stderr);
        match known {
            Some((_, status)) => assert_eq!(ended.status, Some(*status), "{all}"),
            None => assert!(!ended.stderr.contains("Usage: "), "{all}"),
        }
    }
}

/// Writes the files of README's first steps and returns their folder. Its inventory is of real hosts:
/// here they are of the model behind its plan.
fn first_steps(planrun: &Planrun) -> String {
    let mut fences = fences(&text("README.md"));
    let plan = fences.remove(fences.iter().position(|fence| fence.info == "yaml plan").unwrap());
    let inventory =
        fences.remove(fences.iter().position(|fence| fence.info == "yaml inventory").unwrap());
    let plan_file = planrun.file("web-restart.yaml", plan.content);
    let (_, model) = plan.remark.as_deref().unwrap().split_once('\n').unwrap();
    planrun.file("web.yaml", format!("version: 1\nmodel: web\n{model}"));
    let vars = "  vars: {planrun_connection: model, planrun_model: web.yaml}\n";
    planrun.file("prod.yaml", inventory.content + vars);
    let folder = Path::new(&plan_file).parent().unwrap();
    std::fs::create_dir(folder.join("inventories")).unwrap();
    std::fs::rename(folder.join("prod.yaml"), folder.join("inventories/prod.yaml")).unwrap();
    folder.display().to_string()
}
