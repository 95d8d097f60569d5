//! Bombs: small texts that would grow without limit. Each is rejected, or ends, in little memory;
//! `benches/refuse.rs` measures the time for the same texts.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use planrun::diagnostic::{Diagnostics, render};
use planrun::inventory::read;
use planrun::source::Sources;
use planrun::transport::program::{LocalPrograms, PATIENCE};

use crate::entries;
use crate::made_bombs;

/// Most memory that the text of a bomb and its refusal may take, in KiB. The largest table that is accepted takes
/// 65 MiB, a little more or less each time.
const MAX_MEMORY: u64 = 72 * 1024;
/// How the second process is told which bomb it is for.
const BOMB: &str = "PLANRUN_TEST_BOMB";

#[test]
#[ignore = "the second process of another test"]
fn child_meets_a_bomb() {
    let Ok(name) = std::env::var(BOMB) else {
        return;
    };
    let before = made_bombs::peak();
    let bomb = made_bombs::BOMBS.iter().find(|bomb| bomb.name == name).unwrap();
    let text = (bomb.make)();
    match bomb.kind {
        made_bombs::Kind::Plan => entries::plan(&text),
        made_bombs::Kind::Inventory => entries::inventory(&text),
        made_bombs::Kind::Program => program(&text),
        made_bombs::Kind::Text => entries::words(&text),
        made_bombs::Kind::Output => entries::outputs(&text),
    }
    let mut out = std::io::stdout();
    std::io::Write::write_fmt(&mut out, format_args!("peak {}\n", made_bombs::peak() - before))
        .unwrap();
}

/// Reads what a program prints as an inventory; none of them gives one.
fn program(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.sh");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let mut programs = LocalPrograms::new(PATIENCE);
    let read = read::read_with(&path, "hosts.sh", &mut programs, &mut sources, &mut found);
    assert!(read.is_none() && found.has_errors());
    assert!(!render::human(&found, &sources, false).is_empty());
}

#[test]
fn no_bomb_takes_much_memory() {
    for bomb in made_bombs::BOMBS {
        #[expect(clippy::disallowed_methods, reason = "the memory of a process of its own")]
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "bombs::child_meets_a_bomb"])
            .env(BOMB, bomb.name)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = text.lines().find_map(|line| line.strip_prefix("peak "));
        let peak: u64 = told
            .unwrap_or_else(|| {
                panic!("{}: {text}{}", bomb.name, String::from_utf8_lossy(&output.stderr))
            })
            .parse()
            .unwrap();
        assert!(peak < MAX_MEMORY, "{} took {peak} KiB", bomb.name);
    }
}
