//! The time and memory for each bomb, in a table.
//!
//! Each bomb gets its own process, which is this bench again: it does what `planrun` would do, and prints
//! its processor time and maximum memory. The texts are those of `tests/it/bombs.rs`, which limits the
//! memory; times are not limited, so a bomb over its goal is marked here. `docs/performance.md` has the
//! expected values.
//!
//!     cargo bench --bench refuse -- many      # those with `many` in their names

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench starts the program like a user, prints, and ends if it fails"
)]

mod bombs;
#[path = "../fuzz/entries.rs"]
#[allow(dead_code, reason = "the tests have entries that a bench does not need")]
mod entries;

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bombs::{BOMBS, Bomb, Kind};

/// Maximum processor time, in milliseconds.
const MAX_TIME: f64 = 50.0;
/// Maximum memory, in KiB.
const MAX_MEMORY: u64 = 64 * 1024;
/// How often each bomb is met; the median counts.
const TIMES: usize = 5;
/// The environment variable that selects the bomb of a second process.
const BOMB: &str = "PLANRUN_BENCH_BOMB";
/// The prefix of its result.
const PREFIX: &str = "measured ";

fn main() {
    if let Ok(name) = std::env::var(BOMB) {
        meet(&name);
        return;
    }
    let filter = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let folder = tempfile::tempdir().unwrap();
    let mut over = 0;
    println!("{:<28} {:>10} {:>9} {:>9}", "bomb", "bytes", "ms", "MiB");
    for bomb in BOMBS {
        if filter.as_ref().is_some_and(|word| !bomb.name.contains(word)) {
            continue;
        }
        let text = (bomb.make)();
        let path = folder.path().join(file(bomb, &text));
        std::fs::write(&path, &text).unwrap();
        if let Kind::Program = bomb.kind {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut all: Vec<(f64, u64)> = (0..TIMES).map(|_| measured(bomb, &path)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (time, memory) = all[TIMES / 2];
        let mark = if time > MAX_TIME || memory > MAX_MEMORY {
            over += 1;
            "  over"
        } else {
            ""
        };
        #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
        let mebibytes = memory as f64 / 1024.0;
        let length = text.len();
        println!("{:<28} {length:>10} {time:>9.1} {mebibytes:>9.1}{mark}", bomb.name);
    }
    println!("\n{over} over {MAX_TIME} ms of processor time or {} MiB", MAX_MEMORY / 1024);
}

/// Returns the name of the file of a bomb: its extension determines how it is read.
fn file(bomb: &Bomb, text: &str) -> String {
    let ending = match (bomb.kind, text.as_bytes().first()) {
        (Kind::Inventory, Some(b'#')) => "ini",
        (Kind::Inventory, Some(b'{')) => "json",
        (Kind::Program, _) => "sh",
        _ => "yaml",
    };
    format!("{}.{ending}", bomb.name)
}

/// Starts a process for a bomb; returns its milliseconds and its KiB.
fn measured(bomb: &Bomb, path: &Path) -> (f64, u64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    match bomb.kind {
        Kind::Plan => command.arg("validate").arg(path),
        Kind::Inventory | Kind::Program => command.arg("inventory").arg(path),
        Kind::Text | Kind::Output => command.arg(path),
    };
    let mut child =
        command.env(BOMB, bomb.name).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = Vec::new();
    child.stderr.take().unwrap().read_to_end(&mut said).unwrap();
    child.wait().unwrap();
    let said = String::from_utf8_lossy(&said);
    let result = said.lines().find_map(|line| line.strip_prefix(PREFIX));
    let mut result = result.unwrap_or_else(|| panic!("{}: {said}", bomb.name)).split(' ');
    let time = result.next().unwrap().parse().unwrap();
    (time, result.next().unwrap().parse().unwrap())
}

/// Reads a bomb, and prints what that took.
fn meet(name: &str) {
    let bomb = BOMBS.iter().find(|bomb| bomb.name == name).unwrap();
    let text = || std::fs::read_to_string(std::env::args_os().nth(1).unwrap()).unwrap();
    match bomb.kind {
        Kind::Text => entries::words(&text()),
        Kind::Output => entries::outputs(&text()),
        Kind::Plan | Kind::Inventory | Kind::Program => {
            let _exit = planrun::cli::main();
        }
    }
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a process of some seconds")]
    let milliseconds = time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6;
    let result = format!("{PREFIX}{milliseconds} {}\n", bombs::peak());
    std::io::Write::write_all(&mut std::io::stderr(), result.as_bytes()).unwrap();
}
