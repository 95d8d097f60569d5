//! One JSON object per line. The format is in `docs/ci.md`; keys are added, never renamed.

use serde_json::{Value, json};

use crate::cli::print::Findings;
use crate::cli::print::place::Region;
use crate::diagnostic::{Diagnostic, Edit, Fix, Label};
use crate::load::validate::Checked;
use crate::report::text::printable_json;
use crate::source::{Sources, Span};

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
    let mut whole = diagnostic(one, sources);
    if let Value::Object(keys) = &mut whole {
        keys.shift_insert(0, "file".into(), file.file.clone().into());
    }
    whole
}

/// Returns a diagnostic as an object.
pub(in crate::cli) fn diagnostic(one: &Diagnostic, sources: &Sources) -> Value {
    let label = |label: &Label| place(label.span, "text", &label.text, sources);
    let edit = |edit: &Edit| place(edit.span, "replacement", &edit.text, sources);
    let fix = |fix: &Fix| json!({"text": fix.text, "edits": fix.edits.iter().map(edit).collect::<Vec<_>>()});
    json!({
        "code": one.code.name(),
        "severity": one.severity.name(),
        "message": one.message,
        "place": one.primary.as_ref().map(label),
        "also": one.secondary.iter().map(label).collect::<Vec<_>>(),
        "help": one.orders().collect::<Vec<_>>(),
        "fixes": one.fixes.iter().map(fix).collect::<Vec<_>>(),
    })
}

/// Returns the location of a span, and a text under a key of its own.
fn place(span: Span, key: &str, text: &str, sources: &Sources) -> Value {
    let mut place = json!({"path": sources.get(span.source).path()});
    let region = json!(Region::of(span, sources));
    if let (Value::Object(place), Value::Object(region)) = (&mut place, region) {
        place.extend(region);
    }
    place[key] = text.into();
    place
}
