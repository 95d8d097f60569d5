//! What an editor shows for plans: the real yaml-language-server, used as by an editor.
//!
//! `tests/editor/install` installs the server. It must not download schemas, and is ended if it connects to
//! anything (`tests/editor/offline.cjs`): the modeline of a file must be enough. A test waits for answers
//! of the protocol, and for none longer than [`PATIENCE`].

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use planrun::diagnostic::Diagnostics;
use planrun::document;
use planrun::schema::{Record, record};
use planrun::source::Sources;
use serde_json::{Value, json};

use crate::harness::{edited, program};
use crate::support::{fenced, files, root, shown, text};

/// The longest that an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);
const PLAN: &str = "plans/obox-restart.yaml";
/// A line of a step in [`PLAN`], its key where a person would write the next.
const LINE: &str = "    done_when: backend.vhosts == 0\n";

/// A language server that runs.
struct Server {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    /// The number of the last request.
    last: u64,
}

impl Server {
    /// Begins a server, as an editor does when its first YAML file is opened.
    fn new() -> Self {
        let folder = root().join("tests/editor");
        let mut command = program("node");
        command.arg("--require").arg(folder.join("offline.cjs"));
        command.arg(folder.join("node_modules/yaml-language-server/bin/yaml-language-server"));
        command.arg("--stdio");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, messages) = mpsc::channel();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            while let Some(message) = read(&mut output) {
                let Ok(()) = sender.send(message) else { return };
            }
        });
        let input = child.stdin.take().unwrap();
        let mut server = Self { child, input, messages, last: 0 };
        server.ask(
            "initialize",
            &json!({
                "processId": std::process::id(),
                "rootUri": format!("file://{}", root().display()),
                "capabilities": {
                    "workspace": {"configuration": true},
                    "textDocument": {
                        "completion": {"completionItem": {
                            "snippetSupport": true,
                            "documentationFormat": ["markdown"],
                        }},
                        "hover": {"contentFormat": ["markdown"]},
                    },
                },
            }),
        );
        server.say("initialized", &json!({}));
        server
    }

    /// Opens a file with a text, and returns what is underlined.
    fn open(&mut self, file: &str, text: &str) -> Vec<Value> {
        let uri = uri(file);
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
        self.say("textDocument/didOpen", &json!({"textDocument": document}));
        loop {
            let message = self.next();
            let is_it = message["method"] == "textDocument/publishDiagnostics";
            if is_it && message["params"]["uri"] == uri.as_str() {
                return message["params"]["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    /// Asks about a place in a file that is open.
    fn at(&mut self, what: &str, file: &str, (line, character): (usize, usize)) -> Value {
        let params = json!({
            "textDocument": {"uri": uri(file)},
            "position": {"line": line, "character": character},
        });
        self.ask(&format!("textDocument/{what}"), &params)
    }

    /// Returns what is offered at a place, by its label.
    fn offers(&mut self, file: &str, place: (usize, usize)) -> Vec<(String, Value)> {
        let answer = self.at("completion", file, place);
        let items = answer["items"].as_array().unwrap().clone();
        let label = |item: &Value| item["label"].as_str().unwrap().to_owned();
        items.into_iter().map(|item| (label(&item), item)).collect()
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.next();
            if message["id"] == id && message.get("method").is_none() {
                assert!(message.get("error").is_none(), "{message}");
                return message["result"].clone();
            }
        }
    }

    fn say(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    /// Returns the next message; what the server asks is answered on the way.
    #[track_caller]
    fn next(&mut self) -> Value {
        let message = self.messages.recv_timeout(PATIENCE);
        let message = message.expect("the server is alive and answers");
        if let (Some(id), Some(_)) = (message.get("id"), message.get("method")) {
            let items = message["params"]["items"].as_array();
            let result = match items {
                Some(items) => items.iter().map(settings).collect(),
                None => Value::Null,
            };
            self.send(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
        }
        message
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Returns the settings of a part of an editor.
fn settings(item: &Value) -> Value {
    if item["section"] != "yaml" {
        return Value::Null;
    }
    json!({
        "schemaStore": {"enable": false},
        "kubernetesCRDStore": {"enable": false},
        "validate": true,
        "hover": true,
        "completion": true,
    })
}

/// Reads a message; `None` at the end.
fn read(output: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        output.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("Content-Length: ") {
            length = bytes.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn uri(file: &str) -> String {
    format!("file://{}", root().join(file).display())
}

/// Returns the line and column behind the first place of a word, both from 0.
fn behind(text: &str, word: &str) -> (usize, usize) {
    let at = text.find(word).unwrap() + word.len();
    let line = text[..at].matches('\n').count();
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    (line, at - start)
}

/// Returns the sentence of the manual for a key.
fn sentence(record: &Record, key: &str) -> &'static str {
    record.field(key).unwrap().about
}

#[test]
#[ignore = "needs yaml-language-server: tests/run installs it"]
fn nothing_is_underlined_in_what_is_shipped() {
    let mut server = Server::new();
    let files = files("plans", ".yaml");
    assert!(files.len() > 4);
    for path in files {
        let file = shown(&path);
        let found = server.open(&file, &text(&file));
        assert_eq!(found, Vec::<Value>::new(), "{file}");
    }
}

#[test]
#[ignore = "needs yaml-language-server: tests/run installs it"]
fn an_unknown_key_is_underlined_in_its_line() {
    let with = format!("{LINE}    register: result\n");
    let plan = edited(PLAN, &[(LINE, &with)]);
    let found = Server::new().open(PLAN, &plan);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0]["message"].as_str().unwrap().contains("register"), "{found:#?}");
    let (line, column) = behind(&plan, "    register");
    assert_eq!(
        found[0]["range"],
        json!({
            "start": {"line": line, "character": 4},
            "end": {"line": line, "character": column},
        })
    );
}

#[test]
#[ignore = "needs yaml-language-server: tests/run installs it"]
fn the_keys_of_a_step_are_offered_with_their_sentences() {
    let plan = edited(PLAN, &[(LINE, "    \n")]);
    let mut server = Server::new();
    server.open(PLAN, &plan);
    let line = behind(&text(PLAN), LINE).0 - 1;
    let offers = server.offers(PLAN, (line, 4));
    for key in ["done_when", "requires", "retry", "point_of_no_return"] {
        let (_, item) =
            offers.iter().find(|(label, _)| label == key).unwrap_or_else(|| panic!("{key}"));
        let told = item["documentation"]["value"].as_str().unwrap();
        assert!(told.starts_with(sentence(record("step"), key)), "{key}: {told}");
        let inserted = item["insertText"].as_str().unwrap();
        assert!(inserted.starts_with(key), "{inserted}");
    }
    // What the step has already is not offered again.
    assert!(!offers.iter().any(|(label, _)| label == "run"));
}

#[test]
#[ignore = "needs yaml-language-server: tests/run installs it"]
fn whole_steps_probes_and_ways_back_are_offered_as_snippets() {
    const HEAD: &str = "# yaml-language-server: $schema=../schemas/plan.schema.json\n";
    let mut server = Server::new();
    let mut offered = |name: &str, plan: &str, label: &str| -> String {
        let file = format!("plans/{name}.yaml");
        let (before, after) = plan.split_once('^').unwrap();
        let (before, after) = (format!("{HEAD}{before}"), after);
        server.open(&file, &format!("{before}{after}"));
        let offers = server.offers(&file, behind(&before, &before));
        let found = offers.iter().find(|(found, _)| found == label);
        let (_, item) = found.unwrap_or_else(|| panic!("{label}: {offers:#?}"));
        assert_eq!(item["insertTextFormat"], 2, "a snippet: {item}");
        item["insertText"].as_str().unwrap().to_owned()
    };
    let step =
        offered("step", "version: 1\nname: a\nhosts: web\nsteps:\n  - ^\n", "run, with rollback");
    for part in ["run: ${3:systemctl stop nginx}", "done_when: ", "rollback:"] {
        assert!(step.contains(part), "{step}");
    }
    let probe = offered("probe", "version: 1\nname: a\nhosts: web\nprobes:\n  ^\n", "a table");
    assert!(probe.contains("format: tsv"), "{probe}");
    let back = offered(
        "back",
        "version: 1\nname: a\nhosts: web\nsteps:\n  - run: date\n    rollback:\n      ^\n",
        "no rollback",
    );
    assert!(back.contains("none: "), "{back}");
    let plan = offered("whole", "^", "a new plan");
    assert!(plan.contains("preflight:"), "{plan}");
}

#[test]
#[ignore = "needs yaml-language-server: tests/run installs it"]
fn hovering_over_a_key_shows_the_sentence_of_the_manual() {
    let plan = text(PLAN);
    let mut server = Server::new();
    server.open(PLAN, &plan);
    for key in ["done_when", "delegate_to", "rollback", "uninterruptible"] {
        let (line, column) = behind(&plan, &format!("\n    {key}"));
        let hover = server.at("hover", PLAN, (line, column - 2));
        let told = hover["contents"]["value"].as_str().unwrap();
        let mut paragraphs = told.split("\n\n");
        assert!(paragraphs.any(|one| one == sentence(record("step"), key)), "{key}: {told}");
    }
}

#[test]
#[ignore = "needs yaml-language-server: tests/run installs it"]
fn the_words_that_a_key_takes_are_offered_with_their_meanings() {
    let plan = edited(PLAN, &[(LINE, &format!("{LINE}    on_unknown: \n"))]);
    let mut server = Server::new();
    server.open(PLAN, &plan);
    let offers = server.offers(PLAN, behind(&plan, "on_unknown: "));
    let labels: Vec<&str> = offers.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["ask", "fail"]);
    let told = offers[0].1["documentation"].to_string();
    assert!(told.contains("the operator is asked"), "{told}");
}

#[test]
#[ignore = "needs yaml-language-server: tests/run installs it"]
fn the_formatter_that_the_manual_names_keeps_meaning_and_comments() {
    let settings = fenced(&text("docs/ci.md"), "json prettier");
    let settings: Value = serde_json::from_str(&settings[0].1).unwrap();
    let mut prettier = root().join("tests/editor/node_modules/prettier/bin/prettier.cjs");
    assert!(prettier.exists(), "{}", prettier.display());
    prettier = prettier.canonicalize().unwrap();
    for path in files("plans", ".yaml") {
        let mut command = program("node");
        command.arg(&prettier);
        command.arg(format!("--print-width={}", settings["printWidth"]));
        assert_eq!(settings["bracketSpacing"], false);
        command.args(["--no-bracket-spacing", "--no-config"]).arg(&path);
        let output = command.output().unwrap();
        let after = String::from_utf8(output.stdout).unwrap();
        let before = text(&shown(&path));
        assert!(output.status.success(), "{}", shown(&path));
        assert_eq!(meaning(&after), meaning(&before), "{}", shown(&path));
        assert_eq!(comments(&after), comments(&before), "{}", shown(&path));
    }
}

/// Returns what a text means.
fn meaning(text: &str) -> Value {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add("file", text);
    document::parse(&sources, id, &mut found).unwrap().to_json()
}

/// Returns the comments of a text, in order; none of the shipped files has ` # ` in a text.
fn comments(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| match line.trim_start().strip_prefix('#') {
            Some(comment) => Some(comment.trim()),
            None => line.split_once(" # ").map(|(_, comment)| comment.trim()),
        })
        .collect()
}
