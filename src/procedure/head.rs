//! What a procedure says before and after its steps.

use crate::inventory::HostName;
use crate::output::Reading;
use crate::page::{Block, Text};
use crate::plan::longest::longest;
use crate::plan::{Action, Check, Deferred, Input, InputKind, Probe, Section};
use crate::procedure::action::commands;
use crate::procedure::steps::{place, user};
use crate::procedure::undo::no_returns;
use crate::procedure::values::{shown, with_placeholders};
use crate::procedure::{Source, check, graph};

/// Hosts that are named before the rest is counted.
const MOST_HOSTS: usize = 50;

/// What the procedure is for, where, how long, and what it needs.
pub(super) fn top(source: &Source<'_>) -> Vec<Block> {
    let plan = source.plan;
    let mut out = Vec::new();
    out.extend(plan.summary.as_deref().map(Block::paragraph));
    let paragraphs = plan.description.as_deref().unwrap_or_default().split("\n\n");
    let paragraphs = paragraphs.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    out.extend(paragraphs.filter(|text| !text.is_empty()).map(Block::paragraph));
    out.push(Block::Facts(facts(source)));
    let text = "This page follows from the plan: planrun does the same. Work on a step only when the one before it is \
                done. If the condition of `Done when` is true already, the step needs no command.";
    out.push(Block::paragraph(text));
    out.push(Block::Graph(graph(plan)));
    out.extend(inputs(source));
    out
}

fn facts(source: &Source<'_>) -> Vec<(String, Text)> {
    let plan = source.plan;
    let mut out = vec![("Plan", Text::new().code(source.path))];
    out.push((
        "Hosts",
        match source.resolved {
            Some(resolved) => listed(&resolved.hosts).into(),
            None => Text::new().code(&plan.hosts.0),
        },
    ));
    out.push((
        "At a time",
        plan.serial.iter().map(at_a_time).fold(Text::new(), |out, one| out.and("; ", one)),
    ));
    if let Some(order) = &plan.order {
        let place = if order.is_last { "last" } else { "first" };
        let text = Text::new().plain("hosts for which ").code(&order.condition.text);
        out.push((
            "Order",
            text.plain(&format!(" is true start {place}; check it before each batch")),
        ));
    }
    let most = longest(plan, &plan.steps);
    let mut time = Text::new().plain("at most ").plain(&shown(&most.known)).plain(" for each host");
    for text in &most.unbounded {
        time = time.plain(" + ").code(&with_placeholders(text));
    }
    let mut asks = false;
    plan.visit(&mut |step| asks |= matches!(step.action, Action::Approve(_)));
    if asks {
        time = time.plain(", and the time until people answer");
    }
    out.push(("Time", time));
    let failures = match plan.max_failures {
        0 => "after the first failure of a host, start no other host".to_owned(),
        most => format!("start no other host after more than {most} hosts have failed"),
    };
    out.push(("Failures", failures.into()));
    let points = no_returns(source);
    if !points.is_empty() {
        out.push(("No return", Text::new().plain("nothing is undone after step ").then(points)));
    }
    let locks: Vec<&str> = plan.locks.iter().map(|(name, _)| name.as_str()).collect();
    if !locks.is_empty() {
        let text = Text::new()
            .plain("no one else may change ")
            .code(&locks.join(", "))
            .plain(" meanwhile");
        out.push(("Locks", text));
    }
    let inventory = source.resolved.map(|resolved| resolved.inventory.path.as_str());
    let inventory = inventory.unwrap_or("INVENTORY");
    let command = format!("planrun apply {} --inventory {inventory}", source.path);
    out.push(("With planrun", Text::new().code(&command)));
    out.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

fn listed(hosts: &[HostName]) -> String {
    let mut names: Vec<&str> = hosts.iter().take(MOST_HOSTS).map(HostName::as_str).collect();
    let rest = hosts.len().saturating_sub(MOST_HOSTS);
    let more = format!("{rest} more");
    if rest > 0 {
        names.push(&more);
    }
    names.join(", ")
}

fn at_a_time(section: &Section) -> Text {
    let sizes: Vec<String> = section.sizes.iter().map(usize::to_string).collect();
    let sizes = sizes.join(", then ");
    match &section.group {
        Some((group, _)) => Text::new().code(group).plain(": ").plain(&sizes),
        None => sizes.into(),
    }
}

/// The hosts in the order in which they are worked on, batch by batch.
pub(super) fn order(source: &Source<'_>) -> Option<Block> {
    let resolved = source.resolved?;
    let mut batches = Vec::new();
    let mut rest = resolved.hosts.as_slice();
    for (section, count) in source.plan.serial.iter().zip(&resolved.sections) {
        let (mut hosts, others) = rest.split_at((*count).min(rest.len()));
        rest = others;
        let mut sizes = section.sizes.iter();
        let mut size = 1;
        while !hosts.is_empty() {
            size = sizes.next().copied().unwrap_or(size).max(1);
            let (batch, others) = hosts.split_at(size.min(hosts.len()));
            batches.push(listed(batch));
            hosts = others;
        }
    }
    let more = batches.len().saturating_sub(MOST_HOSTS);
    let mut items: Vec<Text> = batches
        .iter()
        .take(MOST_HOSTS)
        .enumerate()
        .map(|(at, batch)| {
            Text::new().strong(&format!("Batch {}", at + 1)).plain(": ").plain(batch)
        })
        .collect();
    if more > 0 {
        items.push(format!("{more} more batches").into());
    }
    Block::list(items)
}

fn inputs(source: &Source<'_>) -> Option<Block> {
    let row = |(name, input): (&String, &Input)| {
        vec![
            Text::new().code(name),
            kind(&input.kind),
            value(source, name, input),
            input.description.as_deref().unwrap_or_default().into(),
        ]
    };
    let head = if source.resolved.is_some() { "Value" } else { "Default" };
    let rows = source.plan.inputs.iter().map(row).collect();
    Some(Block::section("Inputs", vec![Block::table(&["Input", "Type", head, "Meaning"], rows)?]))
}

fn kind(kind: &InputKind) -> Text {
    match kind {
        InputKind::String { .. } => "string".into(),
        InputKind::Int { .. } => "number".into(),
        InputKind::Bool => "true or false".into(),
        InputKind::Duration { .. } => "duration".into(),
        InputKind::Enum(words) => {
            words.iter().fold(Text::new(), |out, word| out.and(", ", Text::new().code(word)))
        }
        InputKind::Path => "path on the host".into(),
        InputKind::File => "file on this machine".into(),
        InputKind::List { .. } => "list".into(),
    }
}

fn value(source: &Source<'_>, name: &str, input: &Input) -> Text {
    if input.sensitive {
        return "a secret".into();
    }
    let written =
        |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let quoted =
        |text: &str| if text.is_empty() { Text::from("(empty)") } else { Text::new().code(text) };
    let Some(resolved) = source.resolved else {
        return match &input.default {
            None => "(required)".into(),
            Some(Deferred::Now(value)) => quoted(&written(value)),
            Some(Deferred::Template(text)) => Text::new().code(&with_placeholders(&text.text)),
        };
    };
    let of = |host: &HostName| resolved.inputs.get(host)?.get(name).map(written);
    let mut variants: Vec<(String, Vec<&str>)> = Vec::new();
    for host in &resolved.hosts {
        let value = of(host).unwrap_or_default();
        match variants.iter_mut().find(|(known, _)| *known == value) {
            Some((_, hosts)) => hosts.push(host.as_str()),
            None => variants.push((value, vec![host.as_str()])),
        }
    }
    match variants.as_slice() {
        [(value, _)] => quoted(value),
        several => several.iter().take(MOST_HOSTS).fold(Text::new(), |out, (value, hosts)| {
            out.and(", ", Text::new().plain(&hosts.join(", ")).plain(" ").then(quoted(value)))
        }),
    }
}

/// What the placeholders in the commands mean.
pub(super) fn placeholders(source: &Source<'_>) -> Option<Block> {
    let all = source.values.placeholders.borrow();
    let row = |name: &String| vec![Text::new().code(&format!("<{name}>")), meaning(source, name)];
    let table = Block::table(&["Placeholder", "Value"], all.iter().map(row).collect())?;
    let text = "Put these values in the place of the placeholders.";
    Some(Block::section("Placeholders", vec![Block::paragraph(text), table]))
}

fn meaning(source: &Source<'_>, name: &str) -> Text {
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    let (root, rest) = name.split_at(end);
    if let Some(input) = source.plan.inputs.get(root) {
        let what = if input.sensitive { "the secret " } else { "the input " };
        return Text::new().plain(what).code(root);
    }
    let mut step = None;
    source.plan.visit(&mut |one| {
        if one.id.as_deref() == Some(root) {
            step = Some(one);
        }
    });
    if let Some(step) = step {
        let number = source.numbers.of_step(step);
        let link = Text::new().plain("the result of step ").link(number, &step.path.to_string());
        return link.and(": ", rest.trim_start_matches('.'));
    }
    match (root, rest) {
        ("host", "" | ".name") => "the name of the host that is worked on".into(),
        ("host", ".address") => "the address of the host that is worked on".into(),
        ("host", _) => Text::new().plain("of the host that is worked on: ").code(rest),
        ("there", _) => "of the host that the command runs on".into(),
        ("item", _) => "the item of the list".into(),
        ("groups", _) => "the names of the hosts of a group".into(),
        ("run", _) => "the name of the run".into(),
        _ => Text::new().plain("the value of ").code(name),
    }
}

/// What must be true before the first step.
pub(super) fn before(source: &Source<'_>) -> Vec<Block> {
    let plan = source.plan;
    let mut out = Vec::new();
    let mut checks = Vec::new();
    for (text, list) in [
        ("On every host before the first change, and again when its turn comes:", &plan.preflight),
        ("On every host before the first change:", &plan.preflight_start),
        ("When the turn of a host comes:", &plan.preflight_turn),
    ] {
        checks.extend(listed_checks(text, list));
    }
    out.extend(observations(source));
    out.extend(Block::section_of("Before you start", checks));
    out
}

fn listed_checks(text: &str, checks: &[Check]) -> Vec<Block> {
    let list = Block::list(checks.iter().map(check).collect());
    list.map(|list| vec![Block::paragraph(text), list]).unwrap_or_default()
}

/// How the values in conditions are observed.
fn observations(source: &Source<'_>) -> Option<Block> {
    let plan = source.plan;
    let mut blocks = Vec::new();
    let hosts = source.resolved.map(|resolved| resolved.hosts.clone()).unwrap_or_default();
    for probe in plan.probes.values() {
        let mut about = Text::new().strong(&probe.name);
        about = about.and(" · ", place(&probe.target));
        about = about.and(" · ", user(source, probe.command.r#become.as_ref()));
        about = about.and(" · ", reading(probe));
        blocks.push(Block::Paragraph(about));
        blocks.extend(commands(&source.values, &probe.command, &hosts));
    }
    let rows = plan.named.iter().map(|(name, named)| {
        let text = match &named.from {
            Some(from) => {
                let text = Text::new().plain("the rows of ").code(&from.text);
                text.plain(" for which ").code(&named.expression.text)
            }
            None => Text::new().code(&named.expression.text),
        };
        vec![Text::new().code(name), text]
    });
    blocks.extend(Block::table(&["Name", "Means"], rows.collect()));
    let text = "Conditions use the names below. Each command only reads; run it again whenever a condition needs it.";
    (!blocks.is_empty()).then(|| {
        blocks.insert(0, Block::paragraph(text));
        Block::section("How to observe", blocks)
    })
}

fn reading(probe: &Probe) -> Text {
    match &probe.reading {
        Reading::Whole => Text::new(),
        Reading::Discard => "read the exit code".into(),
        Reading::Text => "read its output".into(),
        Reading::Int => "read a number".into(),
        Reading::Size => "read the number of bytes".into(),
        Reading::Lines => "read a list of lines".into(),
        Reading::Data(data) => match &data.key {
            Some(key) => Text::new().plain("read a table, by ").code(key),
            None => "read a table or a mapping".into(),
        },
    }
}

/// What must be true at all times and at the end.
pub(super) fn after(source: &Source<'_>) -> Option<Block> {
    let invariants = &source.plan.invariants;
    let mut blocks = Vec::new();
    for (text, list) in [
        ("At any time:", &invariants.always),
        ("Whenever you stop, for a while or for good:", &invariants.at_rest),
        ("At the end, or when everything is undone:", &invariants.at_end),
    ] {
        blocks.extend(listed_checks(text, list));
    }
    let text = "This must be true of every host. planrun does not check it during a run yet.";
    (!blocks.is_empty()).then(|| {
        blocks.insert(0, Block::paragraph(text));
        Block::section("Invariants", blocks)
    })
}
