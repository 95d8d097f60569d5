//! Commands: what is run, as whom, with what, and how its output is read.

use indexmap::IndexMap;
use regex::Regex;

use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Node, Value};
use crate::output::{Data, Format, Reading, Type};
use crate::plan::lower::{Inherited, Lowering};
use crate::plan::{CommandSpec, ExitCodes, Upload, UploadSource, Work};
use crate::source::Span;
use crate::template::Template;

/// Maximum size of a command or a script, in bytes: Linux takes 128 KiB in one argument, and the line that is
/// sent to a host has more than the command.
const MAX_COMMAND: usize = 120 * 1024;

impl Lowering<'_> {
    pub(super) fn command(&mut self, node: &Node, outer: &Inherited) -> CommandSpec {
        let inherited = self.inherit(node, outer);
        let work = self.work(node);
        let stdin = node.get("stdin").map(|stdin| self.template(stdin));
        if let (Work::Run(words), Some(stdin)) = (&work, &stdin) {
            self.code_in_stdin(words, stdin);
        }
        CommandSpec {
            work,
            r#become: inherited.r#become,
            env: inherited.env,
            dir: inherited.dir,
            stdin,
            timeout: self.duration_or(node, "timeout", self.defaults.timeout.clone()),
        }
    }

    fn work(&mut self, node: &Node) -> Work {
        if self.is_too_long(node.get("shell").or_else(|| node.get("run"))) {
            return Work::Run(Vec::new());
        }
        for command in [node.get("shell"), node.get("run")].into_iter().flatten() {
            self.report_lookalikes(command);
        }
        if let Some(script) = node.get("shell") {
            self.script(script);
            return Work::Shell(self.template(script));
        }
        if let Some(upload) = node.get("upload") {
            return Work::Upload(self.upload(upload));
        }
        match node.get("run") {
            Some(line) if line.as_text().is_some() => {
                let key = node.entry("run").map(|entry| entry.key_span);
                let words = self.split(line, key);
                self.code_in_words(&words);
                Work::Run(words)
            }
            Some(list) => {
                let words: Vec<_> = list.items().iter().map(|item| self.template(item)).collect();
                self.code_in_words(&words);
                Work::Run(words)
            }
            None => Work::Run(Vec::new()),
        }
    }

    /// Whether a command is longer than Linux accepts, which is reported.
    fn is_too_long(&mut self, node: Option<&Node>) -> bool {
        let Some(node) = node else { return false };
        let words = node.items().iter().chain([node]);
        let length: usize = words.filter_map(Node::as_text).map(str::len).sum();
        if length > MAX_COMMAND {
            let start = Span { end: node.span.start, ..node.span };
            let message = format!("command too long: {length} bytes, the maximum is {MAX_COMMAND}");
            Diagnostic::error(Code::CommandTooLong, message)
                .at(start, "longer than Linux accepts")
                .help("put the text into a file with `upload`, or pass it with `stdin`")
                .emit(&mut self.unreadable);
        }
        length > MAX_COMMAND
    }

    fn upload(&mut self, node: &Node) -> Upload {
        let mode = node.get("mode").map(|mode| self.late_text(mode));
        let owner = node.get("owner").map(|owner| self.late_text(owner));
        if let Some(to) = node.get("to") {
            self.no_home(to);
        }
        let mut template = |key: &str| match node.get(key) {
            Some(node) => self.template(node),
            None => Template::plain("", node.span),
        };
        let source = if node.get("content").is_some() {
            UploadSource::Content(template("content"))
        } else if node.get("template").is_some() {
            UploadSource::Rendered(template("template"))
        } else {
            UploadSource::File(template("from"))
        };
        Upload { source, to: template("to"), mode, owner }
    }

    /// Reports a path that means a home directory: only a shell reads `~` so.
    pub(super) fn no_home(&mut self, path: &Node) {
        let text = path.as_text().unwrap_or_default();
        if text == "~" || text.starts_with("~/") {
            Diagnostic::error(Code::HomeInPath, "`~` does not mean the home directory here")
                .at(path.span, "only a shell expands it")
                .help("write the whole path, from `/`")
                .emit(&mut self.found);
        }
    }

    /// Lowers `exit_codes`; `None` if it is not set.
    pub(super) fn exit_codes(&mut self, node: &Node) -> Option<ExitCodes> {
        let node = node.get("exit_codes")?;
        if node.as_text().is_some() {
            return Some(ExitCodes::Any);
        }
        let mut codes = Vec::new();
        for item in node.items() {
            let Value::Int(value) = item.value else { continue };
            if value > 255 {
                Diagnostic::error(Code::OutOfRange, format!("`{value}` is not an exit code"))
                    .at(item.span, "must be at most 255")
                    .help("write a number from 0 to 255")
                    .emit(&mut self.unreadable);
            }
            codes.push(i32::try_from(value).unwrap_or(i32::MAX));
        }
        Some(ExitCodes::These(codes))
    }

    /// Lowers `parse` and `output`.
    pub(super) fn reading(&mut self, node: &Node) -> Reading {
        let discard = node.text("output") == Some("discard");
        let Some(parse) = node.get("parse") else {
            return if discard { Reading::Discard } else { Reading::Whole };
        };
        let before = self.unreadable.errors();
        let reading = self.parse(node, parse, discard);
        if parse.has_poison() || self.unreadable.errors() > before {
            // Nothing is known of the value.
            let (at, key, types) = (None, None, IndexMap::new());
            return Reading::Data(Data { format: Format::Json, at, key, types });
        }
        reading
    }

    fn parse(&mut self, node: &Node, parse: &Node, discard: bool) -> Reading {
        if discard {
            let entry = node.entry("output").map_or(node.span, |entry| entry.key_span);
            Diagnostic::error(
                Code::ParseMismatch,
                "`parse` cannot be combined with `output: discard`",
            )
            .at(entry, "discards the output")
            .also(parse.span, "requires the output")
            .help("remove one of them")
            .emit(&mut self.unreadable);
        }
        let format = match parse.as_text() {
            Some(format) => format,
            None => parse.text("format").unwrap_or("text"),
        };
        if !parse.has_poison() {
            self.misplaced_in_parse(parse, format);
        }
        if let Some(at) = parse.get("at").filter(|at| !at.has_poison()) {
            self.path(at);
        }
        let format = match format {
            "int" => return Reading::Int,
            "size" => return Reading::Size,
            "lines" => return Reading::Lines,
            "kv" => Format::Pairs,
            "json" => Format::Json,
            "jsonl" => Format::JsonLines,
            "yaml" => Format::Yaml,
            "tsv" => Format::Tsv,
            "csv" => Format::Csv,
            "regex" => Format::Regex(self.groups(parse)),
            _ => return Reading::Text,
        };
        let text = |key| parse.text(key).map(str::to_owned);
        Reading::Data(Data { format, at: text("at"), key: text("key"), types: types(parse) })
    }

    fn misplaced_in_parse(&mut self, parse: &Node, format: &str) {
        for (key, formats) in [
            ("at", &["json", "yaml"][..]),
            ("key", &["tsv", "csv", "json", "jsonl", "yaml", "regex"]),
            ("types", &["tsv", "csv", "kv", "json", "jsonl", "yaml", "regex"]),
            ("pattern", &["regex"]),
        ] {
            let Some(entry) = parse.entry(key) else { continue };
            if !formats.contains(&format) {
                let takers = crate::schema::one_of(formats);
                Diagnostic::error(
                    Code::ParseMismatch,
                    format!("`{key}` cannot be combined with the format `{format}`"),
                )
                .at(entry.key_span, format!("only allowed with {takers}"))
                .help(format!("remove it, or use `format: {}`", formats[0]))
                .emit(&mut self.unreadable);
            }
        }
    }

    /// Reports a path with an empty key: `data..nodes`.
    fn path(&mut self, at: &Node) {
        let path = at.as_text().unwrap_or_default();
        if path.split('.').any(|key| key.trim().is_empty()) {
            Diagnostic::error(Code::ParseMismatch, format!("`{path}` contains an empty key"))
                .at(at.span, "a key is missing before or after a dot")
                .help("write the keys that lead to the rows: `data.nodes`")
                .emit(&mut self.unreadable);
        }
    }

    /// Returns the pattern of a `regex`, which needs named groups.
    fn groups(&mut self, parse: &Node) -> String {
        let Some(node) = parse.get("pattern") else {
            Diagnostic::error(Code::ParseMismatch, "format `regex` requires a `pattern`")
                    .at(parse.span, "no `pattern`")
                    .help(
                        "add a pattern: `parse: {format: regex, pattern: \"version (?P<version>\\\\S+)\"}`",
                    ).emit(&mut self.unreadable);
            return String::new();
        };
        let pattern = node.as_text().unwrap_or_default().to_owned();
        let Some(regex) = self.regex(node) else { return pattern };
        let names: Vec<&str> = regex.capture_names().flatten().collect();
        if names.is_empty() {
            Diagnostic::error(Code::BadPattern, "`pattern` has no named group")
                .at(node.span, "captures no values")
                .help("name the part to capture: `(?P<version>\\S+)`")
                .emit(&mut self.unreadable);
            return pattern;
        }
        let key = parse.get("key").map(|key| (key.as_text(), key.span));
        let types = parse.entries_of("types");
        let types = types.iter().map(|entry| (Some(entry.key.as_str()), entry.key_span));
        for (name, span) in key.into_iter().chain(types) {
            let name = name.unwrap_or_default();
            if !names.contains(&name) {
                let fault = format!("`pattern` has no group `{name}`");
                Diagnostic::error(Code::ParseMismatch, fault)
                    .at(span, "unknown group")
                    .also(node.span, format!("its groups: {}", names.join(", ")))
                    .help(format!("add a group `(?P<{name}>...)`, or use an existing one"))
                    .emit(&mut self.unreadable);
            }
        }
        pattern
    }

    /// Compiles a pattern, or reports why it cannot be compiled.
    pub(super) fn regex(&mut self, node: &Node) -> Option<Regex> {
        if self.patterns.is_spent() {
            // It was reported, and applies to all that follow.
            return None;
        }
        let text = node.as_text().unwrap_or_default();
        match self.patterns.compile(text) {
            Ok(regex) => Some(regex),
            Err(why) => {
                let (message, help) = if self.patterns.is_spent() {
                    (
                        "the regular expressions of the plan are too large",
                        "shorten them: `a{999}` is as large as 999 times `a`",
                    )
                } else {
                    (
                        "invalid regular expression",
                        "correct it; write `\\` before a character to match it literally",
                    )
                };
                let fault = Diagnostic::error(Code::BadPattern, message);
                self.unreadable.push(fault.at(node.span, why).help(help));
                None
            }
        }
    }
}

fn types(parse: &Node) -> IndexMap<String, Type> {
    let kind = |node: &Node| node.as_text().and_then(|word| word.parse().ok());
    let types = parse.entries_of("types").iter();
    types.map(|one| (one.key.clone(), kind(&one.value).unwrap_or(Type::String))).collect()
}
