//! A preview as Markdown, for a ticket or a review.

use std::fmt::Write as _;

use crate::event::Truth;
use crate::inventory::HostName;
use crate::preview::text::{
    batches, counts, expected, headline, hosts, input, outlook, probes, range, remarks, result,
    stdin, subject, usual_user, waits,
};
use crate::preview::{Decision, Preview, Role, Step};
use crate::report::text::{list, printable};

/// Groups of hosts, batches and probes that are listed.
const MOST: usize = 50;

/// Writes a preview.
pub fn markdown(preview: &Preview) -> String {
    let mut page = Page { out: String::new(), user: usual_user(preview) };
    page.line(&format!("# Preview: {}", inline(&headline(preview))));
    page.line(&preview.summary.as_deref().map(inline).unwrap_or_default());
    page.line("Only probes were run; nothing was changed or locked.");
    page.line(&format!("**{}.** {}", counts(preview.counts), inline(&outlook(preview))));
    page.hosts(preview);
    page.inputs(preview);
    page.preflight(preview);
    for (title, steps) in [
        ("Setup", &preview.setup),
        ("Steps on each host", &preview.steps),
        ("Finish", &preview.finish),
    ] {
        if !steps.is_empty() {
            page.line(&format!("## {title}"));
            page.line("`+` would run, `~` may run, `=` already done, `-` skipped");
            for step in steps {
                page.step(step);
            }
        }
    }
    if let Some(expected) = expected(preview) {
        page.line(&format!("Expected: {expected}."));
    }
    let sums = waits(&preview.waits);
    if !sums.is_empty() {
        page.line("## Known waits");
        let steps = preview.waits.steps.iter();
        let steps = steps.map(|it| format!("`{}`: {}", it.step, range(it.least_ms, it.most_ms)));
        page.list(steps.chain(sums));
    }
    if !preview.probes.is_empty() {
        page.line(&format!("## Probes that were run: {}", preview.probes.len()));
        let all = probes(preview);
        let all = all.iter().take(MOST);
        page.list(all.map(|(name, hosts)| format!("`{name}` on {}", list(hosts, MOST))));
    }
    format!("{}\n", page.out.trim_end())
}

struct Page {
    out: String,
    user: Option<String>,
}

/// Makes a text printable, without a meaning in Markdown or HTML.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut last = ' ';
    for c in printable(text).chars() {
        // In a word `_` has no meaning.
        if "\\*{}[]<>#|~&!`".contains(c) || c == '_' && !last.is_alphanumeric() {
            out.push('\\');
        }
        out.push(c);
        last = c;
    }
    out
}

impl Page {
    /// Writes a paragraph.
    fn line(&mut self, text: &str) {
        if !text.is_empty() {
            let _written = write!(self.out, "{text}\n\n");
        }
    }

    fn list(&mut self, items: impl IntoIterator<Item = String>) {
        for item in items {
            let _written = writeln!(self.out, "- {item}");
        }
        self.out.push('\n');
    }

    fn hosts(&mut self, preview: &Preview) {
        self.line(&format!("## Hosts: {}", batches(preview)));
        for (number, batch) in preview.batches.iter().take(MOST).enumerate() {
            let group = batch.group.as_ref().map(|group| format!(" ({group})"));
            let hosts = inline(&list(batch.hosts.iter().map(HostName::as_str), MOST));
            let group = inline(&group.unwrap_or_default());
            let _written = writeln!(self.out, "{}. {hosts}{group}", number + 1);
        }
        self.out.push('\n');
        for (host, why) in &preview.unreachable {
            self.line(&format!("**{}**: {}", inline(host.as_str()), inline(why)));
        }
        if let Some(order) = &preview.order {
            let which = if order.last { "last" } else { "first" };
            let results = order.observed.iter();
            self.list(results.map(|one| {
                inline(&format!("{}: {}: {}", list(&one.hosts, MOST), subject(one), result(one)))
            }));
            self.line(&format!(
                "Those for which it is true start {which}. Each batch checks it again."
            ));
        }
    }

    fn inputs(&mut self, preview: &Preview) {
        if preview.inputs.is_empty() {
            return;
        }
        self.line("## Inputs");
        self.out.push_str("| input | value | from | hosts |\n|---|---|---|---|\n");
        let all: usize = preview.batches.iter().map(|batch| batch.hosts.len()).sum();
        for one in &preview.inputs {
            let (value, from) = input(one);
            let names: Vec<String> = one.hosts.iter().map(ToString::to_string).collect();
            let on = hosts(&names, all).unwrap_or_default();
            let cells = [&one.name, &value, from, &on].map(inline);
            let _written = writeln!(self.out, "| {} |", cells.join(" | "));
        }
        self.out.push('\n');
    }

    fn preflight(&mut self, preview: &Preview) {
        if preview.preflight.is_empty() {
            return;
        }
        self.line("## Preflight");
        let results = preview.preflight.iter().map(|one| {
            let passes = if one.seen.truth == Truth::True { "passes" } else { "**does not pass**" };
            let on = list(&one.hosts, MOST);
            let values = match one.seen.truth {
                Truth::True => String::new(),
                _ => format!(": {}", inline(&result(one))),
            };
            format!("{}: {passes} on {}{values}", inline(&one.seen.claim), inline(&on))
        });
        let mut results: Vec<String> = results.collect();
        results.dedup();
        self.list(results);
    }

    fn step(&mut self, step: &Step) {
        let decision = step.groups.iter().filter_map(|group| group.decision).max();
        let mark = decision.map_or(String::new(), |decision| format!(" `{}`", decision.mark()));
        let number = match step.number.as_str() {
            "" => String::new(),
            number => format!(" {number}"),
        };
        let title = inline(&step.title);
        self.line(&format!("###{number}{mark} `{}`: {title}", step.path));
        for group in step.groups.iter().take(MOST) {
            let mut about = vec![inline(&list(&group.hosts, MOST))];
            if let Some(command) = &group.command {
                let remarks = remarks(command, self.user.as_deref());
                about.extend(remarks.iter().map(|text| inline(text)));
            }
            match (&group.why, group.decision) {
                (Some(why), _) => about.push(inline(why)),
                (None, Some(Decision::AlreadyDone)) => about.push("already done".into()),
                _ => {}
            }
            self.line(&format!("{}:", about.join("; ")));
            if let Some(command) = &group.command {
                self.code(&command.text);
                self.line(&stdin(command).map(|text| inline(&text)).unwrap_or_default());
            }
        }
        let mut notes: Vec<String> = step.notes.iter().map(|note| inline(note)).collect();
        for one in &step.observed {
            let is_usual = one.seen.truth == Truth::True && one.role == Role::When;
            if !is_usual {
                let on = list(&one.hosts, MOST);
                let about = format!("{} ({on})", subject(one));
                notes.push(inline(&format!("{}: {}", about.trim_start(), result(one))));
            }
        }
        if let Some(why) = &step.no_rollback {
            notes.push(format!("No rollback: {}", inline(why)));
        }
        if !notes.is_empty() {
            self.list(notes);
        }
        step.parts.iter().for_each(|part| self.step(part));
        if !step.rescue.is_empty() {
            self.line(&format!("Rescue of `{}`, only if a part of it fails:", step.path));
            step.rescue.iter().for_each(|part| self.step(part));
        }
        if let Some(handler) = &step.rollback {
            let word = if handler.teardown { "Teardown" } else { "Rollback" };
            self.line(&format!("{word} of `{}`:", step.path));
            let mut open = vec![&**handler];
            while let Some(part) = open.pop() {
                open.extend(part.parts.iter().rev());
                for group in part.groups.iter().take(MOST) {
                    if let Some(command) = &group.command {
                        self.line(&format!("{}:", inline(&list(&group.hosts, MOST))));
                        self.code(&command.text);
                    }
                }
            }
        }
    }

    /// Writes a command as a block that no text can end.
    fn code(&mut self, text: &str) {
        let lines = text.lines().map(|line| format!("    {}\n", printable(line)));
        self.out.extend(lines);
        self.out.push('\n');
    }
}
