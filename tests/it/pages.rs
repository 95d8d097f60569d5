//! Pages for a change ticket and for people who work by hand: a run as a page (`planrun show RUN`), a plan as
//! a page (`planrun explain PLAN`), and what the operator says about a run.

use std::path::Path;

use planrun::diagnostic::Diagnostics;
use planrun::load::{Request, reading};
use planrun::procedure;
use planrun::source::Sources;
use regex::Regex;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::json;

use crate::harness::{Planrun, program};
use crate::support::{files, root, shown, text};

const PLAN: &str = "version: 1
name: touch
hosts: all
inputs: {token: {type: string, sensitive: true, optional: true}}
steps: [{id: note, run: echo noted, idempotent: true, rollback: {none: a test}}]
";

const HERE: &str = "all: {hosts: {here: {planrun_connection: local}}}\n";

#[track_caller]
fn git(folder: &Path, words: &[&str]) -> String {
    let mut git = program("git");
    git.current_dir(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
    let ended = git.args(words).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_reason_and_labels_are_shown_with_the_run() {
    let planrun = Planrun::new();
    let (plan, hosts) = (planrun.file("plan.yaml", PLAN), planrun.file("hosts.yaml", HERE));
    let apply = |more: &[&str]| planrun.run(&[&["apply", &plan, "-i", &hosts], more].concat());
    let more = ["--reason", " disk is full ", "--label", "ticket=CHG-1", "--label", "team=mail=eu"];
    apply(&more).exits(0).says("disk is full").says("ticket=CHG-1");
    let shown = planrun.run(&["show", "last"]).exits(0).stdout.clone();
    for line in ["reason      disk is full\n", "label       ticket=CHG-1\n", "team=mail=eu\n"] {
        assert!(shown.contains(line), "{shown}");
    }
    let shown = planrun.run(&["show", "last", "--format", "json"]).exits(0).stdout.clone();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["reason"], "disk is full");
    assert_eq!(shown["labels"], json!({"ticket": "CHG-1", "team": "mail=eu"}));
    for (wrong, said) in [
        (["--reason", " "], "must not be empty"),
        (["--reason", &"long".repeat(300)], "must not exceed"),
        (["--label", "ticket"], "expected KEY=VALUE"),
        (["--label", "ticket="], "must not be empty"),
    ] {
        apply(&wrong).exits(2).says(said);
    }
}

#[test]
fn a_secret_in_a_reason_is_redacted() {
    let planrun = Planrun::new();
    let plan = PLAN.replace("idempotent", "stdin: '{{ token }}', idempotent");
    let (plan, hosts) = (planrun.file("plan.yaml", plan), planrun.file("hosts.yaml", HERE));
    let inputs = planrun.file("inputs.yaml", "token: sesame-7731-open\n");
    let said = "for sesame-7731-open";
    let words = ["apply", &plan, "-i", &hosts, "--inputs", &inputs, "--reason", said, "--label"];
    let ended = planrun.run(&[&words[..], &["token=sesame-7731-open"]].concat());
    let shown = planrun.run(&["show", "last"]).exits(0).stdout.clone();
    for text in [&ended.exits(0).stdout, &ended.stderr, &shown] {
        assert!(!text.contains("sesame"), "{text}");
    }
    assert!(shown.contains("for "), "{shown}");
    let kept = planrun.disk();
    let kept = kept.iter().filter(|(path, _)| !path.ends_with("inputs.yaml"));
    for (path, bytes) in kept {
        assert!(!String::from_utf8_lossy(bytes).contains("sesame"), "{}", path.display());
    }
}

#[test]
fn a_run_names_the_commit_that_has_its_plan() {
    let planrun = Planrun::new();
    let hosts = planrun.file("hosts.yaml", HERE);
    let folder = planrun.path("repository");
    std::fs::create_dir(&folder).unwrap();
    let plan = planrun.file("repository/plan.yaml", PLAN);
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["add", "plan.yaml"]);
    git(&folder, &["commit", "--quiet", "--message", "a plan"]);
    let commit = git(&folder, &["rev-parse", "HEAD"]);
    planrun.file("repository/another", "not committed");
    let shown = || {
        planrun.run(&["apply", &plan, "-i", &hosts]).exits(0);
        planrun.run(&["show", "last"]).exits(0).stdout.clone()
    };
    assert!(shown().contains(&format!(", commit {}", &commit[..12])), "{commit}");
    planrun.file("repository/plan.yaml", format!("{PLAN}# edited\n"));
    assert!(!shown().contains("commit"));
}

/// A plan that prints everything that must stay text.
const HOSTILE: &str = r#"version: 1
name: hostile
summary: "<script>alert(1)</script> & </style><b>"
description: "<img src=x onerror=alert(1)>"
hosts: all
steps:
  - id: print
    name: "</style><script>alert(2)</script>"
    shell: |
      printf '<script>document.title = "owned"</script>\033[2J\033]0;title\007\n'
      printf '\342\200\256 reversed \342\201\246 isolated\n</pre></style><img src="http://203.0.113.1/x.png">\n'
      printf 'not UTF-8: \377\376\000 end\n```\n# heading <b>\n' >&2
      head -c 1048576 /dev/zero | tr '\0' 'x'
      printf '\n[link](http://203.0.113.1/) **strong** | pipe\n'
    idempotent: true
    rollback: {none: "</style> a `test`"}
"#;

/// A plan with everything that a rollback undoes.
const UNDOING: &str = "version: 1
name: undoing
hosts: all
inputs: {token: {type: string, sensitive: true}}
defaults: {within: 20s}
setup:
  - {id: flag, delegate_to: db1, run: put flag, idempotent: true, teardown: {delegate_to: db1, run: clear flag, idempotent: true}}
  - {id: counted, set: {count: 1 + 1}}
  - {delegate_to: db1, run: 'do set {{ counted.count }}', idempotent: true, rollback: {delegate_to: db1, run: undo set, idempotent: true}}
steps:
  - id: both
    block:
      - {run: do part 1, done_when: now, idempotent: true, rollback: {run: undo part 1, idempotent: true}}
      - {run: do part 2, idempotent: true, stdin: '{{ token }}', rollback: {run: undo part 2, idempotent: true}}
    rollback: {run: undo block, idempotent: true}
  - id: last
    run: do last
    idempotent: true
    when: host.vars.big
    rollback: {run: undo last, idempotent: true}
    point_of_no_return: it is public
  - wait: {until: now, timeout: 3m}
probes: {now: {run: is it, parse: {format: json}}}
";

/// The elements that a page may have.
const ELEMENTS: [&str; 43] = [
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "section",
    "article",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "p",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "div",
    "span",
    "strong",
    "code",
    "pre",
    "a",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "figure",
    "figcaption",
    "svg",
    "g",
    "rect",
    "path",
    "text",
    "br",
    "em",
    "hr",
];

/// Checks that a page is well formed, runs nothing and refers to nothing outside.
#[track_caller]
pub(crate) fn is_harmless(html: &str) {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(html, options).unwrap();
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(ELEMENTS.contains(&name), "<{name}>");
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            let is_outside = match name {
                "href" => !value.starts_with('#'),
                "src" | "style" | "srcset" | "action" => true,
                _ => name.starts_with("on"),
            };
            assert!(!is_outside, "{name}={value}");
        }
    }
    assert!(!html.contains(|c: char| c != '\n' && c != '\t' && c.is_control()));
    assert!(!html.contains(['\u{202e}', '\u{2066}']));
}

/// Applies the hostile plan, and returns the last run in a format.
pub(crate) fn hostile_run(planrun: &Planrun, format: &str) -> String {
    let (plan, hosts) = (planrun.file("plan.yaml", HOSTILE), planrun.file("hosts.yaml", HERE));
    let label = "--label=<b>=</style><script>alert(3)</script>";
    let reason = "\u{202e}<script>alert(4)</script>";
    planrun.run(&["apply", &plan, "-i", &hosts, "--reason", reason, label]).exits(0);
    planrun.run(&["show", "--format", format]).exits(0).stdout.clone()
}

#[test]
fn whatever_a_host_prints_stays_text_in_html() {
    let planrun = Planrun::new();
    let html = hostile_run(&planrun, "html");
    is_harmless(&html);
    for part in [
        "&lt;script&gt;document.title",
        "\\x1b[2J",
        "\\u{202e} reversed",
        "alert(2)",
        "alert(3)",
        "alert(4)",
        "not UTF-8: ",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.len() < 64 * 1024, "{}", html.len());
}

/// Returns a line of Markdown without its code, which is between equally many backticks.
fn without_code(line: &str) -> String {
    let run = |text: &str| text.bytes().take_while(|byte| *byte == b'`').count();
    let (mut out, mut rest) = (String::new(), line);
    while let Some(at) = rest.find('`') {
        let (before, code) = rest.split_at(at);
        if before.ends_with('\\') {
            out.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            continue;
        }
        out.push_str(before);
        let ticks = run(code);
        let mut inner = &code[ticks..];
        loop {
            let end = inner.find('`').unwrap_or_else(|| panic!("code without an end: {line}"));
            let closing = run(&inner[end..]);
            inner = &inner[end + closing..];
            if closing == ticks {
                break;
            }
        }
        rest = inner;
    }
    out + rest
}

#[test]
fn whatever_a_host_prints_stays_text_in_markdown() {
    let planrun = Planrun::new();
    let text = hostile_run(&planrun, "markdown");
    let mut fence: Option<&str> = None;
    let escaped = Regex::new(r#"\\.|<a id="[a-z0-9_-]*"></a>"#).unwrap();
    for line in text.lines() {
        let ticks = line.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let is_fence = ticks.len() >= 3 && ticks.bytes().all(|byte| byte == b'`');
        match fence {
            Some(open) if is_fence && ticks.len() >= open.len() => fence = None,
            None if is_fence => fence = Some(ticks),
            Some(_) => {}
            None => {
                let rest = without_code(line).replace("\\\\", "");
                let rest = escaped.replace_all(&rest, "");
                assert!(!rest.contains(['<', '[']) || rest.contains("](#"), "{line}");
            }
        }
    }
    assert_eq!(fence, None);
    assert!(text.contains("\n````text\n"), "{text}");
    assert!(!text.contains(|c: char| c != '\n' && c.is_control()));
}

/// Returns the page of a shipped plan, as `planrun explain` writes it.
#[track_caller]
fn procedure_of(path: &str) -> String {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let plan = reading::read(path.as_ref(), &Request::default(), &mut sources, &mut found);
    let plan = plan.unwrap_or_else(|| panic!("{path}"));
    procedure::page(plan.plan(), None, path).markdown()
}

#[test]
fn the_pages_of_the_shipped_plans_are_fresh() {
    let mut plans: Vec<String> = files("plans", ".yaml").iter().map(|path| shown(path)).collect();
    plans.retain(|path| path.matches('/').count() == 1);
    let page_of = |path: &String| path.replace("plans/", "docs/plans/").replace(".yaml", ".md");
    let index = text("docs/plans/README.md");
    let mut pages: Vec<String> = plans.iter().map(page_of).collect();
    for (plan, page) in plans.iter().zip(&pages) {
        let written = procedure_of(plan);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(root().join(page), &written).unwrap();
        }
        let is_fresh = std::fs::read_to_string(root().join(page)).unwrap_or_default() == written;
        assert!(is_fresh, "{page} is out of date; run `planrun explain {plan} --output {page}`");
        let name = page.rsplit('/').next().unwrap();
        assert!(index.contains(&format!("]({name})")), "{name}");
    }
    pages.push("docs/plans/README.md".to_owned());
    for page in files("docs/plans", ".md") {
        assert!(pages.contains(&shown(&page)), "no plan has the page {}", page.display());
    }
}

#[test]
fn every_link_of_a_procedure_leads_to_a_step() {
    let (link, anchor) =
        (Regex::new(r"\]\(#([^)]+)\)").unwrap(), Regex::new(r#"<a id="([^"]+)""#).unwrap());
    for page in files("docs/plans", ".md") {
        let page = text(&shown(&page));
        let anchors: Vec<&str> =
            anchor.captures_iter(&page).map(|found| found.extract::<1>().1[0]).collect();
        for found in link.captures_iter(&page) {
            assert!(anchors.contains(&&found[1]), "{}", &found[1]);
        }
        let mut unique = anchors.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), anchors.len());
    }
    // The vendor's steps lead to the steps of the plan.
    let page = text("docs/plans/obox-restart.md");
    let link = Regex::new(r"\(plans/obox-restart\.md#([^)]+)\)").unwrap();
    let vendor = text("docs/dovecot.md");
    let steps: Vec<_> = link.captures_iter(&vendor).map(|found| found[1].to_owned()).collect();
    assert!(steps.len() > 20, "{steps:?}");
    for step in steps {
        assert!(page.contains(&format!("<a id=\"{step}\"></a>")), "{step}");
    }
}

#[test]
fn a_stale_page_is_reported_with_the_command_that_renews_it() {
    let planrun = Planrun::new();
    let plan = planrun.file("a plan.yaml", PLAN);
    let page = planrun.path("page.html").to_str().unwrap().to_owned();
    let check = || planrun.run(&["explain", &plan, "--format", "html", "--check", &page]);
    check().exits(1).says("does not exist");
    let renew = check().command("help: to write it, run `", "explain");
    let renew = renew.split('`').nth(1).unwrap();
    planrun.type_line(renew).exits(0);
    check().exits(0);
    planrun.file("a plan.yaml", PLAN.replace("echo noted", "echo changed"));
    check().exits(1).says("is out of date");
    planrun.type_line(renew).exits(0);
    check().exits(0);
    assert!(std::fs::read_to_string(&page).unwrap().contains("echo changed"));
    planrun.run(&["explain", &plan, "--check", &page]).exits(1);
}

#[test]
fn a_page_is_not_stale_because_its_plan_is_named_in_another_way() {
    let planrun = Planrun::new();
    let page = planrun.path("page.md").to_str().unwrap().to_owned();
    let whole = crate::harness::root().join("plans/obox-restart.yaml");
    let named =
        ["plans/obox-restart.yaml", "./plans/../plans/obox-restart.yaml", whole.to_str().unwrap()];
    planrun.run(&["explain", "./plans/obox-restart.yaml", "-o", &page]).exits(0);
    for name in named {
        planrun.run(&["explain", name, "--check", &page]).exits(0);
    }
    planrun.run(&["explain", "plans/etcd-reboot.yaml", "--check", &page]).exits(1);
}

#[test]
fn a_procedure_undoes_the_last_step_first_and_a_block_after_its_parts() {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", UNDOING);
    let page = planrun.run(&["explain", &plan]).exits(0).stdout.clone();
    let order = [
        "do last\n",
        "undo last\n",
        "undo part 2\n",
        "undo part 1\n",
        "undo block\n",
        "undo set\n",
        "## Teardown",
        "clear flag\n",
    ];
    let places = order.map(|text| page.find(text).unwrap_or_else(|| panic!("{text}: {page}")));
    assert!(places.is_sorted(), "{page}");
    for part in [
        "### S1. ",
        "#### 1.2. ",
        "nothing is undone after step [2](#last)",
        "within 20s",
        "at most 3m",
        "only if** `host.vars.big`",
        "the result of step [S2](#counted)",
        "a secret",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("{{"), "{page}");
}

#[test]
fn an_inventory_puts_the_values_of_its_hosts_into_the_commands() {
    let planrun = Planrun::new();
    let page = |words: &[&str]| {
        let words = [&["explain", "plans/obox-restart.yaml", "-i", "demo"], words].concat();
        planrun.run(&words).exits(0).stdout.clone()
    };
    let all = page(&[]);
    for part in [
        "- **Batch 2**: backend2",
        "\nbackend2\n\n```sh\ndoveadm director update 198.51.100.2 0\n",
        "doveadm director update 198.51.100.1 <before.vhosts>",
        "\n```sh\ndoveadm -f tab director status\n",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(!all.contains("<backend_ip>"), "{all}");
    let one = page(&["--limit", "backend3", "--set", "drain_for=30m"]);
    assert!(one.contains("at most 30m; check it every 10s"), "{one}");
    assert!(!one.contains("198.51.100.1"), "{one}");
    planrun.run(&["runs"]).says("no runs yet");
}

#[test]
fn the_steps_of_a_plan_are_drawn() {
    let planrun = Planrun::new();
    let plan = planrun.file("plan.yaml", HOSTILE);
    let svg = planrun.run(&["explain", &plan, "--graph", "svg"]).exits(0).stdout.clone();
    is_harmless(&svg);
    let chart = planrun.run(&["explain", &plan, "--graph", "mermaid"]).exits(0).stdout.clone();
    assert!(chart.starts_with("flowchart TD\n") && !chart.contains("<script>"), "{chart}");
    let drawn = ["explain", "plans/obox-restart.yaml", "--graph", "mermaid"];
    let chart = planrun.run(&drawn).exits(0).stdout.clone();
    for part in ["undone by", "point of no return", "-->|\"if\"|", "7.1. Shutdown 6"] {
        assert!(chart.contains(part), "{part}: {chart}");
    }
    let page = planrun.run(&["explain", &plan, "--format", "html"]).exits(0).stdout.clone();
    is_harmless(&page);
    assert!(page.contains("alert(1)") && page.contains("onerror=alert(1)"), "{page}");
}
