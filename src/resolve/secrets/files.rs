//! Secret files: inputs of the type `file` that are `sensitive`.
//!
//! The path is not a secret. It is an ordinary input, made absolute, because a resumed run reads the
//! file again and may be started in another folder. Its content is in no
//! [`ResolvedPlan::files`], of which all are kept: an upload that names the path gets it from here.

use std::collections::BTreeMap;
use std::path::Path;

use aho_corasick::AhoCorasick;

use super::Values;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::file::{FileSystem, ReadError};
use crate::plan::{Input, InputKind, Plan, UploadSource};
use crate::resolve::ResolvedPlan;
use crate::secret::SecretFile;
use crate::source::Span;
use crate::template::{Names, Template};

/// Maximum size of a secret file, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Maximum size of all secret files of a run together, in bytes. The whole and each line are looked for in all
/// that is printed, in some thirty writings each: a byte here costs about 250 bytes in the redactor.
/// TODO-design: memory would allow more; how long a great secret of one sign again and again is
/// looked for in an output of the same sign is not measured yet.
const MAX_SUM: usize = 128 * 1024;

/// What was read, by the absolute paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(BTreeMap<String, File>);

#[derive(Clone, Debug)]
struct File {
    /// The first input that names it.
    input: String,
    content: SecretFile,
}

impl Files {
    /// Reads the files that inputs name; `help` says what to do about one that cannot be read.
    pub(super) fn read(
        plan: &Plan,
        inputs: &Values,
        help: &str,
        disk: &dyn FileSystem,
        found: &mut Diagnostics,
    ) -> Self {
        let mut files = BTreeMap::new();
        let mut sum = 0;
        for (path, (input, span)) in paths(plan, inputs, true) {
            let read = disk.read_regular(Path::new(path), MAX_BYTES);
            let read = read.and_then(|bytes| match bytes.trim_ascii() {
                [] => Err(ReadError::Refused("it is empty".to_owned())),
                _ => Ok(bytes),
            });
            match read {
                Ok(bytes) => {
                    sum += bytes.len();
                    let content = SecretFile::new(&bytes);
                    let input = input.to_owned();
                    files.insert(path.to_owned(), File { input, content });
                }
                Err(error) => {
                    let fault = Diagnostic::unreadable(path, &error).at(span, "this input");
                    found.push(Diagnostic { help: vec![help.to_owned()], ..fault });
                }
            }
            if sum > MAX_SUM {
                let message = format!("secret files have more than {MAX_SUM} bytes in total");
                Diagnostic::error(Code::FileTooLarge, message)
                    .at(span, "exceeds the limit")
                    .help("run the plan on fewer hosts at a time: `--limit`")
                    .emit(found);
                // Nothing is run, and to look for so much would take long.
                return Self::default();
            }
        }
        Self(files)
    }

    /// Returns what is at a path, if that is a secret.
    pub(super) fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(|file| file.content.expose())
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let files = self.0.values();
        files.map(|file| (file.input.as_str(), file.content.expose()))
    }

    /// Reports stored files that contain the whole of a secret one.
    pub(super) fn copied(&self, resolved: &ResolvedPlan, found: &mut Diagnostics) {
        let wanted: Vec<(&str, &[u8])> = self.each().collect();
        let Ok(all) = AhoCorasick::new(wanted.iter().map(|(_, bytes)| bytes.trim_ascii())) else {
            return;
        };
        for (path, bytes) in &resolved.files {
            let Some(hit) = all.find(bytes) else { continue };
            let (input, _) = wanted[hit.pattern().as_usize()];
            let message =
                format!("`{path}` contains secret file `{input}` and would be stored with the run");
            Diagnostic::error(Code::SecretInOtherValue, message)
                .at(resolved.plan.inputs.get(input).map(|input| input.span), "declared as a secret")
                .help(
                    "remove it there, or declare an input for that file too: \
                     `{type: file, sensitive: true}`",
                )
                .emit(found);
        }
    }
}

/// Makes the paths of secret files absolute.
pub(in crate::resolve) fn locate(plan: &Plan, inputs: &mut Values, plan_dir: &Path) {
    for values in inputs.values_mut() {
        for (name, value) in values.iter_mut() {
            let is_secret = |name: &String| plan.inputs.get(name)?.is_secret_file().then_some(());
            let Some(path) = is_secret(name).and_then(|()| value.as_str()) else { continue };
            if let Ok(path) = std::path::absolute(plan_dir.join(path)) {
                *value = path.to_string_lossy().into_owned().into();
            }
        }
    }
}

/// Returns the paths of files that are secret, or of the others, and which input names each.
pub(in crate::resolve) fn paths<'a>(
    plan: &'a Plan,
    inputs: &'a Values,
    secret: bool,
) -> BTreeMap<&'a str, (&'a str, Span)> {
    let mut paths = BTreeMap::new();
    for (name, value) in inputs.values().flatten() {
        let is_one = |input: &&Input| input.kind == InputKind::File && input.sensitive == secret;
        let input = plan.inputs.get(name).filter(is_one);
        if let Some((input, path)) = input.zip(value.as_str()) {
            paths.entry(path).or_insert((name.as_str(), input.span));
        }
    }
    paths
}

/// The paths of secret files, for those who look for other files.
pub(in crate::resolve) struct Paths<'a> {
    plan: &'a Plan,
    all: BTreeMap<&'a str, (&'a str, Span)>,
}

impl<'a> Paths<'a> {
    /// Collects the paths; none of the files need be there.
    pub(in crate::resolve) fn new(resolved: &'a ResolvedPlan) -> Self {
        let plan = &resolved.plan;
        let all = paths(plan, &resolved.inputs, true);
        Self { plan, all }
    }

    /// Whether an upload sends a secret file, so that there is nothing to be read and kept; `path`
    /// is what its source names, if that could be rendered with these names.
    pub(in crate::resolve) fn are_sent(
        &self,
        source: &UploadSource,
        path: Option<&str>,
        names: &Names,
    ) -> bool {
        let UploadSource::File(template) = source else { return false };
        match path {
            Some(path) => self.all.contains_key(path),
            None => self.lacks(template, names),
        }
    }

    /// Whether a path is unknown because a secret file was not given.
    fn lacks(&self, path: &Template, names: &Names) -> bool {
        path.names.iter().any(|name| {
            let input = self.plan.inputs.get(&name.name);
            input.is_some_and(Input::is_secret_file) && !names.contains_key(&name.name)
        })
    }
}
