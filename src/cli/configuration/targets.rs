//! The targets of notifications, as the configuration names them.
//!
//! Addresses and headers may be secrets: they are removed from the text that diagnostics show, and are in no
//! message.

use std::path::Path;
use std::time::Duration;

use crate::cli::configuration::{Configuration, words};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Node, Value as Yaml};
use crate::duration;
use crate::notify::message::Kind;
use crate::notify::{MAX_TIMEOUT, TIMEOUT, Target, To, Value};

impl Configuration {
    /// Removes what may be a secret from the text of the file.
    pub(super) fn hide_addresses(&mut self, node: &Node) {
        let targets = node.get("notify").map(Node::items).unwrap_or_default();
        let headers = targets.iter().flat_map(|target| target.entries_of("headers"));
        let values = targets.iter().filter_map(|target| target.get("webhook"));
        for value in values.chain(headers.map(|entry| &entry.value)) {
            if !matches!(value.value, Yaml::Map(_) | Yaml::List(_)) {
                self.sources.blot(value.span);
            }
        }
    }

    /// Returns the targets of a list that has passed the check, and reports what the check cannot know.
    pub(super) fn targets(&mut self, list: &Node, file: &Path) -> Vec<Target> {
        list.items().iter().map(|node| self.target(node, file)).collect()
    }

    fn target(&mut self, node: &Node, file: &Path) -> Target {
        let to = match node.get("webhook") {
            Some(url) => {
                let headers = node.entries_of("headers").iter();
                let headers = headers.map(|entry| (entry.key.clone(), value(&entry.value, file)));
                To::Webhook { url: value(url, file), headers: headers.collect() }
            }
            None => To::Command(node.get("command").map(|it| words(it, file)).unwrap_or_default()),
        };
        if let (To::Command(_), Some(entry)) = (&to, node.entry("headers")) {
            let fault =
                Diagnostic::error(Code::MisplacedKey, "`headers` is only allowed with `webhook`");
            let fault = fault.at(entry.key_span, "a program has no headers");
            self.found.push(fault.help("remove it"));
        }
        let host = match &to {
            To::Webhook { url: Value::Plain(url), .. } => {
                let host = host_of(url);
                if let (None, Some(node)) = (&host, node.get("webhook")) {
                    let fault = Diagnostic::error(Code::WrongForm, "not the address of a webhook");
                    self.found.push(
                        fault
                            .at(node.span, "not an `http` or `https` address")
                            .help("write something like `https://chat.example.com/hooks/1`"),
                    );
                }
                host
            }
            To::Webhook { .. } => Some("webhook".to_owned()),
            To::Command(words) => words.first().map(|program| {
                let name = Path::new(program).file_name();
                name.map_or_else(|| program.clone(), |name| name.to_string_lossy().into_owned())
            }),
        };
        let on = node.get("on").map(Node::items).unwrap_or_default();
        let on: Vec<Kind> = on.iter().filter_map(|one| one.as_text()?.parse().ok()).collect();
        Target {
            name: node.text("name").map(str::to_owned).or(host).unwrap_or_default(),
            on: if on.is_empty() { Kind::ALL.to_vec() } else { on },
            timeout: self.timeout(node),
            to,
        }
    }

    fn timeout(&mut self, target: &Node) -> Duration {
        let Some(node) = target.get("timeout") else { return TIMEOUT };
        let timeout = node.as_text().and_then(duration::parse).unwrap_or(TIMEOUT);
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            let most = duration::show(MAX_TIMEOUT);
            let message = format!("`timeout` of a notification must be positive, up to {most}");
            let fault = Diagnostic::error(Code::OutOfRange, message);
            let fault = fault.at(node.span, format!("must be at most {most}"));
            self.found.push(fault.help("planrun waits so long at the end of a run"));
        }
        timeout
    }
}

/// Returns a part of a request.
fn value(node: &Node, file: &Path) -> Value {
    match node.get("secret") {
        Some(command) => Value::Secret {
            command: words(command, file),
            prefix: node.text("prefix").unwrap_or_default().to_owned(),
        },
        None => Value::Plain(node.as_text().unwrap_or_default().to_owned()),
    }
}

/// Returns the host of an `http` or `https` address; `None` for anything else.
fn host_of(url: &str) -> Option<String> {
    let url: ureq::http::Uri = url.parse().ok()?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    url.host().filter(|host| is_http && !host.is_empty()).map(str::to_owned)
}
