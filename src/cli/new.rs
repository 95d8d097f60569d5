//! `planrun new`: creates a commented, valid plan or inventory, or scenarios with a model for a plan.
//!
//! The text is a template, because of its comments. Values of the user are written by the YAML emitter, so
//! that `true` or `web:!web3` stay strings. Existing files are never overwritten. The schema for editors
//! is created too, unless it exists.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};

use clap::ValueEnum;

use crate::cli::{Context, Exit, Fault};
use crate::diagnostic::Diagnostics;
use crate::file::directory;
use crate::plan;
use crate::quote;
use crate::report::text::printable;
use crate::schema::{self, kind::Kind};
use crate::source::Sources;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// What to do on each host
    Plan,
    /// The hosts
    Inventory,
    /// Scenarios of a plan, with a model and an inventory of model hosts
    Test,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  planrun new web-restart                     plans/web-restart.yaml, if `plans` exists
  planrun new ops/web-restart.yaml --hosts web
  planrun new --kind inventory prod           inventories/prod.yaml
  planrun new --kind test web-restart         tests/web-restart.test.yaml, next to the plan
The schema for editors is written to schemas/, if it does not exist.")]
pub(super) struct Args {
    /// The name, or the path of the file
    #[arg(value_name = "NAME")]
    name: String,
    /// What to create
    #[arg(long, value_name = "KIND", default_value = "plan")]
    kind: What,
    /// The hosts of the plan, or the group of the inventory
    #[arg(long, value_name = "GROUP", default_value = "web")]
    hosts: String,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Fault> {
    let path = path(&args.name, args.kind);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = schema::form("plan_name");
    if args.kind != What::Inventory && !name.fits(&stem) {
        let fault = Fault::new(Exit::INVALID, format!("`{stem}` is not {}", name.name));
        return Err(fault.help(format!("use a name such as `{}`", name.example)));
    }
    if args.kind != What::Plan && !is_group(&args.hosts) {
        let message = format!("invalid group name `{}`", args.hosts);
        let fault = Fault::new(Exit::INVALID, message);
        return Err(fault.help("use letters, digits and `_`: `--hosts web`"));
    }
    let shown = quote::readable(&path.display().to_string());
    let next = match args.kind {
        What::Plan => {
            plan(&path, args, context)?;
            context.say(&format!("next: planrun new --kind test {}", quote::readable(&args.name)));
            format!("planrun validate {shown}")
        }
        What::Inventory => {
            let text = include_str!("new/inventory.yaml");
            create(&path, &filled(text, Kind::Inventory, &path, &args.hosts), context)?;
            schema_of(Kind::Inventory, context)?;
            format!("planrun inventory {shown}")
        }
        What::Test => {
            if !path.exists() {
                plan(&path, args, context)?;
            }
            test(&path, &stem, args, context)?;
            format!("planrun test {shown}")
        }
    };
    context.say(&format!("next: {next}"));
    Ok(Exit::SUCCEEDED)
}

/// Writes a plan, and its schema.
fn plan(path: &Path, args: &Args, context: &Context) -> Result<(), Fault> {
    let text = filled(include_str!("new/plan.yaml"), Kind::Plan, path, &args.hosts);
    sound(&text)?;
    create(path, &text, context)?;
    schema_of(Kind::Plan, context)
}

/// Writes the scenarios of a plan; and a model and an inventory, unless they exist.
fn test(plan: &Path, name: &str, args: &Args, context: &Context) -> Result<(), Fault> {
    let folder = directory(plan);
    let scenarios = folder.join(format!("tests/{name}.test.yaml"));
    let files = [
        (scenarios, Kind::Test, include_str!("new/test.yaml")),
        (folder.join(format!("models/{name}.yaml")), Kind::Model, include_str!("new/model.yaml")),
        (
            folder.join(format!("inventories/{name}-demo.yaml")),
            Kind::Inventory,
            include_str!("new/demo.yaml"),
        ),
    ];
    for (path, kind, template) in files {
        if kind == Kind::Test || !path.exists() {
            let text = filled(template, kind, &path, &args.hosts).replace("@STEM@", name);
            create(&path, &text, context)?;
            schema_of(kind, context)?;
        }
    }
    Ok(())
}

/// Fills in a template.
fn filled(template: &str, kind: Kind, path: &Path, hosts: &str) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    template
        .replace("@SCHEMA@", &leading(path, &schema_path(kind)))
        .replace("@PATH@", &quote::readable(&path.display().to_string()))
        .replace("@NAME@", &scalar(&stem))
        .replace("@HOSTS_HOST@", hosts)
        .replace("@HOSTS@", &scalar(hosts))
}

fn schema_path(kind: Kind) -> PathBuf {
    PathBuf::from(format!("schemas/{}.schema.json", kind.name()))
}

/// Writes the schema of a kind of file, unless it exists.
fn schema_of(kind: Kind, context: &Context) -> Result<(), Fault> {
    let path = schema_path(kind);
    if path.exists() {
        return Ok(());
    }
    write(&path, &kind.schema())?;
    context.say(&format!("wrote {}, for editors", path.display()));
    Ok(())
}

/// Returns the path of the file: a bare name goes to the folder of its kind.
fn path(name: &str, kind: What) -> PathBuf {
    let path = PathBuf::from(name);
    let has_ending = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
    let file = if has_ending { path } else { PathBuf::from(format!("{name}.yaml")) };
    if has_ending || name.contains('/') {
        return file;
    }
    match kind {
        What::Inventory => Path::new("inventories").join(file),
        What::Plan | What::Test if Path::new("plans").is_dir() => Path::new("plans").join(file),
        What::Plan | What::Test => file,
    }
}

/// Returns the path of the schema, relative to the folder of the file.
fn leading(file: &Path, schema: &Path) -> String {
    if file.is_absolute() || file.components().any(|part| part == Component::ParentDir) {
        let whole = std::path::absolute(schema).unwrap_or_else(|_| schema.to_owned());
        return whole.display().to_string();
    }
    let folders = directory(file).components();
    let up = folders.filter(|part| *part != Component::CurDir).count();
    format!("{}{}", "../".repeat(up), schema.display())
}

/// Writes a string as one scalar of YAML.
fn scalar(text: &str) -> String {
    let yaml = serde_yaml::to_string(text).unwrap_or_default();
    yaml.trim_end().to_owned()
}

/// Checks that the plan is valid with the values of the user.
fn sound(text: &str) -> Result<(), Fault> {
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let id = sources.add("plan", text);
    if plan::read(&sources, id, &mut found).is_some() {
        return Ok(());
    }
    let mut fault = Fault::new(Exit::INVALID, "cannot make a valid plan from these values");
    for one in found.sorted() {
        let at = one.primary.as_ref().map(|label| sources.slice(label.span));
        let at = at.map_or(String::new(), |at| format!("{at}: "));
        fault = fault.help(format!("{at}{}", one.message));
    }
    Err(fault)
}

fn is_group(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(word)
}

/// Writes a new file, and prints its name.
fn create(path: &Path, text: &str, context: &Context) -> Result<(), Fault> {
    write(path, text)?;
    context.say(&format!("wrote {}", printable(&path.display().to_string())));
    Ok(())
}

/// Writes a new file, and creates its folders.
fn write(path: &Path, text: &str) -> Result<(), Fault> {
    let shown = path.display().to_string();
    let done = fs::create_dir_all(directory(path)).and_then(|()| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    });
    done.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            let fault = Fault::new(Exit::INVALID, format!("`{shown}` already exists"));
            fault.help("use another name, or remove it")
        } else {
            let fault = Fault::of(Exit::INVALID, format!("cannot write `{shown}`"), &error);
            fault.help("check the path and its permissions")
        }
    })
}
