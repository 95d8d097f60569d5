//! Findings for the tests of the formats, with difficult names and texts.

use crate::cli::print::Findings;
use crate::diagnostic::{Code, Diagnostic};
use crate::load::validate::Checked;
use crate::source::{Sources, Span};

/// A file name with everything that the formats must escape.
pub(super) const NASTY: &str = "./plans/50% off, a:b <\"é\">&\n\u{7}.yaml";

/// Returns two files with problems, and one without.
pub(super) fn findings() -> Findings {
    let mut sources = Sources::default();
    let plan = sources.add(NASTY, "version: 1\nname: é: two\nhosts: web\n");
    let inventory = sources.add("hosts.yaml", "all:\n  hosts: {}\n");
    let nasty = Diagnostic::error(
        Code::WrongType,
        "`a,b: 100%` is\r\nno <name> & \"that\"\u{1b}[31m ]]> ::error::",
    )
    .at(Span::new(plan, 17, 24), "here, it: is 5%")
    .also(Span::new(inventory, 0, 3), "the group")
    .help("write a name")
    .help("or none")
    .fix("write `two`", Span::new(plan, 17, 24), "two");
    let warning = Diagnostic::warning(Code::NoEntry, "the hosts are odd")
        .at(Span::new(plan, 11, 36), "these lines");
    let missing = Diagnostic::error(Code::NoSuchFile, "there is no file `none.yaml`");
    Findings {
        sources,
        files: vec![
            Checked { file: NASTY.into(), found: vec![warning, nasty] },
            Checked { file: "none.yaml".into(), found: vec![missing] },
            Checked { file: "sound.yaml".into(), found: Vec::new() },
        ],
        deny_warnings: false,
    }
}
