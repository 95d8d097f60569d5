//! How long the program works on each bomb, and what memory it takes: side by side, in a table.
//!
//! Each bomb is met by a process of its own, which is this bench once more: it does what `planrun`
//! would do, and tells at its end the processor time and the most memory that it ever had. The
//! texts are those of `tests/it/bombs.rs`, which holds the memory; times are held by nobody, so a
//! bomb that is over its goal is marked here. `docs/performance.md` says what is expected.
//!
//!     cargo bench --bench refuse -- many      # those with `many` in their names

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench begins the program as a user does, prints, and ends where it cannot go on"
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

/// Most processor time, in milliseconds.
const MAX_TIME: f64 = 50.0;
/// Most memory, in KiB.
const MAX_MEMORY: u64 = 64 * 1024;
/// How often each bomb is met; the median counts.
const TIMES: usize = 5;
/// How a second process is told that it is one, and which bomb it is for.
const BOMB: &str = "PLANRUN_BENCH_BOMB";
/// What stands before what it tells.
const TOLD: &str = "measured ";

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

/// Returns the name of the file of a bomb: the ending tells the program what it is.
fn file(bomb: &Bomb, text: &str) -> String {
    let ending = match (bomb.kind, text.as_bytes().first()) {
        (Kind::Inventory, Some(b'#')) => "ini",
        (Kind::Inventory, Some(b'{')) => "json",
        (Kind::Program, _) => "sh",
        _ => "yaml",
    };
    format!("{}.{ending}", bomb.name)
}

/// Begins a process that meets a bomb; returns its milliseconds and its KiB.
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
    let told = said.lines().find_map(|line| line.strip_prefix(TOLD));
    let mut told = told.unwrap_or_else(|| panic!("{}: {said}", bomb.name)).split(' ');
    let time = told.next().unwrap().parse().unwrap();
    (time, told.next().unwrap().parse().unwrap())
}

/// Meets a bomb, and tells what that took.
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
    let told = format!("{TOLD}{milliseconds} {}\n", bombs::peak());
    std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
}
