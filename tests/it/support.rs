//! What the tests here share: files of the tree, and sections of Markdown.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use planrun::diagnostic::Diagnostics;
use planrun::diagnostic::render;
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
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Returns the blocks of a Markdown text that are fenced with this info, each with its line.
pub(crate) fn fenced(text: &str, info: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut block: Option<(bool, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut block) {
            (Some(found), None) => block = Some((found == info, number + 2, String::new())),
            (Some(_), Some(_)) => {
                let (wanted, start, content) = block.take().unwrap();
                if wanted {
                    blocks.push((start, content));
                }
            }
            (None, Some((_, _, content))) => {
                content.push_str(line);
                content.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(block.is_none(), "a fence is not closed");
    blocks
}

/// Reads a plan and returns its faults as people see them; `None` where there are none.
pub(crate) fn faults_of_plan(name: &str, text: &str) -> Option<String> {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    let mut found = Diagnostics::default();
    let _unused = planrun::plan::read(&sources, id, &mut found);
    (!found.is_empty()).then(|| render::human(&found, &sources, false))
}
