//! A page as Markdown, with tables, as GitHub and ticket systems read it.
//!
//! Text never becomes markup: what has a meaning in Markdown or HTML is escaped, code is fenced by more
//! backticks than it contains.

use crate::page::{Block, Listing, Page, Span, Step, Text, anchor};

/// The deepest heading of Markdown.
const DEEPEST: usize = 6;

impl Page {
    /// Returns the page as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = Vec::new();
        out.push(format!("# {}", inline(&self.title)));
        blocks(&self.blocks, 2, &mut out);
        out.join("\n\n") + "\n"
    }
}

fn blocks(all: &[Block], level: usize, out: &mut Vec<String>) {
    for block in all {
        match block {
            Block::Paragraph(text) => out.push(paragraph(text)),
            Block::List(items) => out.push(list(items)),
            Block::Facts(facts) => {
                let row = |(name, value): &(String, Text)| vec![name.into(), value.clone()];
                out.push(table(&["", ""], &facts.iter().map(row).collect::<Vec<_>>()));
            }
            Block::Table { head, rows } => out.push(table(head, rows)),
            Block::Listing(listing) => fenced(listing, out),
            Block::Note(_, text) => out.push(format!("> {}", paragraph(text))),
            Block::Section { id, title, blocks: inner } => {
                let mut shown = Vec::new();
                blocks(inner, level + 1, &mut shown);
                // A drawing alone is not in Markdown.
                if !shown.is_empty() {
                    out.push(linked(id, &heading(level, title)));
                    out.append(&mut shown);
                }
            }
            Block::Step(step) => self::step(step, level, out),
            Block::Timeline(_) | Block::Graph(_) => {}
        }
    }
}

fn step(step: &Step, level: usize, out: &mut Vec<String>) {
    let number = Text::new().plain(&step.number);
    let level = level + step.depth;
    let title = number.and(". ", step.title.clone());
    out.push(linked(&step.id, &heading(level, &title)));
    if !step.about.is_empty() {
        out.push(paragraph(&step.about));
    }
    blocks(&step.blocks, level + 1, out);
}

fn heading(level: usize, title: &Text) -> String {
    format!("{} {}", "#".repeat(level.min(DEEPEST)), inline(title))
}

/// Puts the anchor of a heading in front of it.
fn linked(id: &str, heading: &str) -> String {
    if id.is_empty() {
        return heading.to_owned();
    }
    format!("<a id=\"{}\"></a>\n\n{heading}", anchor(id))
}

fn paragraph(text: &Text) -> String {
    guarded(&inline(text))
}

/// Escapes what makes a line another block: `# a`, `1. a`, `> a`.
fn guarded(line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = line.split_at(digits);
    if digits > 0 && rest.starts_with(['.', ')']) {
        return format!("{number}\\{rest}");
    }
    if line.starts_with(['#', '+', '-', '=', '>']) {
        return format!("\\{line}");
    }
    line.to_owned()
}

fn list(items: &[Text]) -> String {
    let items = items.iter().map(|item| format!("- {}", paragraph(item)));
    items.collect::<Vec<_>>().join("\n")
}

fn table(head: &[&str], rows: &[Vec<Text>]) -> String {
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut out = vec![
        row(head.iter().map(|name| (*name).to_owned()).collect()),
        format!("|{}", "---|".repeat(head.len())),
    ];
    let cell = |text: &Text| inline(text).replace('|', "\\|");
    out.extend(rows.iter().map(|cells| row(cells.iter().map(cell).collect())));
    out.join("\n")
}

fn fenced(listing: &Listing, out: &mut Vec<String>) {
    if !listing.about.is_empty() {
        out.push(paragraph(&listing.about));
    }
    let fence = "`".repeat((longest_run(&listing.text) + 1).max(3));
    let kind = if listing.is_output { "text" } else { "sh" };
    out.push(format!("{fence}{kind}\n{}\n{fence}", listing.text));
}

fn inline(text: &Text) -> String {
    text.spans().iter().map(span).collect()
}

fn span(span: &Span) -> String {
    match span {
        Span::Plain { text } => escaped(text),
        Span::Code { text } => code(text),
        Span::Strong { text } | Span::Word { text, .. } => around(text, "**"),
        Span::Link { text, to } => format!("[{}](#{to})", escaped(text)),
    }
}

/// Writes text between marks; the marks must touch it.
fn around(text: &str, mark: &str) -> String {
    let bare = text.trim();
    if bare.is_empty() {
        return text.to_owned();
    }
    let start = text.len() - text.trim_start().len();
    let (before, after) = (&text[..start], &text[start + bare.len()..]);
    format!("{before}{mark}{}{mark}{after}", escaped(bare))
}

fn code(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Returns the length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// Escapes what has a meaning in Markdown. An underscore within a word has none.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied().unwrap_or(' ');
        let is_within = before.is_alphanumeric() && after.is_alphanumeric();
        let is_markup = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' => true,
            '&' => after == '#' || after.is_alphanumeric(),
            '_' => !is_within,
            _ => false,
        };
        if is_markup {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}
