//! Every format reports the same problems at the same places, whatever names and texts files have.

use planrun::report::text::printable;
use serde_json::{Value, json};

use super::*;

/// A file name with everything that a format must escape.
const NASTY: &str = "./plans/50% off, a:b <\"é\">&\n\u{7}.yaml";
/// Problems with a fix, with a second location, over several lines, and with texts to escape.
const PROBLEMS: &str = "version: 1
name:
  a: b
  c: d
hosts: web
inputs: {idle: {type: int, default: 1}}
steps:
  - {name: é, wait: 90}
  - {run: \"true\", wait: 1s}
\"a,b: 100%\\r\\nno <name> & that\\e[31m ]]> ::error::\": 1
";
/// A plan of which only a warning is reported.
const WARNED: &str = "odd.yaml";

fn folder() -> Folder {
    Folder::new(&[(NASTY, PROBLEMS), (WARNED, ODD), ("sound.yaml", SOUND)])
}

/// Validates the files, and one that does not exist.
fn written(format: &str) -> String {
    let ended = folder().validate(&[NASTY, WARNED, "none.yaml", "sound.yaml", "--format", format]);
    ended.exits(2);
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    ended.stdout
}

/// Returns the problems as JSON, with which the other formats are compared.
fn problems() -> Vec<Value> {
    let all: Vec<Value> =
        written("json").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<&str> = all.iter().map(|one| str(&one["code"])).collect();
    for code in ["wrong-type", "several-actions", "unknown-key", "unused-input", "no-such-file"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
    let has = |part: &str| all.iter().any(|one| !list(&one[part]).is_empty());
    assert!(has("also") && has("fixes"), "{all:#?}");
    all
}

fn str(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn json_has_places_by_characters_and_edits() {
    let all = problems();
    let fixed = all.iter().find(|one| !list(&one["fixes"]).is_empty()).unwrap();
    assert_eq!((str(&fixed["file"]), str(&fixed["place"]["path"])), (NASTY, NASTY));
    let edit = json!({"path": NASTY, "line": 8, "column": 21, "end_line": 8, "end_column": 23,
                      "replacement": "90s"});
    let edits = &fixed["fixes"][0]["edits"][0];
    assert_eq!(*edits, edit, "{fixed:#}");
    assert!(all.iter().any(|one| one["file"] == "none.yaml" && one["place"].is_null()));
}

#[test]
fn short_has_one_line_for_each() {
    let all = problems();
    let text = written("short");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), all.len(), "{text}");
    for (line, one) in lines.iter().zip(&all) {
        let place = match &one["place"] {
            Value::Null => format!("{}:1:1", str(&one["file"])),
            at => format!("{}:{}:{}", printable(str(&at["path"])), at["line"], at["column"]),
        };
        let (severity, code) = (str(&one["severity"]), str(&one["code"]));
        let message = printable(str(&one["message"]));
        assert_eq!(*line, format!("{place}: {severity}[{code}]: {message}"));
    }
}

#[test]
fn github_reads_each_from_one_line() {
    let unescaped = |text: &str| {
        let text = text.replace("%0D", "\r").replace("%0A", "\n");
        text.replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
    };
    let all = problems();
    let text = written("github");
    assert_eq!(text.lines().count(), all.len(), "{text}");
    for (line, one) in text.lines().zip(&all) {
        // As GitHub's runner does (`ActionCommand.TryParseV2`).
        let (head, data) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (command, properties) = head.split_once(' ').unwrap();
        assert_eq!(command, str(&one["severity"]));
        let properties = properties.split(',').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), unescaped(value))
        });
        let at = &one["place"];
        let file = str(&one["file"]).trim_start_matches("./").replace('\u{7}', "\\x07");
        let mut expected = vec![("file".to_owned(), file)];
        let mut add = |name: &str, value: &Value| {
            expected.push((name.to_owned(), value.to_string().replace('"', "")));
        };
        if !at.is_null() {
            add("line", &at["line"]);
            add("endLine", &at["end_line"]);
            if at["line"] == at["end_line"] {
                add("col", &at["column"]);
                add("endColumn", &at["end_column"]);
            }
        }
        add("title", &one["code"]);
        assert_eq!(properties.collect::<Vec<_>>(), expected);
        let mut message: Vec<String> = str(&one["message"]).lines().map(printable).collect();
        message.extend(at["text"].as_str().filter(|text| !text.is_empty()).map(printable));
        message.extend(list(&one["also"]).iter().map(|at| {
            let path = printable(str(&at["path"]));
            format!("{path}:{}: {}", at["line"], printable(str(&at["text"])))
        }));
        message.extend(
            list(&one["help"]).iter().map(|help| format!("help: {}", printable(str(help)))),
        );
        assert_eq!(unescaped(data), message.join("\n"));
    }
}

/// Checks a log against the published schema.
#[track_caller]
fn assert_valid(log: &Value) {
    let schema = text("tests/fixtures/sarif/sarif-schema-2.1.0.json");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(log)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert_eq!(faults, Vec::<String>::new(), "{log:#}");
}

#[test]
#[should_panic(expected = "ruleIndex")]
fn the_published_schema_of_sarif_is_strict() {
    let mut log: Value = serde_json::from_str(&written("sarif")).unwrap();
    log["runs"][0]["results"][0]["ruleIndex"] = json!("none");
    assert_valid(&log);
}

#[test]
fn sarif_fits_the_published_schema_and_refers_to_the_manual() {
    let region = |at: &Value| {
        json!({"startLine": at["line"], "startColumn": at["column"],
               "endLine": at["end_line"], "endColumn": at["end_column"]})
    };
    let all = problems();
    let log: Value = serde_json::from_str(&written("sarif")).unwrap();
    assert_valid(&log);
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    assert_eq!(list(&run["artifacts"]).len(), 4);
    let results = list(&run["results"]);
    assert_eq!(results.len(), all.len(), "{log:#}");
    for (result, one) in results.iter().zip(&all) {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        let rule = &run["tool"]["driver"]["rules"][index];
        assert_eq!((&rule["id"], &result["ruleId"]), (&one["code"], &one["code"]));
        assert!(str(&rule["help"]["markdown"]).contains("Fix: "), "{rule}");
        assert!(!str(&rule["shortDescription"]["text"]).is_empty(), "{rule}");
        assert!(str(&result["message"]["text"]).starts_with(str(&one["message"])));
        let location = &result["locations"][0]["physicalLocation"];
        let uri = match str(&one["file"]) {
            NASTY => "plans/50%25%20off%2C%20a%3Ab%20%3C%22%C3%A9%22%3E%26%0A%07.yaml",
            plain => plain,
        };
        assert_eq!(location["artifactLocation"], json!({"uri": uri, "uriBaseId": "%SRCROOT%"}));
        match &one["place"] {
            Value::Null => assert!(location.get("region").is_none(), "{location}"),
            at => assert_eq!(location["region"], region(at)),
        }
        let related = list(&result["relatedLocations"]).iter().map(|at| &at["message"]["text"]);
        assert!(related.eq(list(&one["also"]).iter().map(|at| &at["text"])), "{result}");
        let edits = |fix: &Value| -> Vec<Value> { list(&fix["edits"]).to_vec() };
        for (fix, one) in list(&result["fixes"]).iter().zip(list(&one["fixes"])) {
            let change = &fix["artifactChanges"][0];
            assert_eq!(change["artifactLocation"], location["artifactLocation"]);
            let expected = edits(one).iter().map(|edit| {
                json!({"deletedRegion": region(edit), "insertedContent": {"text": edit["replacement"]}})
            }).collect::<Vec<_>>();
            assert_eq!(list(&change["replacements"]), expected);
        }
    }
    let words = ["--format", "sarif", "--stdin-filename", "/etc/a b.yaml", "-"];
    let log = folder().validate_text(&words, ODD).stdout;
    assert!(log.contains("\"file:///etc/a%20b.yaml\""), "{log}");
}

#[test]
fn junit_has_a_case_for_each_file_and_one_failure_for_all_its_problems() {
    let text = written("junit");
    let parsed = roxmltree::Document::parse(&text).unwrap();
    let suite = parsed.root_element().first_element_child().unwrap();
    assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("4"), Some("2")));
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let nasty = NASTY.replace(['\u{7}', '\n'], "\u{fffd}");
    let names: Vec<&str> = cases.iter().filter_map(|case| case.attribute("name")).collect();
    assert_eq!(names, [nasty.as_str(), WARNED, "none.yaml", "sound.yaml"]);
    let failure = cases[0].first_element_child().unwrap();
    let all = problems();
    let of_nasty: Vec<&Value> = all.iter().filter(|one| one["file"] == NASTY).collect();
    let errors = of_nasty.iter().filter(|one| one["severity"] == "error").count();
    assert_eq!(failure.attribute("message").unwrap(), format!("{errors} errors, 1 warning"));
    assert_eq!(failure.attribute("type"), Some("wrong-type"));
    let shown = failure.text().unwrap();
    for part in ["no <name> & that", "]]> ::error::", "help: write"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(of_nasty.iter().all(|one| shown.contains(str(&one["code"]))), "{shown}");
    assert_eq!(cases[1].first_element_child().unwrap().tag_name().name(), "system-out");
    assert!(!cases[3].has_children());
    let denied = folder().validate(&[WARNED, "--format", "junit", "--deny", "warnings"]).stdout;
    assert!(denied.contains("failures=\"1\""), "{denied}");
}

#[test]
fn junit_can_be_read_with_any_character() {
    let all: String = ('\u{1}'..=char::MAX).step_by(61).chain('\u{1}'..'\u{100}').collect();
    let name = format!("{all}\u{fffe}\u{ffff}");
    let words = ["--format", "junit", "--stdin-filename", &name, "-"];
    let text = folder().validate_text(&words, SOUND).stdout;
    let parsed = roxmltree::Document::parse(&text).unwrap();
    let case = parsed.descendants().find(|node| node.has_tag_name("testcase")).unwrap();
    let read = case.attribute("name").unwrap();
    assert_eq!(read.chars().count(), name.chars().count());
    let visible = all.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    assert!(visible.clone().count() > 10_000);
    assert!(visible.into_iter().all(|c| read.contains(c)));
}
