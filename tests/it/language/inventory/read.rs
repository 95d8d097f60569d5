//! Tests of [`super`].

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::{hosts, read_files, read_programs, read_text, var};
use planrun::diagnostic::{Code, Diagnostics};
use planrun::inventory::program::{Failure, Programs};
use planrun::inventory::read::read_with;
use planrun::source::Sources;

#[test]
fn a_directory_is_all_its_inventories_in_the_order_of_names() {
    let inventory = read_files(
        "prod",
        &[
            ("prod/20-db.yaml", "db: {hosts: {db1: {a: 2}}, vars: {v: 1}}\n"),
            ("prod/10-web.ini", "[web]\nweb1\ndb1 a=1\n"),
            ("prod/30-more/hosts", "last\n"),
            ("prod/group_vars/db", "w: 2\n"),
            ("prod/notes.md", "# no inventory\n"),
            ("prod/old.ini.bak", "[broken\n"),
            ("prod/.hidden", "[broken\n"),
            ("prod/a.retry", "web9\n"),
        ],
    )
    .clean();
    assert_eq!(inventory.path, "prod");
    assert_eq!(hosts(&inventory), "web1 db1 last");
    assert_eq!(var(&inventory, "db1", "a"), json!(2));
    assert_eq!(var(&inventory, "db1", "v"), json!(1));
    assert_eq!(var(&inventory, "db1", "w"), json!(2));
}

#[test]
fn a_group_of_one_file_may_be_defined_in_a_later_one() {
    let files = [("d/1.ini", "[site:children]\nweb\n"), ("d/2.ini", "[web]\nweb1\n")];
    assert_eq!(hosts(&read_files("d", &files).clean()), "web1");
}

#[test]
fn without_an_extension_the_text_tells_the_format() {
    for text in [
        "web1 a='x: y'\n",
        "# comment\n[web]\nweb1\n",
        "web:\n  hosts: {web1: }\n",
        "---\nweb: {hosts: {web1: }}\n",
        "{\"web\": {\"hosts\": [\"web1\"]}}",
    ] {
        assert_eq!(hosts(&read_text("hosts", text).clean()), "web1", "{text}");
    }
}

#[test]
fn a_program_is_refused_and_executable_text_is_read() {
    let reading = read_files("hosts.sh", &[("hosts.sh*", "#!/bin/sh\necho {}\n")]);
    assert_eq!(reading.told(), "executable-inventory inventory program `hosts.sh` was not run");
    assert!(reading.help().contains("planrun inventory hosts.sh"), "{}", reading.help());
    assert!(reading.inventory.is_none());
    let reading = read_files("hosts.ini", &[("hosts.ini*", "web1\n")]);
    assert_eq!(hosts(&reading.clean()), "web1");
}

#[test]
fn what_cannot_be_read_is_told() {
    let told = read_files("missing.yaml", &[]).told();
    assert!(told.starts_with("no-such-file cannot read `missing.yaml`: "), "{told}");
    let told = read_text("hosts.toml", "[web]\n").told();
    assert_eq!(told, "inventory-format TOML inventories are not supported: `hosts.toml`");
    let told = read_text("hosts.yaml", "$ANSIBLE_VAULT;1.1;AES256\n61\n").told();
    assert_eq!(told, "vault-value `hosts.yaml` is encrypted by a vault");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hosts");
    std::fs::write(&path, b"web1\n\xff\n").unwrap();
    let mut found = planrun::diagnostic::Diagnostics::default();
    let mut sources = planrun::source::Sources::default();
    assert!(planrun::inventory::read::read(&path, "hosts", &mut sources, &mut found).is_none());
    assert_eq!(found.sorted()[0].message, "cannot read `hosts`: line 2 is not UTF-8");
}

#[test]
fn a_link_that_leads_back_ends_somewhere() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(directory.path(), directory.path().join("loop")).unwrap();
    let mut found = planrun::diagnostic::Diagnostics::default();
    let mut sources = planrun::source::Sources::default();
    assert!(
        planrun::inventory::read::read(directory.path(), "d", &mut sources, &mut found).is_none()
    );
    let message = &found.sorted()[0].message;
    assert!(message.ends_with("is nested deeper than 8 directories"), "{message}");
}

#[test]
fn an_empty_directory_is_an_empty_inventory() {
    let reading = read_files("d", &[("d/readme.md", "nothing\n")]);
    assert_eq!(reading.told(), "empty-inventory `d` has no hosts");
}

#[test]
fn faults_of_all_files_are_told() {
    let files = [
        ("d/1.ini", "[we b]\n"),
        ("d/2.yaml", "web: {hsots: {a: }}\n"),
        ("d/group_vars/web", "a: [\n"),
    ];
    let codes: Vec<_> = read_files("d", &files).diagnostics.iter().map(|one| one.code).collect();
    assert_eq!(codes, [Code::IniSyntax, Code::UnknownGroupKey, Code::YamlSyntax]);
}

#[test]
fn hosts_without_end_are_told_once() {
    let told = |text: &str| read_text("hosts.ini", text).told();
    assert_eq!(
        told(&"web[1:99999]\n".repeat(12)),
        "inventory-too-large 3:1 ranges have more than 200000 hosts | the limit is exceeded here"
    );
    assert_eq!(
        told("web[1:50000] a=1 b=2 c=3\nmail[1:50000] a=1 b=2 c=3\ndb[1:2] a=1\n"),
        "inventory-too-large 3:1 ranges give more than 300000 variables to their hosts | the limit is exceeded here"
    );
    let written = "web\n".repeat(1_000_001);
    assert_eq!(
        told(&written),
        "inventory-too-large 1000001:1 too many host entries: the maximum is 1000000 | the limit is exceeded here"
    );
}

#[test]
fn groups_without_end_and_hosts_in_too_many_of_them_are_told_once() {
    let told = |text: &str| read_text("hosts.ini", text).told();
    let groups: Vec<String> = (0..60_000).map(|n| format!("[g{n}]")).collect();
    assert_eq!(
        told(&groups.join("\n")),
        "inventory-too-large 49999:2 too many groups: the maximum is 50000 | the limit is exceeded here"
    );
    let parents: Vec<String> = (0..30).map(|n| format!("[g{}:children]\ng{n}\n", n + 1)).collect();
    let text = format!("{}[g0]\nweb[1:50000]\n", parents.concat());
    assert_eq!(
        told(&text),
        "inventory-too-large 62:1 hosts have more than 1000000 group memberships | the limit is exceeded at this host"
    );
}

#[test]
fn a_line_without_end_is_told() {
    let text = format!("[web]\nweb1 a={}\n", "b".repeat(130 * 1024));
    assert_eq!(
        read_text("hosts.ini", &text).told(),
        "inventory-too-large 2:1 line too long: 133127 bytes; the maximum is 131072"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(
        text in "([\\[\\]{}():,=#'\"\\\\a1 \n~*!&é._-]|web|all|:vars|:children|0x|True|ansible_port){0,60}",
    ) {
        for name in ["hosts.ini", "hosts.yaml", "hosts.json", "hosts"] {
            let reading = read_text(name, &text);
            // What is refused says why, and what is told and fatal is refused.
            let fatal = reading
                .diagnostics
                .iter()
                .any(|one| one.severity == planrun::diagnostic::Severity::Error);
            assert_eq!(reading.inventory.is_none(), fatal, "{}", reading.told());
            let inventory = reading.inventory.unwrap_or_default();
            if let Ok(hosts) = planrun::inventory::pattern::resolve(&text, &inventory) {
                assert!(hosts.len() <= inventory.hosts.len());
            }
        }
    }
}

/// Programs that all print one host.
struct Printing(Vec<String>);

impl Programs for Printing {
    fn run(&mut self, program: &Path, _: &[&str]) -> Result<Vec<u8>, Failure> {
        self.0.push(program.file_name().unwrap().to_string_lossy().into_owned());
        Ok(br#"{"web": {"hosts": ["web1"]}, "_meta": {"hostvars": {}}}"#.to_vec())
    }
}

#[test]
fn a_folder_runs_its_scripts_and_no_binaries_and_nothing_outside_of_it() {
    let script = "#!/bin/sh\n";
    let files = [("d/10-hosts*", script), ("d/notes.md*", script), ("d/.hidden*", script)];
    let mut programs = Printing(Vec::new());
    let reading = read_programs("d", &files, &mut programs);
    assert_eq!(hosts(&reading.clean()), "web1");
    assert_eq!(programs.0, ["10-hosts"]);

    let mut programs = Printing(Vec::new());
    let reading = read_programs("d", &[("d/hosts*", "\x7fELF\0")], &mut programs);
    assert_eq!(reading.told(), "unsafe-program binary program `d/hosts` was not run");
    assert!(programs.0.is_empty());

    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("hosts");
    std::fs::write(&outside, script).unwrap();
    std::fs::set_permissions(&outside, PermissionsExt::from_mode(0o755)).unwrap();
    let folder = dir.path().join("d");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink("../hosts", folder.join("hosts")).unwrap();
    let (mut sources, mut found) = (Sources::default(), Diagnostics::default());
    let read = read_with(&folder, "d", &mut programs, &mut sources, &mut found);
    assert!(read.is_none());
    assert_eq!(found.sorted()[0].code, Code::UnsafeProgram);
    assert!(programs.0.is_empty());
    // Named itself, it is run.
    let read = read_with(&outside, "hosts", &mut programs, &mut sources, &mut found);
    assert!(read.is_some());
}
