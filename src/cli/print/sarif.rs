//! SARIF 2.1.0, for code scanning.
//!
//! There is one run. Each reported code is a rule, with its section of the manual as help; each problem is
//! a result that refers to its rule by number. Paths are relative to `%SRCROOT%`, the working directory,
//! so that a log means the same on every machine. Columns count characters, and `columnKind` says so. A
//! problem of a whole file has a location without a region.

use serde_json::{Value, json};

use crate::cli::print::Findings;
use crate::cli::print::place::{Region, Root};
use crate::diagnostic::{Diagnostic, Edit, Fix, Label, manual};
use crate::load::validate::Checked;
use crate::quote;
use crate::report::text::pretty_json;
use crate::source::{Sources, Span};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn log(findings: &Findings, root: &Root) -> String {
    let mut rules: Vec<&str> = findings.faults().map(|(_, one)| one.code.name()).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Value> = findings
        .faults()
        .map(|(file, one)| result(file, one, &rules, &findings.sources, root))
        .collect();
    let artifacts: Vec<Value> = findings
        .files
        .iter()
        .map(|file| json!({"location": location(&file.file, root), "roles": ["analysisTarget"]}))
        .collect();
    pretty_json(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "planrun",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            "invocations": [{"executionSuccessful": true}],
            "originalUriBaseIds": {
                "%SRCROOT%": {"description": {"text": "The working directory of planrun."}},
            },
            "columnKind": "unicodeCodePoints",
            "artifacts": artifacts,
            "results": results,
        }],
    }))
}

fn rule(code: &str) -> Value {
    let mut rule = json!({"id": code});
    if let Some(section) = manual::section(code) {
        rule["shortDescription"] = json!({"text": section.first_sentence()});
        rule["help"] = json!({"text": section.text, "markdown": section.text});
        // There is no published page for a `helpUri`.
        rule["properties"] = json!({
            "explain": format!("planrun explain --code {code}"),
            "tags": [section.subject],
        });
    }
    rule
}

fn result(
    file: &Checked,
    one: &Diagnostic,
    rules: &[&str],
    sources: &Sources,
    root: &Root,
) -> Value {
    let help = one.orders().map(|help| format!("Help: {help}"));
    let message: Vec<String> = std::iter::once(one.message.clone()).chain(help).collect();
    let primary = match &one.primary {
        Some(label) => place(label, sources, root),
        None => json!({"physicalLocation": {"artifactLocation": location(&file.file, root)}}),
    };
    let mut result = json!({
        "ruleId": one.code.name(),
        "ruleIndex": rules.binary_search(&one.code.name()).unwrap_or_default(),
        "level": one.severity.name(),
        "message": {"text": message.join("\n")},
        "locations": [primary],
    });
    if !one.secondary.is_empty() {
        let labels = one.secondary.iter().enumerate();
        let related = labels.map(|(number, label)| {
            let mut place = place(label, sources, root);
            place["id"] = (number + 1).into();
            place
        });
        result["relatedLocations"] = related.collect();
    }
    if !one.fixes.is_empty() {
        let fixes = one.fixes.iter().map(|one| fix(one, sources, root));
        result["fixes"] = fixes.collect();
    }
    result
}

fn fix(fix: &Fix, sources: &Sources, root: &Root) -> Value {
    let replacement = |edit: &Edit| {
        json!({
            "deletedRegion": region(edit.span, sources),
            "insertedContent": {"text": edit.text},
        })
    };
    json!({
        "description": {"text": fix.text},
        "artifactChanges": [{
            "artifactLocation": location(sources.get(fix.source()).path(), root),
            "replacements": fix.edits.iter().map(replacement).collect::<Vec<_>>(),
        }],
    })
}

fn region(span: Span, sources: &Sources) -> Value {
    let region = Region::of(span, sources);
    json!({
        "startLine": region.line,
        "startColumn": region.column,
        "endLine": region.end_line,
        "endColumn": region.end_column,
    })
}

fn place(label: &Label, sources: &Sources, root: &Root) -> Value {
    let path = sources.get(label.span.source).path();
    let mut place = json!({
        "physicalLocation": {
            "artifactLocation": location(path, root),
            "region": region(label.span, sources),
        },
    });
    if !label.text.is_empty() {
        place["message"] = json!({"text": label.text});
    }
    place
}

/// Returns the location of a file, as a URI.
fn location(path: &str, root: &Root) -> Value {
    let path = root.relative(path);
    // An encoded colon in a first name is not a scheme.
    let uri = quote::percent(path.as_bytes(), "-._~/", true);
    if path.starts_with('/') {
        json!({"uri": format!("file://{uri}")})
    } else {
        json!({"uri": uri, "uriBaseId": "%SRCROOT%"})
    }
}
