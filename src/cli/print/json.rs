//! One JSON object per line. The format is in `docs/ci.md`; keys are added, never renamed.

use serde_json::{Value, json};

use crate::cli::print::place::Region;
use crate::cli::print::{Findings, word};
use crate::diagnostic::{Diagnostic, Edit, Fix, Label};
use crate::load::validate::Checked;
use crate::report::text::printable_json;
use crate::source::Sources;

pub(super) fn lines(findings: &Findings) -> String {
    let mut out = String::new();
    for (file, one) in findings.each() {
        let whole = object(file, one, &findings.sources);
        out.push_str(&printable_json(&whole.to_string()));
        out.push('\n');
    }
    out
}

fn object(file: &Checked, one: &Diagnostic, sources: &Sources) -> Value {
    let place = |label: &Label| place(label, sources);
    json!({
        "file": file.file,
        "code": one.code.name(),
        "severity": word(one.severity),
        "message": one.message,
        "place": one.primary.as_ref().map(place),
        "also": one.secondary.iter().map(place).collect::<Vec<_>>(),
        "help": one.orders().collect::<Vec<_>>(),
        "fixes": one.fixes.iter().map(|one| fix(one, sources)).collect::<Vec<_>>(),
    })
}

fn fix(fix: &Fix, sources: &Sources) -> Value {
    let edit = |edit: &Edit| {
        let region = Region::of(edit.span, sources);
        json!({
            "path": sources.get(edit.span.source).path(),
            "line": region.line,
            "column": region.column,
            "end_line": region.end_line,
            "end_column": region.end_column,
            "replacement": edit.text,
        })
    };
    json!({
        "text": fix.text,
        "edits": fix.edits.iter().map(edit).collect::<Vec<_>>(),
    })
}

fn place(label: &Label, sources: &Sources) -> Value {
    let region = Region::of(label.span, sources);
    json!({
        "path": sources.get(label.span.source).path(),
        "line": region.line,
        "column": region.column,
        "end_line": region.end_line,
        "end_column": region.end_column,
        "text": label.text,
    })
}
