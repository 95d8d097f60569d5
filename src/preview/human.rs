//! A preview on a terminal, with colours like those of a diff.

use std::fmt::Write as _;

use crate::event::Truth;
use crate::inventory::HostName;
use crate::preview::text::{
    MOST_HOSTS, batches, counts, expected, headline, hosts, input, outlook, probes, range, remarks,
    result, stdin, subject, usual_user, waits,
};
use crate::preview::{Decision, Group, Observed, Preview, Role, Step};
use crate::report::text::{clip, columns, count, list, printable, wrap};
use crate::report::{Style, Tone};

/// Batches, groups of hosts, or probes that are listed.
const MOST_LISTED: usize = 12;
/// Groups of hosts with different commands that are shown of a step.
const MOST_GROUPS: usize = 8;
/// Lines of a script that are shown.
const MOST_LINES: usize = 12;
/// Results of one condition on different hosts that are shown.
const MOST_RESULTS: usize = 3;
/// Columns of a value of an input.
const VALUE_WIDTH: usize = 36;

/// Writes a preview.
pub fn human(preview: &Preview, style: &Style) -> String {
    let mut page = Page { out: String::new(), style, user: usual_user(preview) };
    page.text(0, Tone::Strong, &headline(preview));
    if let Some(summary) = &preview.summary {
        page.text(0, Tone::Plain, summary);
    }
    page.text(0, Tone::Quiet, "Only probes were run; nothing was changed or locked.");
    page.hosts(preview);
    page.inputs(preview);
    page.preflight(preview);
    let legend = "+ would run, ~ may run, = already done, - skipped";
    for (title, steps) in [
        ("Setup, once before the first host", &preview.setup),
        ("Steps on each host", &preview.steps),
        ("Finish, once when every host has succeeded", &preview.finish),
    ] {
        if !steps.is_empty() {
            page.title(title, legend);
            for step in steps {
                page.step(step, 0);
            }
        }
    }
    page.waits(preview);
    page.probes(preview);
    page.title(&format!("{}.", counts(preview.counts)), "");
    let tone = if preview.can_start() { Tone::Quiet } else { Tone::Bad };
    page.text(0, tone, &outlook(preview));
    page.out
}

/// Says in a few lines what a run would do, before it is confirmed.
pub fn short(preview: &Preview, style: &Style) -> String {
    let mut page = Page { out: String::new(), style, user: None };
    page.text(0, Tone::Strong, &headline(preview));
    page.text(2, Tone::Plain, &format!("{}: {}", batches(preview), in_order(preview)));
    let all = preview.counts.would_run + preview.counts.may_run;
    let skipped = match preview.counts.skipped {
        0 => String::new(),
        skipped => format!("; {skipped} skipped by their inputs"),
    };
    let most = count(all, "command");
    let text = format!("up to {most} would be sent, on all hosts{skipped}");
    page.text(2, Tone::Plain, &format!("{text}; not counting retries and rollbacks"));
    if let Some(line) = expected(preview) {
        page.text(2, Tone::Plain, &format!("expected: {line}"));
    }
    for line in waits(&preview.waits).iter().take(1) {
        page.text(2, Tone::Plain, &format!("known waits: {line}"));
    }
    page.out
}

/// Returns the hosts in the order in which they start.
fn in_order(preview: &Preview) -> String {
    let hosts = preview.batches.iter().flat_map(|batch| &batch.hosts);
    list(hosts.map(HostName::as_str), MOST_HOSTS)
}

struct Page<'a> {
    out: String,
    style: &'a Style,
    /// The user that most commands run as.
    user: Option<String>,
}

impl Page<'_> {
    /// Writes a paragraph with this indentation.
    fn text(&mut self, indent: usize, tone: Tone, text: &str) {
        self.lines(&" ".repeat(indent), indent, tone, text);
    }

    /// Writes a paragraph; its first line follows a printable `start` of so many columns.
    fn lines(&mut self, start: &str, indent: usize, tone: Tone, text: &str) {
        let width = self.style.width.saturating_sub(indent).max(20);
        for (number, line) in wrap(&printable(text), width).iter().enumerate() {
            let start = if number == 0 { start.to_owned() } else { " ".repeat(indent) };
            let line = self.style.paint(tone, &clip(line, width));
            self.out.push_str(format!("{start}{line}").trim_end());
            self.out.push('\n');
        }
    }

    fn title(&mut self, title: &str, remark: &str) {
        self.out.push('\n');
        let room = self.style.width.saturating_sub(title.chars().count() + 2);
        let title = self.style.paint(Tone::Strong, &printable(title));
        self.out.push_str(&title);
        if !remark.is_empty() {
            if remark.chars().count() > room {
                self.out.push('\n');
            } else {
                self.out.push_str("  ");
            }
            self.out.push_str(&self.style.paint(Tone::Quiet, remark));
        }
        self.out.push('\n');
    }

    fn hosts(&mut self, preview: &Preview) {
        self.title(&format!("Hosts: {}", batches(preview)), "");
        for (number, batch) in preview.batches.iter().take(MOST_LISTED).enumerate() {
            let group = batch.group.as_ref().map(|group| format!(" ({group})"));
            let hosts = list(batch.hosts.iter().map(HostName::as_str), 2 * MOST_HOSTS);
            let start = format!("{:>3}  ", number + 1);
            self.lines(&start, 5, Tone::Plain, &format!("{hosts}{}", group.unwrap_or_default()));
        }
        if let Some(more @ 1..) = preview.batches.len().checked_sub(MOST_LISTED) {
            self.text(5, Tone::Quiet, &format!("{more} more batches"));
        }
        if let Some(order) = &preview.order {
            let which = if order.last { "last" } else { "first" };
            for observed in &order.observed {
                let hosts = list(&observed.hosts, MOST_HOSTS);
                let text = format!("{hosts}: {} is {}", subject(observed), result(observed));
                self.text(5, Tone::Quiet, &text);
            }
            let text = format!(
                "Those for which it is true start {which}. Each batch checks it again, so the later \
                 ones are known only then."
            );
            self.text(5, Tone::Quiet, &text);
        }
        for (host, why) in &preview.unreachable {
            self.lines(&self.mark(Tone::Bad, '!', 3), 5, Tone::Bad, &format!("{host}: {why}"));
        }
    }

    fn mark(&self, tone: Tone, mark: char, column: usize) -> String {
        format!("{}{} ", " ".repeat(column), self.style.paint(tone, &mark.to_string()))
    }

    fn inputs(&mut self, preview: &Preview) {
        if preview.inputs.is_empty() {
            return;
        }
        self.title("Inputs", "");
        let all: usize = preview.batches.iter().map(|batch| batch.hosts.len()).sum();
        let mut rows: Vec<[String; 3]> = Vec::new();
        let (mut last, mut times) = ("", 0);
        for one in &preview.inputs {
            times = if one.name == last { times + 1 } else { 0 };
            let name = if times == 0 { one.name.as_str() } else { "" };
            last = &one.name;
            if times >= MOST_GROUPS {
                if times == MOST_GROUPS {
                    rows.push([String::new(), "...".into(), "other values on other hosts".into()]);
                }
                continue;
            }
            let (value, from) = input(one);
            let names: Vec<String> = one.hosts.iter().map(ToString::to_string).collect();
            let on = hosts(&names, all).map_or(String::new(), |hosts| format!(" ({hosts})"));
            let value = clip(&printable(&value), VALUE_WIDTH);
            rows.push([format!("  {}", printable(name)), value, printable(&format!("{from}{on}"))]);
        }
        for line in columns(&rows, |_| true).lines() {
            let line = clip(line, self.style.width);
            self.out.push_str(line.trim_end());
            self.out.push('\n');
        }
    }

    fn preflight(&mut self, preview: &Preview) {
        if preview.preflight.is_empty() {
            return;
        }
        let is_true = |one: &&Observed| one.seen.truth == Truth::True;
        let failing = preview.failing().count();
        let title = match failing {
            0 => "Preflight: every check passes now".to_owned(),
            failing => format!(
                "Preflight: {} not pass now",
                match failing {
                    1 => "1 check does".to_owned(),
                    more => format!("{more} checks do"),
                }
            ),
        };
        self.title(&title, "");
        let mut passed: Vec<&str> = Vec::new();
        for one in preview.preflight.iter().filter(is_true) {
            let claim = one.seen.claim.as_str();
            let is_open = preview.failing().any(|other| other.seen.claim == claim);
            if !passed.contains(&claim) && !is_open {
                passed.push(claim);
                self.lines(&self.mark(Tone::Good, '✓', 2), 4, Tone::Plain, claim);
            }
        }
        for one in preview.failing() {
            let mark = if one.seen.truth == Truth::Unknown { '?' } else { '✗' };
            self.lines(&self.mark(Tone::Bad, mark, 2), 4, Tone::Plain, &one.seen.claim);
            let hosts = list(&one.hosts, MOST_HOSTS);
            self.text(6, Tone::Bad, &format!("{hosts}: {}", result(one)));
        }
    }

    fn step(&mut self, step: &Step, depth: usize) {
        let indent = 2 * depth;
        let decision = step.groups.iter().filter_map(|group| group.decision).max();
        let mark = decision.map_or(' ', Decision::mark);
        let number = format!("{}{:>3} ", " ".repeat(indent), step.number);
        let mark = self.style.paint(tone(decision), &mark.to_string());
        let text = indent + number.len() - indent + 2;
        let is_named =
            step.path.starts_with(|c: char| c.is_alphabetic()) && !step.path.contains(['/', '.']);
        // A title that is made of the action: the command follows.
        let own = format!("{}: ", step.action);
        let has_command = step.groups.iter().any(|group| group.command.is_some());
        let is_own = step.title.starts_with(&own) && has_command;
        let title = if is_own { &step.action } else { &step.title };
        let title = if is_named { format!("{}: {title}", step.path) } else { title.clone() };
        let strong = if decision == Some(Decision::Skipped) { Tone::Quiet } else { Tone::Strong };
        self.lines(&format!("{number}{mark} "), text, strong, &title);
        if decision == Some(Decision::Skipped) {
            let when = step.observed.iter().find(|one| one.role == Role::When);
            let when = when.map_or(String::new(), |one| format!(": {}", one.seen.condition));
            return self.text(text, Tone::Quiet, &format!("its `when` is false{when}"));
        }
        self.groups(step, text);
        step.notes.iter().for_each(|note| self.text(text, Tone::Plain, note));
        self.observed(step, text);
        step.parts.iter().for_each(|part| self.step(part, depth + 1));
        if !step.rescue.is_empty() {
            self.text(text, Tone::Quiet, "rescue, only if a step above fails:");
            step.rescue.iter().for_each(|part| self.step(part, depth + 1));
        }
        self.rollback(step, text);
    }

    /// Writes the commands of a step; what is the same for all of them is written once.
    fn groups(&mut self, step: &Step, indent: usize) {
        let groups = &step.groups;
        let user = self.user.clone();
        let about = |group: &Group| {
            group.command.as_ref().map(|it| remarks(it, user.as_deref())).unwrap_or_default()
        };
        let alike = |is_same: &dyn Fn(&Group, &Group) -> bool| {
            groups.windows(2).all(|pair| is_same(&pair[0], &pair[1]))
        };
        let (same_about, same_why) =
            (alike(&|a, b| about(a) == about(b)), alike(&|a, b| a.why == b.why));
        let same_decision = alike(&|a, b| a.decision == b.decision);
        for group in groups.iter().take(MOST_GROUPS) {
            let hosts = (groups.len() > 1).then(|| list(&group.hosts, MOST_HOSTS));
            let mark = group.decision.filter(|_| !same_decision);
            if let Some(command) = &group.command {
                self.command(&command.text, indent, group.decision, mark, hosts.as_deref());
            }
            if let Some(stdin) = group.command.as_ref().and_then(stdin) {
                self.text(indent + 2, tone(group.decision), &stdin);
            }
            let mut more = if same_about { Vec::new() } else { about(group) };
            more.extend(group.why.clone().filter(|_| !same_why));
            if group.command.is_none() {
                more.splice(0..0, hosts);
            }
            if !more.is_empty() {
                self.text(indent + 2, Tone::Quiet, &more.join("; "));
            }
        }
        if let Some(more @ 1..) = groups.len().checked_sub(MOST_GROUPS) {
            self.text(indent, Tone::Quiet, &format!("... {} more", count(more, "command")));
        }
        let Some(first) = groups.first() else { return };
        let about = about(first);
        if same_about && !about.is_empty() {
            let each = if groups.len() > 1 { "each " } else { "" };
            self.text(indent, Tone::Quiet, &format!("{each}{}", about.join("; ")));
        }
        if let Some(why) = first.why.as_ref().filter(|_| same_why) {
            self.text(indent, tone(first.decision), why);
        } else if same_decision && first.decision == Some(Decision::AlreadyDone) {
            self.text(indent, Tone::Quiet, "already done: would not be run");
        }
    }

    /// Writes a command; `mark` is the mark before it, `hosts` are those that it is for.
    fn command(
        &mut self,
        text: &str,
        indent: usize,
        decision: Option<Decision>,
        mark: Option<Decision>,
        hosts: Option<&str>,
    ) {
        let width = self.style.width.saturating_sub(indent).max(20);
        let all: Vec<&str> = text.lines().collect();
        let mut last = 0;
        for (number, line) in all.iter().take(MOST_LINES).enumerate() {
            for (part_number, part) in pieces(&printable(line), width).into_iter().enumerate() {
                let is_first = number == 0 && part_number == 0;
                let start = match mark.filter(|_| is_first) {
                    Some(mark) => self.mark(tone(decision), mark.mark(), indent - 2),
                    None => " ".repeat(indent),
                };
                last = part.chars().count();
                let part = self.style.paint(tone(decision), &part);
                let _written = writeln!(self.out, "{start}{part}");
            }
        }
        if let Some(more @ 1..) = all.len().checked_sub(MOST_LINES) {
            self.text(indent, Tone::Quiet, &format!("... {}", count(more, "more line")));
        } else if let Some(hosts) = hosts
            && last + hosts.chars().count() + 4 <= width
        {
            self.out.truncate(self.out.trim_end().len());
            let hosts = self.style.paint(Tone::Quiet, &format!("({})", printable(hosts)));
            let _written = writeln!(self.out, "  {hosts}");
            return;
        }
        if let Some(hosts) = hosts {
            self.text(indent + 2, Tone::Quiet, &format!("({hosts})"));
        }
    }

    fn observed(&mut self, step: &Step, indent: usize) {
        let of = |role| step.observed.iter().filter(move |one| one.role == role);
        let is_true = |one: &Observed| one.seen.truth == Truth::True;
        if of(Role::Requires).next().is_some() && of(Role::Requires).all(is_true) {
            let mut claims: Vec<&str> =
                of(Role::Requires).map(|one| one.seen.claim.as_str()).collect();
            claims.dedup();
            self.text(indent, Tone::Quiet, &format!("requires, true now: {}", claims.join("; ")));
        }
        let mut last: (Option<&Observed>, usize) = (None, 0);
        for one in &step.observed {
            let is_usual = matches!(one.role, Role::When | Role::Requires | Role::Preflight);
            if is_true(one) && is_usual {
                continue;
            }
            let is_same = |other: &&Observed| {
                other.role == one.role && other.seen.condition == one.seen.condition
            };
            let times = last.0.filter(is_same).map_or(0, |_| last.1 + 1);
            last = (Some(one), times);
            if times == MOST_RESULTS {
                self.text(indent, Tone::Quiet, "other values on other hosts");
            }
            if times >= MOST_RESULTS {
                continue;
            }
            let is_only = step.observed.iter().filter(is_same).count() == 1;
            let on = if is_only { String::new() } else { list(&one.hosts, MOST_HOSTS) + ": " };
            let subject = Some(subject(one)).filter(|text| times == 0 && !text.is_empty());
            let what = subject.map_or(String::new(), |text| text + "; ");
            let is_bad = one.role == Role::Assert && !is_true(one);
            let tone = if is_bad { Tone::Warn } else { Tone::Quiet };
            self.text(indent, tone, &format!("{what}{on}{}", result(one)));
        }
    }

    fn rollback(&mut self, step: &Step, indent: usize) {
        let word = if step.rollback.as_ref().is_some_and(|it| it.teardown) {
            "teardown"
        } else {
            "rollback"
        };
        if let Some(handler) = &step.rollback {
            let mut texts: Vec<String> = Vec::new();
            let mut open = vec![&**handler];
            while let Some(step) = open.pop() {
                open.extend(step.parts.iter().rev());
                if let Some(first) = step.groups.first()
                    && let Some(command) = &first.command
                {
                    let line = command.text.lines().next().unwrap_or_default();
                    let on = list(&first.hosts, MOST_HOSTS);
                    let line = match stdin(command) {
                        Some(stdin) => format!("{line} ({stdin})"),
                        None => line.to_owned(),
                    };
                    texts.push(match step.groups.len() {
                        1 => line,
                        _ => format!("{line} ({on}; similar on the others)"),
                    });
                }
                texts.extend(step.notes.iter().cloned());
            }
            self.text(indent, Tone::Quiet, &format!("{word}: {}", texts.join("; then ")));
        }
        if let Some(why) = &step.no_rollback {
            self.text(indent, Tone::Quiet, &format!("no rollback: {why}"));
        }
    }

    fn waits(&mut self, preview: &Preview) {
        if let Some(expected) = expected(preview) {
            self.title(&format!("Expected: {expected}"), "");
        }
        let sums = waits(&preview.waits);
        if sums.is_empty() {
            return;
        }
        self.title("Known waits", "commands take their time in addition");
        for wait in &preview.waits.steps {
            let text = format!("{}: {}", wait.step, range(wait.least_ms, wait.most_ms));
            self.text(2, Tone::Plain, &text);
        }
        for line in &sums {
            self.text(2, Tone::Plain, line);
        }
    }

    fn probes(&mut self, preview: &Preview) {
        if preview.probes.is_empty() {
            return;
        }
        self.title(&format!("Probes that were run: {}", preview.probes.len()), "");
        let all = probes(preview);
        for (name, hosts) in all.iter().take(MOST_LISTED) {
            self.text(2, Tone::Quiet, &format!("{name} on {}", list(hosts, MOST_HOSTS)));
        }
        if let Some(more @ 1..) = all.len().checked_sub(MOST_LISTED) {
            self.text(2, Tone::Quiet, &count(more, "more probe"));
        }
    }
}

fn tone(decision: Option<Decision>) -> Tone {
    match decision {
        Some(Decision::WouldRun) => Tone::Good,
        Some(Decision::MayRun) => Tone::Warn,
        Some(Decision::AlreadyDone | Decision::Skipped) => Tone::Quiet,
        None => Tone::Plain,
    }
}

/// Breaks a line of a command, which must not lose a character.
fn pieces(line: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = line.chars().collect();
    let lines = chars.chunks(width.max(20)).map(|piece| piece.iter().collect());
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { vec![String::new()] } else { lines }
}
