//! The tables of foreign words hold together, and carry values over.

use std::collections::BTreeSet;

use planrun::diagnostic::Diagnostics;
use planrun::document;
use planrun::schema::Record;
use planrun::schema::foreign::*;
use planrun::schema::record;
use planrun::source::Sources;
use planrun::table;
use planrun::table::rows;

fn node(text: &str) -> document::Node {
    let mut sources = Sources::default();
    let id = sources.add("t.yaml", text);
    document::parse(&sources, id, &mut Diagnostics::default()).unwrap()
}

/// Returns what is said of a step `- WORD: VALUE`.
#[track_caller]
fn help(record: &Record, text: &str) -> Vec<String> {
    let node = node(text);
    let entry = &node.entries()[0];
    find(record, &entry.key).unwrap().help(entry)
}

#[test]
fn a_value_that_can_be_carried_over_gives_the_line_to_write() {
    for (written, line) in [
        ("command: systemctl stop nginx", "run: systemctl stop nginx"),
        ("command: {cmd: date -u}", "run: date -u"),
        ("ansible.builtin.command: date", "run: date"),
        ("service: {name: nginx, state: restarted}", "run: systemctl restart nginx"),
        ("systemd: name=nginx state=stopped", "run: systemctl stop nginx"),
        ("state: reloaded", "run: systemctl reload UNIT"),
        ("copy: {src: a.conf, dest: /etc/a.conf}", "upload: {from: a.conf, to: /etc/a.conf}"),
        ("pause: {minutes: 5}", "wait: 5m"),
        ("pause: {prompt: Go on?}", "approve: Go on?"),
        ("timeout-minutes: 15", "timeout: 15m"),
        ("sleep: '600'", "wait: 600s"),
        ("debug: {msg: It is done}", "name: It is done"),
        ("if: ok == true", "when: ok == true"),
        ("register: result", "id: result"),
        ("raw: 'echo: #'", "shell: \"echo: #\""),
    ] {
        let help = help(record("step"), written);
        assert_eq!(help.first(), Some(&format!("write `{line}`")), "{written}");
    }
}

#[test]
fn what_is_not_certain_gives_advice_alone() {
    for written in [
        "service: {name: '{{ unit }}', state: restarted}",
        "service: nginx",
        "pause: {}",
        "timeout-minutes: soon",
        "command: {argv: [a]}",
        "copy: {content: x, dest: /y}",
        "apt: {name: nginx}",
    ] {
        let help = help(record("step"), written);
        assert_eq!(help.len(), 1, "{written}: {help:?}");
    }
}

#[test]
fn full_names_of_modules_are_known() {
    let word = |key| find(record("step"), key).map(|word| word.word);
    assert_eq!(word("ansible.builtin.service"), Some("service"));
    assert_eq!(word("community.mysql.mysql_db"), Some(ANY_MODULE));
    assert_eq!(word("my.own.notify"), Some("notify"));
    assert_eq!(word("cmd.run"), None);
    assert_eq!(word("colour"), None);
    assert!(find(record("plan"), "a.b.c").is_none());
}

#[test]
fn every_row_of_the_tables_is_well_formed() {
    for (table, read) in [
        (TABLE, WORDS.len()),
        (names::TABLE, names::NAMES.len()),
        (values::TABLE, values::VALUES.len()),
        (variables::TABLE, variables::VARIABLES.len()),
        (file::TABLE, rows::<6>(file::TABLE).count()),
    ] {
        let bad = |line: &&str| line.split('\t').any(|cell| cell.trim() != cell);
        assert_eq!(table::lines(table).find(bad), None, "blanks in a cell");
        assert_eq!(table::lines(table).count(), read, "a row that cannot be read");
    }
    for word in WORDS.iter() {
        assert!(!word.advice().is_empty(), "`{}` has no advice", word.word);
    }
    assert!(names::NAMES.iter().all(|name| !name.say.is_empty()));
    assert!(values::VALUES.iter().all(|(_, _, own)| !own.is_empty()));
    assert!(variables::VARIABLES.iter().all(|one| !one.why.is_empty() && !one.say.is_empty()));
}

#[test]
fn no_table_has_a_word_twice() {
    let mut seen = BTreeSet::new();
    let twice = WORDS.iter().find(|word| !seen.insert((word.place, word.word)));
    assert!(twice.is_none(), "{twice:?}");
    let names: BTreeSet<&str> = names::NAMES.iter().map(|name| name.name).collect();
    assert_eq!(names.len(), names::NAMES.len());
}

#[test]
fn a_key_that_a_word_replaces_is_not_missing() {
    let word = |key| find(record("step"), key).unwrap();
    assert!(word("command").replaces(&["run"]));
    assert!(word("pause").replaces(&["approve"]) && word("pause").replaces(&["wait"]));
    assert!(word("debug").replaces(&record("step").one_of), "a message needs no action");
    assert!(!word("register").replaces(&record("step").one_of));
    assert!(find(record("plan"), "tasks").unwrap().replaces(&["steps"]));
    assert!(find(record("plan"), "runs-on").unwrap().replaces(&["hosts"]));
}

#[test]
fn durations_of_other_tools_are_understood() {
    for (written, meant) in [
        ("5 minutes", Some("5m")),
        ("10sec", Some("10s")),
        ("PT1H30M", Some("1h 30m")),
        ("2 Hours", Some("2h")),
        ("1.5 hours", Some("1.5h")),
        ("soon", None),
        ("PT", None),
        ("PTM", None),
        ("5", None),
        (". s", None),
        ("", None),
    ] {
        assert_eq!(values::duration(written).as_deref(), meant, "{written}");
    }
}

#[track_caller]
fn recognised(text: &str) -> String {
    let node = node(text);
    let Some(found) = file::recognise(&node) else {
        return "nothing".to_owned();
    };
    let plan = found.plan.unwrap_or_else(|| found.help.to_owned());
    format!("{}\n{plan}", found.what)
}

#[test]
fn a_plan_with_foreign_words_is_still_a_plan() {
    for text in [
        "version: 1\nname: a\nhosts: b\ntasks: []",
        "version: 1\nsteps: [{task: a, targets: b}]",
        "version: 1\nhosts: a\njobs: {b: {steps: []}}",
        "name: a",
        "[1, 2]",
        "- run: date",
        "steps: [{run: date}]",
    ] {
        assert_eq!(recognised(text), "nothing", "{text}");
    }
}

#[test]
fn whole_files_of_other_tools_are_recognised() {
    for (text, what) in [
        ("- hosts: web\n  tasks: []", "an Ansible playbook"),
        ("hosts: web\nroles: [a]", "an Ansible playbook"),
        ("- import_playbook: a.yml", "an Ansible playbook"),
        ("- name: a\n  ansible.builtin.apt: {name: b}", "a list of Ansible tasks"),
        ("on: push\njobs: {a: {runs-on: b, steps: [{run: c}]}}", "a GitHub workflow"),
        ("schemaVersion: '0.3'\nmainSteps: []", "an AWS SSM document"),
        ("steps: [{command: a, targets: b}]", "a Puppet Bolt plan"),
        ("nginx: {service.running: [{enable: true}]}", "a Salt state file"),
        ("- name: a\n  sequence: {commands: [{exec: b}]}", "a Rundeck job"),
        ("runcmd: [date]", "a cloud-init cloud-config"),
        ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow", "an Argo workflow"),
        ("apiVersion: v1\nkind: Pod", "a Kubernetes object"),
        ("{terraform: {required_version: '>= 1'}}", "a Terraform configuration"),
        ("all: {hosts: {a: {}}}", "an inventory"),
        ("version: 1\nmodel: mail", "a model"),
        ("plan: a.yaml\ntests: []", "a file of scenarios"),
    ] {
        let told = recognised(text);
        assert_eq!(told.lines().next(), Some(what), "{text}");
    }
}

#[test]
fn the_beginning_of_a_plan_has_the_names_and_commands_of_the_file() {
    let play = "- name: Restart the web\n  hosts: web\n  vars: {release: a}\n  tasks:\n\
                \u{20}   - {name: Stop it, service: {name: nginx, state: stopped}}\n\
                \u{20}   - {name: Count, shell: ps | wc -l}\n";
    assert_eq!(
        recognised(play),
        "an Ansible playbook\nversion: 1\nname: restart-the-web\nhosts: web\ninputs:\n  release: \
         {type: string}\nsteps:\n  - name: Stop it\n    run: systemctl stop nginx\n    done_when: \
         ...\n    rollback: {none: ...}\n  - name: Count\n    shell: ps | wc -l"
    );
}
