//! One line per problem, in the format of compilers, which editors and `grep` know.

use crate::cli::print::Findings;
use crate::cli::print::place::Region;
use crate::diagnostic::Diagnostic;
use crate::load::validate::Checked;
use crate::report::text::printable;
use crate::source::Sources;

pub(super) fn lines(findings: &Findings) -> String {
    let each = findings.each();
    each.map(|(file, one)| line(file, one, &findings.sources)).collect()
}

fn line(file: &Checked, one: &Diagnostic, sources: &Sources) -> String {
    let place = match &one.primary {
        Some(label) => {
            let Region { line, column, .. } = Region::of(label.span, sources);
            let path = printable(sources.get(label.span.source).path());
            format!("{path}:{line}:{column}")
        }
        // A problem of a whole file is at its first line, so that each line has the same form.
        None => format!("{}:1:1", printable(&file.file)),
    };
    let severity = one.severity.name();
    let message = printable(&one.message);
    format!("{place}: {severity}[{}]: {message}\n", one.code)
}
