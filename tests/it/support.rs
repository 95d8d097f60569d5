//! Helpers of these tests: files of the repository, sections of Markdown, random numbers.

pub(crate) mod http;
pub(crate) mod memory;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use planrun::diagnostic::{Diagnostics, render};
use planrun::source::Sources;

/// Returns the root of the tree.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the tree.
#[track_caller]
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Lists the files below a folder of the tree whose names end in `ending`, by name.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns a path as it is named in the tree.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Pseudorandom numbers, the same for the same seed (`SplitMix64`).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below another one.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// A block of code in a Markdown text.
pub(crate) struct Fence {
    /// What stands behind its opening marks.
    pub(crate) info: String,
    /// The line its content begins at.
    pub(crate) line: usize,
    /// Its content, without the indentation of the marks.
    pub(crate) content: String,
    /// What stands in a comment right behind it.
    pub(crate) remark: Option<String>,
}

/// Returns the fenced blocks of a Markdown text.
pub(crate) fn fences(text: &str) -> Vec<Fence> {
    let mut fences = Vec::new();
    let mut open: Option<(usize, Fence)> = None;
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let bare = line.trim_start();
        match (bare.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let fence = Fence {
                    info: info.to_owned(),
                    line: number + 2,
                    content: String::new(),
                    remark: None,
                };
                open = Some((line.len() - bare.len(), fence));
            }
            (Some(_), Some(_)) => {
                let (indent, mut fence) = open.take().unwrap();
                while lines.next_if(|(_, line)| line.trim().is_empty()).is_some() {}
                if let Some((_, first)) =
                    lines.next_if(|(_, line)| line.trim().starts_with("<!-- model"))
                {
                    let mut remark = first.trim().trim_start_matches("<!-- ").to_owned();
                    if remark.ends_with("-->") {
                        fence.remark = Some(remark);
                        fences.push(fence);
                        continue;
                    }
                    let lines = lines.by_ref().map(|(_, line)| line);
                    for line in lines.take_while(|line| line.trim() != "-->") {
                        remark.push('\n');
                        remark.push_str(line.get(indent..).unwrap_or_default());
                    }
                    fence.remark = Some(remark);
                }
                fences.push(fence);
            }
            (None, Some((indent, fence))) => {
                fence.content.push_str(line.get(*indent..).unwrap_or(bare));
                fence.content.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    fences
}

/// Returns the blocks of a Markdown text that are fenced with this info, each with its line.
pub(crate) fn fenced(text: &str, info: &str) -> Vec<(usize, String)> {
    fences(text)
        .into_iter()
        .filter(|fence| fence.info == info)
        .map(|fence| (fence.line, fence.content))
        .collect()
}

/// Reads a plan and returns what is found in it.
pub(crate) fn diagnostics_of_plan(name: &str, text: &str) -> (Sources, Diagnostics) {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    let mut found = Diagnostics::default();
    let _unused = planrun::plan::read(&sources, id, &mut found);
    (sources, found)
}

/// Reads a plan and returns its faults as people see them; `None` where there are none.
pub(crate) fn faults_of_plan(name: &str, text: &str) -> Option<String> {
    let (sources, found) = diagnostics_of_plan(name, text);
    (!found.is_empty()).then(|| render::human(&found, &sources, false))
}

/// Returns bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        write!(out, "{byte:02x}").unwrap();
    }
    out
}
