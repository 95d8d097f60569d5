//! Workflow commands of GitHub Actions: annotations in a pull request.
//!
//! A command is one line, `::error file=F,line=N,title=T::MESSAGE`. `%` and line ends are escaped in
//! messages, and also `:` and `,` in properties, so no text of a plan can start its own command. Other
//! control characters have no escape there, and logs are read on terminals, so they are made printable.
//! GitHub shows ten errors and ten warnings of a step, and all of them in its log.

use crate::cli::print::place::{Region, Root};
use crate::cli::print::{Findings, word};
use crate::diagnostic::Diagnostic;
use crate::load::validate::Checked;
use crate::report::text::printable;
use crate::source::Sources;

/// Returns a command for each problem.
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
    let severity = word(one.severity);
    format!("::{severity} {}::{message}\n", properties.join(","))
}

/// Returns the whole message of a problem, in lines.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::sample;

    /// Reads a command as GitHub's runner does (`ActionCommand.TryParseV2`).
    fn read(line: &str) -> (String, Vec<(String, String)>, String) {
        let rest = line.strip_prefix("::").unwrap();
        let (head, data) = rest.split_once("::").unwrap();
        let (command, properties) = head.split_once(' ').unwrap();
        let properties = properties.split(',').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            let value = value.replace("%3A", ":").replace("%2C", ",");
            (name.to_owned(), unescaped(&value))
        });
        (command.into(), properties.collect(), unescaped(data))
    }

    fn unescaped(text: &str) -> String {
        text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    }

    #[test]
    fn nasty_names_and_texts_come_back_whole_from_one_line() {
        let text = commands(&sample::findings(), &Root::at("/srv"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        let (command, properties, message) = read(lines[1]);
        assert_eq!(command, "error");
        let wanted = [
            ("file", "plans/50% off, a:b <\"é\">&\n\\x07.yaml"),
            ("line", "2"),
            ("endLine", "2"),
            ("col", "7"),
            ("endColumn", "13"),
            ("title", "wrong-type"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(properties, wanted);
        assert_eq!(
            message,
            "`a,b: 100%` is\nno <name> & \"that\"\\x1b[31m ]]> ::error::\nhere, it: is 5%\n\
             hosts.yaml:1: the group\nhelp: write `two`\nhelp: write a name\nhelp: or none"
        );
    }

    #[test]
    fn a_remark_on_several_lines_has_no_columns() {
        let text = commands(&sample::findings(), &Root::at("/srv"));
        let (command, properties, _) = read(text.lines().next().unwrap());
        assert_eq!(command, "warning");
        let names: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["file", "line", "endLine", "title"]);
    }

    #[test]
    fn a_fault_of_a_whole_file_names_it() {
        let text = commands(&sample::findings(), &Root::at("/srv"));
        assert_eq!(
            text.lines().last().unwrap(),
            "::error file=none.yaml,title=no-such-file::there is no file `none.yaml`"
        );
    }
}
