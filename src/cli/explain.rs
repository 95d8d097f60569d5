//! `planrun explain --code`: explains a diagnostic.
//!
//! The text is that of `docs/diagnostics.md`, formatted for a terminal. `planrun explain PLAN` is not
//! implemented yet, and the command says so.

use std::path::PathBuf;

use indexmap::IndexSet;

use crate::cli::{Context, Exit, Fault, Stream};
use crate::diagnostic::manual::Section;
use crate::diagnostic::{Code, manual};
use crate::report::text::wrap;

/// Maximum width of text: longer lines are hard to read.
const WIDEST: usize = 88;
/// Maximum number of codes on a `more:` line.
const MOST_NAMED: usize = 6;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun explain --code no-way-back      what it means, an example and its fix
  planrun explain --code                  all codes, one per line")]
pub(super) struct Args {
    /// Not implemented yet. Use `--code` to explain a diagnostic
    #[arg(value_name = "PLAN", conflicts_with = "codes")]
    plan: Option<PathBuf>,
    /// The code of a diagnostic, as in `error[CODE]`; without a value, list all codes
    #[arg(long = "code", value_name = "CODE", num_args = 0.., value_delimiter = ',')]
    codes: Option<Vec<String>>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    if let Some(plan) = &args.plan {
        return Err(no_page(&plan.to_string_lossy()));
    }
    let style = context.style(Stream::Out);
    let width = style.width.min(WIDEST);
    let codes = args.codes.as_deref().unwrap_or_default();
    if codes.is_empty() {
        context.print(&list(width));
        return Ok(Exit::SUCCEEDED);
    }
    let sections: Vec<Section> = codes.iter().map(|word| find(word)).collect::<Result<_, _>>()?;
    let texts: Vec<String> = sections
        .iter()
        .map(|section| {
            let code = if style.colour {
                console::Style::new().bold().force_styling(true).apply_to(section.code).to_string()
            } else {
                section.code.to_owned()
            };
            format!("{code}\n\n{}", readable(section.text, width))
        })
        .collect();
    context.print(&texts.join("\n\n"));
    Ok(Exit::SUCCEEDED)
}

/// Returns the line that suggests this command for some diagnostics; `None` if there are none.
pub(super) fn more(codes: impl IntoIterator<Item = Code>) -> Option<String> {
    let codes: IndexSet<&str> = codes.into_iter().map(Code::name).collect();
    let named: Vec<&str> = codes.into_iter().take(MOST_NAMED).collect();
    (!named.is_empty()).then(|| format!("more: planrun explain --code {}", named.join(",")))
}

/// Finds a section by a code, which may be copied with its context: `error[no-way-back]:`.
fn find(word: &str) -> Result<Section, Fault> {
    let code = word.split_once('[').map_or(word, |(_, rest)| rest);
    let code = code.split(']').next().unwrap_or(code).trim();
    manual::section(code).ok_or_else(|| {
        let fault = Fault::new(Exit::INVALID, format!("unknown code `{code}`"));
        let near = manual::like(code);
        let fault = match near.as_slice() {
            [] => fault,
            near => fault.help(format!("did you mean {}?", crate::schema::one_of(near))),
        };
        fault.help("to list all codes, run `planrun explain --code`")
    })
}

fn no_page(word: &str) -> Fault {
    if manual::section(word).is_some() {
        return Fault::new(Exit::INVALID, format!("`{word}` is a code, not a plan"))
            .help(format!("run `planrun explain --code {word}`"));
    }
    Fault::new(Exit::INVALID, "`planrun explain PLAN` is not implemented yet")
        .help("to explain a diagnostic, run `planrun explain --code CODE`")
}

/// Lists all codes by group.
fn list(width: usize) -> String {
    let column = manual::sections().map(|section| section.code.len()).max().unwrap_or_default();
    let mut out: Vec<String> = Vec::new();
    let mut subject = "";
    for section in manual::sections() {
        if section.subject != subject {
            if !subject.is_empty() {
                out.push(String::new());
            }
            subject = section.subject;
            out.push(subject.to_owned());
        }
        let room = width.saturating_sub(column + 4).max(30);
        for (number, line) in wrap(&section.first_sentence(), room).iter().enumerate() {
            let code = if number == 0 { section.code } else { "" };
            out.push(format!("  {code:<column$}  {line}"));
        }
    }
    out.push(String::new());
    out.join("\n")
}

/// Formats Markdown for a terminal: wraps paragraphs, indents examples.
fn readable(text: &str, width: usize) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut paragraph = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            flush(&mut paragraph, width, &mut out);
            fenced = !fenced;
        } else if fenced {
            out.push(format!("    {line}").trim_end().to_owned());
        } else if line.trim().is_empty() {
            flush(&mut paragraph, width, &mut out);
            out.push(String::new());
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    flush(&mut paragraph, width, &mut out);
    out.push(String::new());
    out.join("\n")
}

fn flush(paragraph: &mut String, width: usize, out: &mut Vec<String>) {
    if !paragraph.is_empty() {
        out.extend(wrap(&manual::without_links(paragraph), width));
        paragraph.clear();
    }
}
