//! Workflow commands of GitHub Actions: annotations in a pull request.
//!
//! A command is one line, `::error file=F,line=N,title=T::MESSAGE`. `%` and line ends are escaped in
//! messages, and also `:` and `,` in properties, so no text of a plan can start its own command. Other
//! control characters have no escape there, and logs are read on terminals, so they are made printable.
//! GitHub shows ten errors and ten warnings of a step, and all of them in its log.

use crate::cli::print::Findings;
use crate::cli::print::place::{Region, Root};
use crate::diagnostic::Diagnostic;
use crate::load::validate::Checked;
use crate::report::text::printable;
use crate::source::Sources;

pub(super) fn commands(findings: &Findings, root: &Root) -> String {
    let each = findings.faults();
    each.map(|(file, one)| command(file, one, &findings.sources, root)).collect()
}

fn command(file: &Checked, one: &Diagnostic, sources: &Sources, root: &Root) -> String {
    let mut properties = Vec::new();
    let mut property = |name: &str, value: &str| {
        properties.push(format!("{name}={}", escaped_property(value)));
    };
    match &one.primary {
        Some(label) => {
            let path = sources.get(label.span.source).path();
            property("file", &root.relative(path));
            let region = Region::of(label.span, sources);
            property("line", &region.line.to_string());
            property("endLine", &region.end_line.to_string());
            // Columns are only valid within one line.
            if region.line == region.end_line {
                property("col", &region.column.to_string());
                property("endColumn", &region.end_column.to_string());
            }
        }
        None => property("file", &root.relative(&file.file)),
    }
    property("title", one.code.name());
    let message = escaped(&message(one, sources).join("\n"));
    let severity = one.severity.name();
    format!("::{severity} {}::{message}\n", properties.join(","))
}

fn message(one: &Diagnostic, sources: &Sources) -> Vec<String> {
    let mut lines: Vec<String> = one.message.lines().map(printable).collect();
    let labels = one.primary.iter();
    let labels = labels.filter(|label| !label.text.is_empty());
    lines.extend(labels.map(|label| printable(&label.text)));
    for label in &one.secondary {
        let path = printable(sources.get(label.span.source).path());
        let Region { line, .. } = Region::of(label.span, sources);
        lines.push(format!("{path}:{line}: {}", printable(&label.text)));
    }
    lines.extend(one.orders().map(|help| format!("help: {}", printable(help))));
    lines
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escaped_property(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    escaped(&lines.join("\n")).replace(':', "%3A").replace(',', "%2C")
}
