//! Diagnostics as people read them: headline, place with caret, help, cured lines.

use annotate_snippets::AnnotationKind;
use annotate_snippets::Group;
use annotate_snippets::Level;
use annotate_snippets::Patch;
use annotate_snippets::Renderer;
use annotate_snippets::Snippet;
use annotate_snippets::renderer::DecorStyle;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Fix;
use crate::diagnostic::Label;
use crate::diagnostic::Severity;
use crate::source::Sources;

/// Columns a rendered diagnostic may take.
const WIDTH: usize = 120;

/// Renders all diagnostics, in the order of their places, a blank line between two.
pub fn human(diagnostics: &Diagnostics, sources: &Sources, colour: bool) -> String {
    let texts: Vec<String> = diagnostics
        .sorted()
        .into_iter()
        .map(|one| human_one(one, sources, colour))
        .collect();
    texts.join("\n\n")
}

/// Renders one diagnostic.
pub fn human_one(diagnostic: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = printable(&diagnostic.message);
    let mut group = Group::with_title(level.primary_title(message).id(diagnostic.code));
    // One snippet a file: the one with the caret first.
    let mut files = Vec::new();
    for label in diagnostic.primary.iter().chain(&diagnostic.secondary) {
        if !files.contains(&label.span.source) {
            files.push(label.span.source);
        }
    }
    for file in files {
        let source = sources.get(file);
        let text = plain(source.text());
        let mut snippet = Snippet::source(text)
            .path(printable(source.path()))
            .fold(true);
        let of_file = |label: &&Label| label.span.source == file;
        for label in diagnostic.primary.iter().filter(of_file) {
            snippet = snippet.annotation(annotation(AnnotationKind::Primary, label, source.text()));
        }
        for label in diagnostic.secondary.iter().filter(of_file) {
            snippet = snippet.annotation(annotation(AnnotationKind::Context, label, source.text()));
        }
        group = group.element(snippet);
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    let mut groups = vec![group];
    groups.extend(diagnostic.fixes.iter().map(|fix| cured(fix, sources)));
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer
        .decor_style(DecorStyle::Ascii)
        .term_width(WIDTH)
        .render(&groups)
}

/// Shows the lines that a fix changes, before and after.
fn cured<'a>(fix: &Fix, sources: &Sources) -> Group<'a> {
    let text = plain(sources.get(fix.source()).text());
    let edits = fix.edits.iter().filter(|edit| {
        // What does not stand on borders of characters cannot be shown.
        text.get(edit.span.range()).is_some()
    });
    let patches: Vec<Patch<'a>> = edits
        .map(|edit| Patch::new(edit.span.range(), printable(&edit.text)))
        .collect();
    let title = Level::HELP.secondary_title(printable(&fix.text));
    Group::with_title(title).element(Snippet::source(text.clone()).fold(true).patches(patches))
}

fn annotation<'a>(
    kind: AnnotationKind,
    label: &Label,
    text: &str,
) -> annotate_snippets::Annotation<'a> {
    let mut range = label.span.range();
    range.start = range.start.min(text.len());
    range.end = range.end.clamp(range.start, text.len());
    // A label over many lines draws a long bracket: its first line says as much.
    if let Some(newline) = text[range.clone()].find('\n') {
        range.end = range.start + newline;
    }
    let annotation = kind.span(range);
    if label.text.is_empty() {
        annotation
    } else {
        annotation.label(printable(&label.text))
    }
}

/// Replaces control characters of a text, byte for byte, so that offsets stay true.
fn plain(text: &str) -> String {
    if text
        .chars()
        .all(|c| !c.is_control() || matches!(c, '\n' | '\t'))
    {
        return text.to_owned();
    }
    text.chars()
        .map(|c| {
            if !c.is_control() || matches!(c, '\n' | '\t') {
                c.to_string()
            } else if c == '\r' {
                " ".into()
            } else {
                "?".repeat(c.len_utf8())
            }
        })
        .collect()
}

/// Escapes what must not reach a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control() && c != '\n';
            let (plain, escape) = if escaped {
                (None, Some(c.escape_default()))
            } else {
                (Some(c), None)
            };
            plain.into_iter().chain(escape.into_iter().flatten())
        })
        .collect()
}
