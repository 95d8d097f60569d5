//! What a step does.

use std::time::Duration;

use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Node, Value};
use crate::plan::lower::{Inherited, Lowering, whole};
use crate::plan::{Action, Approve, DEFAULT_EVERY, Deferred, Effect, OnTimeout, Retry, Wait, Work};

/// Deepest nesting of blocks: the path of a step names all that it is in.
const MAX_BLOCKS: usize = 16;
/// Longest title made of an action, in characters.
const MAX_TITLE: usize = 60;

const ZERO: Deferred<Duration> = Deferred::Now(Duration::ZERO);

impl Lowering<'_> {
    pub(super) fn action(&mut self, node: &Node, path: &str, outer: &Inherited) -> Action {
        if let Some(wait) = node.get("wait") {
            return Action::Wait(Box::new(self.wait(wait)));
        }
        if let Some(checks) = node.get("assert") {
            return Action::Assert {
                checks: self.checks(Some(checks)),
                within: self.duration_or(node, "within", ZERO),
            };
        }
        if let Some(text) = node.get("approve") {
            return Action::Approve(Box::new(self.approve(text)));
        }
        if let Some(text) = node.get("fail") {
            return Action::Fail(self.template(text));
        }
        if let Some(values) = node.get("set") {
            let values = values.entries().iter();
            return Action::Set(
                values.map(|entry| (entry.key.clone(), self.expression(&entry.value))).collect(),
            );
        }
        if let Some(steps) = node.get("block") {
            if self.blocks == MAX_BLOCKS {
                let message = format!("blocks are nested deeper than {MAX_BLOCKS}");
                Diagnostic::error(Code::NestedTooDeep, message)
                    .at(node.entry("block").map_or(node.span, |entry| entry.key_span), "too deep")
                    .help("move the steps of the inner block into the outer one")
                    .emit(&mut self.unreadable);
                return Action::Block { steps: Vec::new(), rescue: Vec::new() };
            }
            self.blocks += 1;
            let inner = self.inherit(node, outer);
            let action = Action::Block {
                steps: self.numbered(Some(steps), &format!("{path}/"), &inner),
                rescue: self.numbered(node.get("rescue"), &format!("{path}/rescue/"), &inner),
            };
            self.blocks -= 1;
            return action;
        }
        Action::Effect(Box::new(self.effect(node, outer)))
    }

    fn approve(&mut self, node: &Node) -> Approve {
        let people = node.get("by").map_or(1, whole);
        Approve {
            text: self.template(node.get("text").unwrap_or(node)),
            timeout: node.get("timeout").map(|timeout| self.duration(timeout)),
            people: u32::try_from(people).unwrap_or(u32::MAX),
            exclude_starter: is_true(node.get("exclude_starter")),
        }
    }

    fn wait(&mut self, node: &Node) -> Wait {
        let Some(until) = node.get("until") else { return Wait::For(self.duration(node)) };
        Wait::Until {
            until: self.expression(until),
            at_least: self.duration_or(node, "at_least", ZERO),
            timeout: self.duration_or(node, "timeout", ZERO),
            every: self.duration_or(node, "every", Deferred::Now(DEFAULT_EVERY)),
            stable_for: self.duration_or(node, "stable_for", ZERO),
            on_timeout: match node.get("on_timeout") {
                Some(node) => self.on_timeout(node),
                None => Deferred::Now(OnTimeout::Fail),
            },
        }
    }

    fn effect(&mut self, node: &Node, outer: &Inherited) -> Effect {
        let command = self.command(node, outer);
        let done_when = node.get("done_when").map(|node| self.expression(node));
        if done_when.is_none() {
            self.hidden_failure(node);
        }
        let read_only = is_true(node.get("read_only"));
        // An upload puts the same content in place, however often.
        let idempotent = match node.get("idempotent") {
            Some(said) => is_true(Some(said)),
            None => matches!(command.work, Work::Upload(_)),
        } || read_only;
        let retry = match node.get("retry") {
            Some(retry) => self.retry(retry),
            None => self.defaults.retry.clone(),
        };
        Effect {
            command,
            target: match node.get("delegate_to") {
                Some(target) => self.target(target),
                None => outer.target.clone(),
            },
            within: self.duration_or(node, "within", self.defaults.within.clone()),
            retry: if done_when.is_some() || idempotent {
                retry
            } else {
                Retry { attempts: 1, ..retry }
            },
            exit_codes: self.exit_codes(node),
            reading: self.reading(node),
            done_when,
            idempotent,
            read_only,
        }
    }
}

fn is_true(node: Option<&Node>) -> bool {
    matches!(node.map(|node| &node.value), Some(Value::Bool(true)))
}

/// Returns the title of a step that has no name: its action in short.
pub(super) fn title(action: &Action) -> String {
    let text = match action {
        Action::Effect(effect) => match &effect.command.work {
            Work::Run(words) => {
                let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
                format!("run: {}", words.join(" "))
            }
            Work::Shell(script) => format!("shell: {}", script.text.trim()),
            Work::Upload(upload) => format!("upload: {}", upload.to.text),
        },
        Action::Wait(wait) => match wait.as_ref() {
            Wait::For(Deferred::Now(time)) => format!("wait: {}", crate::duration::show(*time)),
            Wait::For(Deferred::Template(time)) => format!("wait: {}", time.text),
            Wait::Until { until, .. } => format!("wait until {}", until.text),
        },
        Action::Assert { checks, .. } => {
            let checks: Vec<&str> = checks.iter().map(|check| check.text.as_str()).collect();
            format!("assert: {}", checks.join("; "))
        }
        Action::Approve(approve) => format!("approve: {}", approve.text.text),
        // Its text is the reason it fails with.
        Action::Fail(_) => "fail".into(),
        Action::Set(values) => {
            let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
            format!("set: {}", names.join(", "))
        }
        Action::Block { .. } => "block".into(),
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= MAX_TITLE {
        return text;
    }
    format!("{}...", text.chars().take(MAX_TITLE - 3).collect::<String>())
}
