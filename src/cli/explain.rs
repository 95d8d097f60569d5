//! `planrun explain`: writes a plan as a procedure, or explains a diagnostic.
//!
//! The argument decides: a code, or the path of a plan. The text of a code is that of `docs/diagnostics.md`,
//! formatted for a terminal; [`plan`] writes the page of a plan.

mod plan;

use crate::cli::explain::plan::PageArgs;
use crate::cli::{Context, Exit, Fault, Stream};
use crate::diagnostic::manual;
use crate::diagnostic::manual::Section;
use crate::report::text::wrap;

/// Maximum width of text: longer lines are hard to read.
const WIDEST: usize = 88;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun explain plans/obox-restart.yaml                 the procedure, as Markdown
  planrun explain plans/obox-restart.yaml -i demo --format html -o restart.html
  planrun explain plans/obox-restart.yaml --graph svg -o restart.svg
  planrun explain plans/obox-restart.yaml --check docs/plans/obox-restart.md
  planrun explain no-way-back                             a diagnostic: what it means, and a fix
  planrun explain --code                                  all codes, one per line")]
pub(super) struct Args {
    /// A plan, to be written as a procedure; or the code of a diagnostic
    #[arg(value_name = "PLAN|CODE", conflicts_with = "codes")]
    subject: Option<String>,
    /// The code of a diagnostic, as in `error[CODE]`; without a value, list all codes
    #[arg(long = "code", value_name = "CODE", num_args = 0.., value_delimiter = ',')]
    codes: Option<Vec<String>>,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let codes = match &args.subject {
        Some(word) if std::path::Path::new(word).exists() => {
            return plan::run(word.as_ref(), &args.page, context);
        }
        Some(word) => vec![find(word).map_err(|_| neither(word))?],
        None => {
            let codes = args.codes.iter().flatten();
            codes.map(|word| find(word)).collect::<Result<Vec<Section>, _>>()?
        }
    };
    let style = context.style(Stream::Out);
    let width = style.width.min(WIDEST);
    if codes.is_empty() {
        context.print(&list(width));
        return Ok(Exit::SUCCEEDED);
    }
    let texts: Vec<String> = codes
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

/// The argument is not the path of a file and not a code.
fn neither(word: &str) -> Fault {
    let fault = Fault::new(
        Exit::INVALID,
        format!("`{word}` is neither the path of a plan nor the code of a diagnostic"),
    );
    let fault = match manual::like(word).as_slice() {
        [] => fault,
        near => fault.help(format!("did you mean {}?", crate::schema::one_of(near))),
    };
    fault
        .help("to explain a plan, name its file: `planrun explain plans/obox-restart.yaml`")
        .help("to list all codes, run `planrun explain --code`")
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
