//! The one way in: plans, inventories, models and inputs from files that exist only in memory.

use std::path::Path;

use planrun::diagnostic::{Code, Diagnostics};
use planrun::inventory::program::NoPrograms;
use planrun::load::validate::{Validated, validate};
use planrun::load::{Loaded, Request, files, load};
use planrun::source::Sources;

use crate::support::memory::Memory;

const PLAN: &str = "version: 1\nname: greet\nhosts: web\ninputs:\n  word: {type: string}\nsteps:\n\
                    \x20 - run: echo {{ word }}\n    idempotent: true\n    rollback: {none: it prints}\n";
const HOSTS: &str = "web: {hosts: {web1: {}}}\n";
const MODEL: &str = "version: 1\nmodel: demo\nweb:\n  state: {up: true}\n  commands:\n\
                     \x20   - {run: echo <word>, stdout: hello}\n";

fn request(inventory: &str) -> Request {
    Request {
        inventories: vec![inventory.to_owned()],
        set: vec![("word".to_owned(), "hello".to_owned())],
        ..Request::default()
    }
}

/// Loads `plans/greet.yaml`, and returns the codes and messages of what was found.
fn loaded(files: &[(&str, &str)], request: &Request) -> (Option<Loaded>, Vec<String>) {
    let mut sources = Sources::of(Memory::new(files.iter().copied()));
    let mut found = Diagnostics::default();
    let path = Path::new("plans/greet.yaml");
    let loaded = load(path, request, &mut NoPrograms, &mut sources, &mut found);
    assert_eq!(loaded.is_none(), found.has_errors());
    let found = found.sorted().into_iter().map(|one| format!("{} {}", one.code, one.message));
    (loaded, found.collect())
}

/// Validates the files that words name, and returns the files with the codes of each.
fn validated(
    all: &[(&str, &str)],
    words: &[&str],
    request: &Request,
) -> (Validated, Vec<(String, Vec<Code>)>) {
    let mut sources = Sources::of(Memory::new(all.iter().copied()));
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let listed = files::list(&words, None, None, false, &*sources.files());
    let validated = validate(listed.files, None, request, &mut sources);
    let codes = validated.files.iter().map(|file| {
        let codes = file.found.iter().map(|one| one.code).collect();
        (file.file.clone(), codes)
    });
    let codes = codes.collect();
    (validated, codes)
}

#[test]
fn a_plan_is_loaded_with_all_that_belongs_to_it() {
    let inventory = "all: {vars: {planrun_connection: model, planrun_model: models/m.yaml}}\n\
                     web: {hosts: {web1: {}}}\n";
    let files = [
        ("plans/greet.yaml", PLAN),
        ("plans/inventories/demo.yaml", inventory),
        ("plans/models/m.yaml", MODEL),
    ];
    let (loaded, found) = loaded(&files, &request("demo"));
    let loaded = loaded.unwrap_or_else(|| panic!("{found:?}"));
    let hosts = loaded.plan.hosts.iter().map(ToString::to_string);
    assert_eq!(hosts.collect::<Vec<_>>(), ["web1"]);
    assert_eq!(loaded.plan.inputs[&loaded.plan.hosts[0]]["word"], "hello");
    assert_eq!(loaded.text, PLAN);
    // Next to the folder of the inventories.
    assert_eq!(loaded.model.unwrap().name, "models/m.yaml");
    assert_eq!(loaded.inventories, [Path::new("plans/inventories/demo.yaml")]);
}

#[test]
fn all_that_cannot_be_read_is_reported_at_once() {
    let request = Request { inputs: Some("inputs.yaml".into()), ..request("./none.yaml") };
    let (_, found) = loaded(&[], &request);
    let codes: Vec<&str> = found.iter().map(|one| one.split(' ').next().unwrap()).collect();
    assert_eq!(codes, ["no-such-file", "no-such-inventory", "no-such-file"], "{found:?}");
}

#[test]
fn inputs_in_a_list_are_refused() {
    let files = [("plans/greet.yaml", PLAN), ("hosts.yaml", HOSTS), ("inputs.yaml", "- word\n")];
    let request = Request { inputs: Some("inputs.yaml".into()), ..request("./hosts.yaml") };
    let (_, found) = loaded(&files, &request);
    assert_eq!(found, ["inputs-file a file of inputs must be a mapping"]);
}

#[test]
fn real_and_model_hosts_do_not_mix() {
    let of = |vars: &str| format!("web: {{hosts: {{web1: {{{vars}}}, web2: {{}}}}}}\n");
    for (vars, code) in [
        ("planrun_connection: model, planrun_model: m.yaml", "mixed-hosts"),
        ("planrun_connection: local", ""),
    ] {
        let inventory = of(vars);
        let files = [("plans/greet.yaml", PLAN), ("hosts.yaml", inventory.as_str())];
        let (_, found) = loaded(&files, &request("./hosts.yaml"));
        assert_eq!(found.first().is_some_and(|one| one.starts_with(code)), !code.is_empty());
    }
}

#[test]
fn a_model_is_next_to_an_inventory_that_is_alone() {
    let inventory = "all: {vars: {planrun_connection: model, planrun_model: m.yaml}}\n\
                     web: {hosts: {web1: {}}}\n";
    let plan = ("plans/greet.yaml", PLAN);
    for (model, is_found) in [("site/m.yaml", true), ("plans/m.yaml", true), ("m.yaml", false)] {
        let files = [plan, ("site/hosts.yaml", inventory), (model, MODEL)];
        let (loaded, found) = loaded(&files, &request("site/hosts.yaml"));
        assert_eq!(loaded.is_some(), is_found, "{model}: {found:?}");
    }
}

#[test]
fn files_are_validated_without_a_disk() {
    let files = [
        ("plans/greet.yaml", PLAN),
        ("plans/wrong.yaml", "version: 1\nname: x\nhosts: web\nsteps: [{rum: date}]\n"),
        ("plans/compose.yaml", "services: {}\n"),
        ("hosts.yaml", HOSTS),
    ];
    let request = request("./hosts.yaml");
    let (validated, codes) = validated(&files, &["plans"], &request);
    let codes: Vec<(&str, &[Code])> =
        codes.iter().map(|(file, codes)| (file.as_str(), codes.as_slice())).collect();
    assert_eq!(
        codes,
        [
            ("./hosts.yaml", &[][..]),
            ("plans/greet.yaml", &[][..]),
            ("plans/wrong.yaml", &[Code::UnknownKey][..]),
        ]
    );
    assert!(validated.unmatched.is_empty());
}

#[test]
fn what_plans_share_is_reported_once() {
    let files = [("plans/a.yaml", PLAN), ("plans/b.yaml", PLAN), ("hosts.yaml", "- web1\n")];
    let (_, codes) = validated(&files, &["plans/a.yaml", "plans/b.yaml"], &request("./hosts.yaml"));
    let faulty: Vec<_> = codes.iter().filter(|(_, codes)| !codes.is_empty()).collect();
    assert_eq!(faulty.len(), 1, "{codes:?}");
    assert_eq!(codes.len(), 3, "{codes:?}");
}

#[test]
fn plans_of_other_hosts_are_not_checked_against_the_inventory() {
    let other = PLAN.replace("hosts: web", "hosts: db");
    let files = [("plans/a.yaml", PLAN), ("plans/b.yaml", other.as_str()), ("hosts.yaml", HOSTS)];
    let request = request("./hosts.yaml");
    let (both, _) = validated(&files, &["plans/a.yaml", "plans/b.yaml"], &request);
    assert_eq!(both.unmatched.len(), 1);
    assert_eq!(both.unmatched[0].plan, "plans/b.yaml");
    // A plan that is checked alone is meant for the inventory.
    let (alone, codes) = validated(&files, &["plans/b.yaml"], &request);
    assert!(alone.unmatched.is_empty());
    assert!(codes.iter().any(|(_, codes)| codes.contains(&Code::UnknownHost)), "{codes:?}");
}
