//! What editors show and insert beside the shapes: snippets, defaults, what words mean.
//!
//! Data alone, named by the words of the records; [`json`](crate::schema::json) puts it into the
//! schemas. A check does not need it, so it may leave out what is not there. Tests hold that every
//! snippet is sound as it is inserted, and that what is named exists.

use serde_json::Value;
use serde_json::json;

use crate::diagnostic::Diagnostics;
use crate::document;
use crate::source::Sources;

/// A piece of a file that an editor inserts.
struct Snippet {
    /// Where it is offered: a record (`step`), or a key of one (`step.rollback`).
    at: &'static str,
    /// Its name in a list.
    label: &'static str,
    /// What it is for.
    about: &'static str,
    /// What is inserted, YAML; `${1:word}` is a place to fill, with what stands there at first.
    body: &'static str,
}

const SNIPPETS: &[Snippet] = &[
    Snippet {
        at: "plan",
        label: "a new plan",
        about: "A plan with a look, a claim before anything is sent, and a step with its way back.",
        body: r#"version: 1
name: ${1:web-restart}
summary: ${2:Restart the web servers, one at a time}
hosts: ${3:web}
serial: 1
probes:
  state:
    run: ${4:systemctl is-active nginx}
    exit_codes: any
    parse: text
preflight:
  it serves now: ${5:state == "active"}
steps:
- id: restart
  name: ${6:Restart it}
  run: ${7:systemctl restart nginx}
  done_when: state == "active"
  rollback:
    none: ${8:why there is nothing to undo}
"#,
    },
    Snippet {
        at: "plan.inputs",
        label: "a duration",
        about: "How long something may take, with its bounds.",
        body: "${1:patience}:\n  type: duration\n  default: ${2:15m}\n  description: ${3:How long it is waited}\n",
    },
    Snippet {
        at: "plan.inputs",
        label: "a choice",
        about: "One of some words.",
        body: "${1:mode}:\n  type: enum\n  of: [\"${2:careful}\", \"${3:fast}\"]\n  default: ${2:careful}\n",
    },
    Snippet {
        at: "plan.inputs",
        label: "a file",
        about: "A file of this machine, relative to the plan.",
        body: "${1:source}:\n  type: file\n  description: ${2:The new file on this machine}\n",
    },
    Snippet {
        at: "plan.probes",
        label: "the state of a service",
        about: "`active`, `inactive` or another word; its exit status is no failure.",
        body: "${1:state}:\n  run: systemctl is-active ${2:nginx}\n  exit_codes: any\n  parse: text\n",
    },
    Snippet {
        at: "plan.probes",
        label: "a number",
        about: "A whole number that a command prints.",
        body: "${1:users}:\n  run: ${2:count-users}\n  parse: int\n",
    },
    Snippet {
        at: "plan.probes",
        label: "a table",
        about: "Rows with columns between tabs, looked up by one of them.",
        body: "${1:pool}:\n  run: ${2:balancer list}\n  parse:\n    format: tsv\n    key: ${3:host}\n    types:\n      ${4:sessions}: int\n",
    },
    Snippet {
        at: "plan.probes",
        label: "an exit status",
        about: "The exit status is the answer: `config.exit == 0`.",
        body: "${1:config}:\n  run: ${2:nginx -t}\n  exit_codes: any\n  output: discard\n",
    },
    Snippet {
        at: "plan.preflight",
        label: "a claim",
        about: "What must hold before the first change anywhere.",
        body: "${1:it serves now}: ${2:state == \"active\"}\n",
    },
    Snippet {
        at: "step",
        label: "run, with a way back",
        about: "A command, what must then be seen, and what undoes it.",
        body: r#"id: ${1:stop}
name: ${2:Stop it}
run: ${3:systemctl stop nginx}
done_when: ${4:state == "inactive"}
rollback:
  run: ${5:systemctl start nginx}
  done_when: ${6:state == "active"}
"#,
    },
    Snippet {
        at: "step",
        label: "run, nothing to undo",
        about: "A command, what must then be seen, and why nothing undoes it.",
        body: r#"id: ${1:reload}
name: ${2:Reload it}
run: ${3:systemctl reload nginx}
done_when: ${4:state == "active"}
rollback:
  none: ${5:why there is nothing to undo}
"#,
    },
    Snippet {
        at: "step",
        label: "a script",
        about: "A script for sh, in which every value is quoted.",
        body: r"id: ${1:tidy}
name: ${2:Remove what is old}
shell: |
  cd /srv
  ${3:find . -name '*.tmp' -delete}
idempotent: true
rollback:
  none: ${4:why there is nothing to undo}
",
    },
    Snippet {
        at: "step",
        label: "wait until something holds",
        about: "Wait until a condition holds, and no longer than said.",
        body: "id: ${1:settle}\nname: ${2:See it serve for a while}\nwait:\n  until: ${3:state == \"active\"}\n  stable_for: ${4:30s}\n  timeout: ${5:5m}\n",
    },
    Snippet {
        at: "step",
        label: "wait for a time",
        about: "Wait for a time.",
        body: "wait: ${1:15m}\n",
    },
    Snippet {
        at: "step",
        label: "see that something holds",
        about: "Claims that must hold now.",
        body: "name: ${1:See that all is well}\nassert:\n  ${2:it serves}: ${3:state == \"active\"}\n",
    },
    Snippet {
        at: "step",
        label: "ask a person",
        about: "Ask a person to go on.",
        body: "id: ${1:work}\nname: ${2:Let a person do the work}\napprove: ${3:Do the work, then approve.}\n",
    },
    Snippet {
        at: "step",
        label: "record a value",
        about: "Record what is seen now, for later steps and for the way back.",
        body: "id: ${1:before}\nname: ${2:Note how it was}\nset:\n  state: ${3:state}\n",
    },
    Snippet {
        at: "step",
        label: "upload a file",
        about: "Put a file of this machine in place, all or nothing.",
        body: "id: ${1:install}\nname: ${2:Put the new file in place}\nupload:\n  from: ${3:files/site.conf}\n  to: ${4:/etc/nginx/site.conf}\n  mode: \"0644\"\nrollback:\n  none: ${5:why there is nothing to undo}\n",
    },
    Snippet {
        at: "step",
        label: "several steps",
        about: "Steps that belong together, and another way out.",
        body: "id: ${1:swap}\nname: ${2:Swap it}\nblock:\n- wait: ${3:1s}\nrescue:\n- fail: ${4:It cannot be swapped.}\n",
    },
    Snippet {
        at: "step",
        label: "several steps, uninterruptible",
        about: "Steps in which nothing may stop the run.",
        body: r#"id: ${1:cut_over}
name: ${2:Cut over}
uninterruptible: ${3:why it must not be left half done}
block:
- run: ${4:systemctl restart nginx}
  done_when: ${5:state == "active"}
  rollback:
    none: ${6:why there is nothing to undo}
"#,
    },
    Snippet {
        at: "step.rollback",
        label: "what undoes it",
        about: "A command, and what must then be seen.",
        body: "run: ${1:systemctl start nginx}\ndone_when: ${2:state == \"active\"}\n",
    },
    Snippet {
        at: "step.rollback",
        label: "nothing undoes it",
        about: "Why there is nothing to undo.",
        body: "none: ${1:why there is nothing to undo}\n",
    },
    Snippet {
        at: "step.retry",
        label: "send it again",
        about: "So many attempts in all.",
        body: "attempts: ${1:3}\ndelay: ${2:5s}\n",
    },
    Snippet {
        at: "step.on_failure",
        label: "go on",
        about: "Go on after a failure, and why that does no harm.",
        body: "continue: ${1:why that does no harm}\n",
    },
    Snippet {
        at: "step.delegate_to",
        label: "any one of a group",
        about: "Run it on one member of a group.",
        body: "one_of: ${1:directors}\n",
    },
    Snippet {
        at: "inventory",
        label: "a new inventory",
        about: "A group of hosts and how they are reached.",
        body: "all:\n  vars:\n    ansible_user: ${1:ops}\n  children:\n    ${2:web}:\n      hosts:\n        ${3:web1}:\n          ansible_host: ${4:192.0.2.1}\n",
    },
    Snippet {
        at: "group_of_hosts.commands",
        label: "a command",
        about: "A command and what it answers.",
        body: "run: ${1:systemctl is-active <unit>}\nstdout: ${2:active}\n",
    },
    Snippet {
        at: "scenario",
        label: "a scenario",
        about: "What must come of the plan where something goes wrong.",
        body: "name: ${1:a failed step is put back}\nfaults:\n  ${2:restart@web1}: refused\nexpect:\n  run: rolled_back\n",
    },
];

/// What holds where a key is not there: records, the key, its value as JSON. Not all: an editor would
/// write those of plain words into every new step.
const DEFAULTS: &[(&[&str], &str, &str)] = &[
    (&["plan"], "version", "1"),
    (&["plan"], "serial", "1"),
    (&["plan"], "max_failures", "0"),
    (&["mapping_of_defaults", "step", "rollback_handler", "probe"], "timeout", "\"5m\""),
    (&["mapping_of_defaults", "step", "rollback_handler"], "within", "\"10s\""),
    (&["step", "rollback_handler", "probe"], "exit_codes", "[0]"),
    (&["wait"], "every", "\"5s\""),
    (&["wait"], "on_timeout", "\"fail\""),
    (&["retry"], "delay", "\"5s\""),
    (&["model", "file_of_scenarios"], "version", "1"),
];

/// What words mean, a list for each place where some of them stand.
const MEANINGS: &[&[(&str, &str)]] = &[
    &[
        ("string", "text; `pattern` says which"),
        ("int", "a whole number within `min` and `max`"),
        ("bool", "`true` or `false`"),
        ("duration", "a length of time within `min` and `max`: `15m`"),
        ("enum", "one of the words in `of`"),
        ("path", "an absolute path on a host, without `..`"),
        ("file", "a file of this machine, relative to the plan"),
        ("list", "several values"),
    ],
    &[
        ("text", "all of it, without blanks around it"),
        ("int", "a whole number"),
        ("size", "a number of bytes: `1.5G`"),
        ("lines", "a list of lines"),
        ("kv", "a mapping of lines `key=value`"),
        ("json", "what JSON says"),
        ("yaml", "what YAML says"),
        ("tsv", "rows of a table with a line of heads, tabs between the cells"),
        ("regex", "a mapping of the named groups of `pattern`"),
    ],
    &[("rollback", "the host turns round: what it did is undone"), ("hold", "a person is asked")],
    &[("ask", "a person is asked"), ("fail", "the step fails"), ("continue", "the run goes on")],
    &[
        ("keep", "the output is kept, and can be looked at"),
        ("discard", "the output is thrown away"),
    ],
    &[("any", "every exit status")],
    &[
        ("string", "text"),
        ("int", "a whole number"),
        ("float", "a number"),
        ("bool", "`true` or `false`"),
    ],
];

/// Returns the snippets of a record, or of a key of one, as `defaultSnippets`.
pub(super) fn snippets(at: &str) -> Option<Value> {
    let all = SNIPPETS.iter().filter(|snippet| snippet.at == at);
    let all: Vec<Value> = all
        .map(|snippet| {
            json!({
                "label": snippet.label,
                "description": snippet.about,
                "markdownDescription": snippet.about,
                "body": body(snippet.body),
            })
        })
        .collect();
    (!all.is_empty()).then_some(Value::Array(all))
}

/// Returns what holds where a key of a record is not there.
pub(super) fn default(record: &str, key: &str) -> Option<Value> {
    let mut all = DEFAULTS.iter();
    let (_, _, value) = all.find(|(records, of, _)| *of == key && records.contains(&record))?;
    serde_json::from_str(value).ok()
}

/// Returns what each of some words means; `None` where that is not said of all of them.
pub(super) fn meanings(words: &[&str]) -> Option<Vec<&'static str>> {
    MEANINGS.iter().find_map(|list| {
        let meaning = |word: &&str| list.iter().find(|(of, _)| of == word).map(|(_, it)| *it);
        words.iter().map(meaning).collect()
    })
}

fn body(yaml: &str) -> Value {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add("snippet", yaml);
    let node = document::parse(&sources, id, &mut found);
    node.map(|node| node.to_json()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::diagnostic::render;
    use crate::plan;
    use crate::schema;
    use crate::schema::Record;
    use crate::schema::Shape;
    use crate::schema::kind::Kind;

    /// Returns a snippet as it is inserted, its places filled with what stands there at first.
    fn inserted(snippet: &Snippet) -> String {
        let place = Regex::new(r"\$\{\d+:([^}]*)\}").unwrap();
        place.replace_all(snippet.body, "$1").into_owned()
    }

    /// Returns every record of every kind of file.
    fn records() -> Vec<&'static Record> {
        let mut all: Vec<&'static Record> = Vec::new();
        let mut open: Vec<&'static Record> = Kind::ALL.map(Kind::record).to_vec();
        while let Some(record) = open.pop() {
            if !all.iter().any(|one| std::ptr::eq(*one, record)) {
                all.push(record);
                let shapes = record.fields.iter().map(|field| &field.shape);
                shapes.chain(record.rest).for_each(|shape| below(shape, &mut open));
            }
        }
        all
    }

    fn below(shape: &'static Shape, open: &mut Vec<&'static Record>) {
        match shape {
            Shape::Record(record) => open.push(record),
            Shape::Late(inner) | Shape::List(inner, _) | Shape::Map(_, inner, _) => {
                below(inner, open);
            }
            Shape::OneOf(all) => all.iter().for_each(|(_, inner)| below(inner, open)),
            _ => {}
        }
    }

    fn indented(text: &str, by: &str) -> String {
        let lines: Vec<String> = text.lines().map(|line| format!("{by}{line}")).collect();
        format!("{}\n", lines.join("\n"))
    }

    #[test]
    fn every_snippet_fits_where_it_is_offered() {
        for snippet in SNIPPETS {
            let (record, key) = match snippet.at.split_once('.') {
                Some((record, key)) => (record, Some(key)),
                None => (snippet.at, None),
            };
            let records = records();
            let record = records.iter().find(|one| one.word() == record).unwrap();
            let shape = match key {
                Some(key) => record.field(key).unwrap().shape,
                None => Shape::Record(record),
            };
            let shape = match shape {
                Shape::List(inner, _) => *inner,
                other => other,
            };
            let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
            let id = sources.add("snippet", inserted(snippet));
            let node = document::parse(&sources, id, &mut found).unwrap();
            schema::check(&node, &shape, &mut found);
            let told = render::human(&found, &sources, false);
            assert!(told.is_empty(), "{}:\n{told}", snippet.label);
        }
    }

    #[test]
    fn plans_made_of_snippets_are_sound() {
        const HEAD: &str = "version: 1\nname: made\nhosts: web\n";
        const PROBE: &str = "probes: {state: {run: systemctl is-active nginx, parse: text}}\n";
        for snippet in SNIPPETS {
            let text = inserted(snippet);
            let plan = match snippet.at {
                "plan" => text,
                "step" => {
                    let step = format!("  -\n{}", indented(&text, "    "));
                    format!("{HEAD}{PROBE}steps:\n{step}")
                }
                "step.rollback" => {
                    let step = "  - run: touch /tmp/a\n    idempotent: true\n    rollback:\n";
                    format!("{HEAD}{PROBE}steps:\n{step}{}", indented(&text, "      "))
                }
                "plan.inputs" | "plan.probes" => {
                    let key = snippet.at.trim_start_matches("plan.");
                    format!("{HEAD}{key}:\n{}steps: [{{wait: 1s}}]\n", indented(&text, "  "))
                }
                _ => continue,
            };
            let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
            let id = sources.add("plan", plan);
            let plan = plan::read(&sources, id, &mut found);
            let told = render::human(&found, &sources, false);
            assert!(plan.is_some(), "{}:\n{told}", snippet.label);
        }
    }

    #[test]
    fn every_default_fits_its_key() {
        for (words, key, value) in DEFAULTS {
            for word in *words {
                let records = records();
                let record = records.iter().find(|one| one.word() == *word).unwrap();
                let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
                let id = sources.add("default", *value);
                let node = document::parse(&sources, id, &mut found).unwrap();
                schema::check(&node, &record.field(key).unwrap().shape, &mut found);
                let told = render::human(&found, &sources, false);
                assert!(told.is_empty(), "{word}.{key}:\n{told}");
            }
        }
    }

    /// Adds the choices of a shape that are not explained.
    fn choices(shape: &Shape, missing: &mut Vec<String>) {
        match shape {
            Shape::Choice(words) if meanings(words).is_none() => {
                missing.push(words.join(", "));
            }
            Shape::Late(inner) | Shape::List(inner, _) | Shape::Map(_, inner, _) => {
                choices(inner, missing);
            }
            Shape::OneOf(all) => all.iter().for_each(|(_, inner)| choices(inner, missing)),
            _ => {}
        }
    }

    #[test]
    fn the_words_of_a_plan_are_explained() {
        let mut missing = Vec::new();
        let of_plans = ["plan", "step", "probe", "wait", "input", "parse", "rollback_handler"];
        for record in records() {
            if of_plans.contains(&record.word().as_str()) {
                record.fields.iter().for_each(|field| choices(&field.shape, &mut missing));
            }
        }
        assert!(missing.is_empty(), "say in MEANINGS what these are: {missing:?}");
    }
}
