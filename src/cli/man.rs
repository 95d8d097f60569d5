//! `planrun man`: writes the manual pages, one for planrun and one for each command.
//!
//! They are made of the help texts, so that both always agree. Added are the exit codes, the files and the
//! environment variables ([`TABLE`]). In a help text after the options, a line at the left that ends with a colon is the
//! title of a section, indented lines are shown as they are, and everything else is text.

use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::{Resettable, Str, StyledStr};
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::cli::{Context, Exit, Fault, command, exit};
use crate::report::text::count;
use crate::table::rows;

/// Files and environment variables.
const TABLE: &str = include_str!("man.tsv");
/// The manual, as the pages name it.
const MANUAL: &str = "planrun manual";
/// When what the pages say last changed.
const DATE: &str = "2026-12-01";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun man --dir man1
  man man1/planrun-apply.1

To install them, write them to a directory of manual pages, such as /usr/local/share/man/man1.")]
pub(super) struct Args {
    /// The directory to write to; it is created if it does not exist, and older pages are replaced
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let pages = pages().map_err(|error| Fault::of(Exit::INTERNAL, "cannot make a page", &error))?;
    let failed = |path: &Path, error: &std::io::Error| {
        Fault::of(Exit::STORE, format!("cannot write {}", path.display()), error)
    };
    fs::create_dir_all(&args.dir).map_err(|error| failed(&args.dir, &error))?;
    for (name, text) in &pages {
        let path = args.dir.join(name);
        fs::write(&path, text).map_err(|error| failed(&path, &error))?;
    }
    context.say(&format!("wrote {} to {}", count(pages.len(), "page"), args.dir.display()));
    Ok(Exit::SUCCEEDED)
}

/// Returns the pages by the names of their files.
fn pages() -> std::io::Result<Vec<(String, String)>> {
    let mut whole = command().disable_help_subcommand(true);
    whole.build();
    let mut pages = Vec::new();
    add(&shown(whole), true, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, is_main: bool, pages: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    // What follows the options is written below, and the version is in the last line of the page.
    let reset = || Resettable::<StyledStr>::Reset;
    let bare = command.clone().after_help(reset()).after_long_help(reset());
    let page = Man::new(bare.version(Resettable::<Str>::Reset)).manual(MANUAL).date(DATE);
    let page = page.source(concat!("planrun ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    page.render(&mut text)?;
    let mut more = Roff::new();
    sections(&help, &mut more);
    ending(is_main, &mut more);
    let more = more.render();
    // Each part starts with what defines an apostrophe.
    let more = more.strip_prefix(&Roff::new().render()).unwrap_or(&more);
    // One empty line, which a break before and after it does not change.
    let text = String::from_utf8_lossy(&text).replace("\n.br\n\n.br\n", "\n.sp\n");
    let text = format!("{text}{more}");
    pages.push((page.get_filename(), code_in_bold(&text)));
    let commands = command.get_subcommands();
    commands.filter(|command| !command.is_hide_set()).try_for_each(|one| add(one, false, pages))
}

/// Prepares a command for its page.
fn shown(command: Command) -> Command {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let command = command.subcommand_help_heading("Commands").override_usage(usage);
    let command = command.mut_args(|arg: Arg| {
        let is_positional = arg.is_positional();
        // The page has room for all.
        let arg = arg.hide_short_help(false);
        if is_positional { arg.help_heading("Arguments") } else { arg }
    });
    command.mut_subcommands(shown)
}

/// Writes the help text after the options.
fn sections(help: &str, out: &mut Roff) {
    let (mut is_code, mut has_section, mut is_start) = (false, false, true);
    for line in help.lines() {
        let is_indented = line.starts_with(' ');
        if is_code && !is_indented {
            out.control("fi", []);
            is_code = false;
        }
        match line.strip_suffix(':') {
            _ if line.is_empty() => is_start = true,
            Some(title) if !is_indented => {
                out.control("SH", [title.to_uppercase().as_str()]);
                (has_section, is_start) = (true, false);
            }
            _ if is_indented => {
                if !is_code {
                    out.control("nf", []);
                    is_code = true;
                }
                out.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            }
            _ => {
                if !has_section {
                    out.control("SH", ["NOTES"]);
                    has_section = true;
                } else if is_start {
                    out.control("PP", []);
                }
                is_start = false;
                out.text([roman(line)]);
            }
        }
    }
    if is_code {
        out.control("fi", []);
    }
}

/// Writes what the pages have besides the help.
fn ending(is_main: bool, out: &mut Roff) {
    out.control("SH", ["EXIT CODES"]);
    if !is_main {
        out.text([roman("The exit codes are those of "), bold("planrun"), roman("(1).")]);
        out.control("SH", ["SEE ALSO"]);
        out.text([bold("planrun"), roman("(1)")]);
        return;
    }
    for [code, meaning] in exit::rows() {
        entry(out, code, meaning);
    }
    for section in ["FILES", "ENVIRONMENT"] {
        out.control("SH", [section]);
        for [_, name, meaning] in rows::<3>(TABLE).filter(|[kind, ..]| *kind == section) {
            entry(out, name, meaning);
        }
    }
}

fn entry(out: &mut Roff, name: &str, meaning: &str) {
    let name: Inline = bold(name);
    out.control("TP", []);
    out.text([name]);
    out.text([roman(meaning)]);
}

/// Writes what is in backquotes in bold, except in control lines.
fn code_in_bold(page: &str) -> String {
    let lines = page.lines().map(|line| {
        if line.starts_with('.') {
            return format!("{line}\n");
        }
        let mut out = String::new();
        for (number, part) in line.split('`').enumerate() {
            // An odd number of marks is left alone.
            match number {
                0 => {}
                _ if line.matches('`').count() % 2 == 1 => out.push('`'),
                _ if number % 2 == 1 => out.push_str(r"\fB"),
                _ => out.push_str(r"\fR"),
            }
            out.push_str(part);
        }
        out.push('\n');
        out
    });
    lines.collect()
}
