//! Diagnostics as text: headline, location with a caret, help, fixed lines.

mod window;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet,
};

use crate::diagnostic::render::window::Window;
use crate::diagnostic::{Diagnostic, Diagnostics, Fix, Label, Severity};
use crate::source::{Source, Sources};

/// Width of a rendered diagnostic, in columns.
const WIDTH: usize = 120;

/// Renders all diagnostics by location, separated by empty lines.
pub fn human(diagnostics: &Diagnostics, sources: &Sources, colour: bool) -> String {
    let texts: Vec<String> =
        diagnostics.sorted().into_iter().map(|one| human_one(one, sources, colour)).collect();
    texts.join("\n\n")
}

pub fn human_one(diagnostic: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message = printable(&diagnostic.message);
    let mut group = Group::with_title(level.primary_title(message).id(diagnostic.code.name()));
    // One snippet per file: the one with the caret first.
    let mut files = Vec::new();
    for label in diagnostic.primary.iter().chain(&diagnostic.secondary) {
        if !files.contains(&label.span.source) {
            files.push(label.span.source);
        }
    }
    for file in files {
        let source = sources.get(file);
        let marks: Vec<Mark<'_>> = diagnostic
            .primary
            .iter()
            .map(|label| (AnnotationKind::Primary, label))
            .chain(diagnostic.secondary.iter().map(|label| (AnnotationKind::Context, label)))
            .filter(|(_, label)| label.span.source == file)
            .collect();
        group = match diagnostic.severity {
            // Its lines have nothing to correct.
            Severity::Note => {
                marks.iter().fold(group, |group, (_, label)| place(group, source, label))
            }
            Severity::Error | Severity::Warning => shown(group, source, &marks),
        };
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    let mut groups = vec![group];
    groups.extend(diagnostic.fixes.iter().map(|fix| fixed(fix, sources)));
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH).render(&groups)
}

/// Shows the lines that a fix changes, before and after.
fn fixed<'a>(fix: &Fix, sources: &Sources) -> Group<'a> {
    let title = Level::HELP.secondary_title(printable(&fix.text));
    let group = Group::with_title(title);
    let ranges = fix.edits.iter().map(|edit| edit.span.range());
    let ranges: Vec<_> = ranges.flat_map(|range| [range.clone(), range.end..range.end]).collect();
    let Some(window) = Window::around(sources.get(fix.source()), &ranges) else { return group };
    let edits = fix.edits.iter();
    let patches: Vec<Patch<'a>> = edits
        .map(|edit| Patch::new(window.whole(&edit.span.range()), printable(&edit.text)))
        .collect();
    let snippet = Snippet::source(window.text).line_start(window.first_line);
    group.element(snippet.fold(true).patches(patches))
}

/// A label, and whether it has the caret.
type Mark<'a> = (AnnotationKind, &'a Label);

/// Adds the lines that labels are about: together, or one by one if there are many lines between
/// them; for lines that are too long, only the location.
fn shown<'a>(group: Group<'a>, source: &Source, marks: &[Mark<'_>]) -> Group<'a> {
    let ranges: Vec<_> = marks.iter().map(|(_, label)| label.span.range()).collect();
    if let Some(window) = Window::around(source, &ranges) {
        let annotations: Vec<Annotation<'a>> =
            marks.iter().map(|(kind, label)| annotation(*kind, label, &window)).collect();
        let snippet = Snippet::source(window.text)
            .line_start(window.first_line)
            .path(printable(source.path()))
            .fold(true);
        return group.element(snippet.annotations(annotations));
    }
    if let [(_, label)] = marks {
        return place(group, source, label);
    }
    marks.iter().fold(group, |group, mark| shown(group, source, std::slice::from_ref(mark)))
}

/// Adds the location of a label without its line.
fn place<'a>(group: Group<'a>, source: &Source, label: &Label) -> Group<'a> {
    let (line, column) = source.line_column(label.span.range().start);
    let origin = Origin::path(printable(source.path())).line(line).char_column(column);
    let group = group.element(origin);
    match label.text.as_str() {
        "" => group,
        text => group.element(Level::NOTE.message(printable(text))),
    }
}

fn annotation<'a>(kind: AnnotationKind, label: &Label, window: &Window) -> Annotation<'a> {
    let annotation = kind.span(window.range(&label.span.range()));
    if label.text.is_empty() { annotation } else { annotation.label(printable(&label.text)) }
}

/// Escapes characters that a terminal must not receive.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let turns = ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
                || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}');
            let escaped = turns || c.is_control() && c != '\n';
            let (plain, escape) =
                if escaped { (None, Some(c.escape_default())) } else { (Some(c), None) };
            plain.into_iter().chain(escape.into_iter().flatten())
        })
        .collect()
}
