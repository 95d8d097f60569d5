//! Where values come from, which of them counts, and what is reported if one does not fit.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use planrun::diagnostic::{Diagnostics, render};
use planrun::document;
use planrun::inventory;
use planrun::inventory::HostName;
use planrun::plan;
use planrun::resolve::{Inputs, ResolvedPlan, resolve};
use planrun::source::Sources;

/// A folder with an inventory, and what the operator passes.
struct Scene {
    folder: TempDir,
    inputs: String,
    given: Inputs,
    file: Option<String>,
}

impl Scene {
    /// Takes the lines of `inputs` of a plan.
    fn new(inputs: &str, inventory: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hosts.yaml"), inventory).unwrap();
        let given = Inputs { plan_dir: folder.path().to_owned(), ..Inputs::default() };
        Self { folder, inputs: inputs.to_owned(), given, file: None }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.given.set.push((name.to_owned(), value.to_owned()));
        self
    }

    fn environment(mut self, name: &str, value: &str) -> Self {
        self.given.environment.push((format!("PLANRUN_INPUT_{name}"), value.to_owned()));
        self
    }

    fn file(mut self, text: &str) -> Self {
        self.file = Some(text.to_owned());
        self
    }

    /// Returns the resolved plan, and all that was reported.
    fn resolve(mut self) -> (Option<ResolvedPlan>, String) {
        let mut sources = Sources::default();
        let mut found = Diagnostics::default();
        let text = format!(
            "version: 1\nname: values\nhosts: all\ninputs:\n{}\nsteps:\n  - assert: {{fine: true}}\n",
            self.inputs
        );
        let id = sources.add("plan.yaml", text);
        let mut of_plan = Diagnostics::default();
        let plan = plan::read(&sources, id, &mut of_plan);
        let plan = plan.unwrap_or_else(|| panic!("{}", render::human(&of_plan, &sources, false)));
        let path = self.folder.path().join("hosts.yaml");
        let inventory = inventory::read::read(&path, "hosts.yaml", &mut sources, &mut found);
        let inventory = inventory.expect("the inventory is valid");
        if let Some(text) = self.file {
            let id = sources.add("inputs.yaml", text);
            let node = document::parse(&sources, id, &mut found).expect("the inputs are YAML");
            self.given.file = Some((id, node));
        }
        let resolved = resolve(plan, inventory, &self.given, &mut sources, &mut found);
        (resolved, render::human(&found, &sources, false))
    }

    /// Returns an input of a host; nothing may be reported.
    #[track_caller]
    fn value(self, host: &str, name: &str) -> Value {
        let (resolved, report) = self.resolve();
        assert_eq!(report, "");
        resolved.unwrap().inputs[&HostName::new(host)][name].clone()
    }

    /// Returns what is reported of a problem.
    #[track_caller]
    fn fault(self) -> String {
        let (resolved, report) = self.resolve();
        assert!(resolved.is_none(), "it was resolved: {report}");
        report
    }
}

const ONE: &str = "all: {hosts: {web1: {}}}\n";
const UNITS: &str = "  units: {type: list, min: 1, max: 3, pattern: '[a-z]+'}";

#[test]
fn a_list_is_given_in_every_way() {
    let expected = json!(["imap", "lmtp"]);
    for text in ["imap,lmtp", " imap , lmtp ", "[imap, lmtp]", "['imap', \"lmtp\"]"] {
        let scene = Scene::new(UNITS, ONE).set("units", text);
        assert_eq!(scene.value("web1", "units"), expected, "{text}");
    }
    let scene = Scene::new(UNITS, ONE).environment("UNITS", "imap,lmtp");
    assert_eq!(scene.value("web1", "units"), expected);
    let scene = Scene::new(UNITS, ONE).file("units:\n  - imap\n  - lmtp\n");
    assert_eq!(scene.value("web1", "units"), expected);
    let inventory = "all: {hosts: {web1: {units: [imap, lmtp]}}}\n";
    let scene = Scene::new(UNITS, inventory);
    assert_eq!(scene.value("web1", "units"), expected);
    let scene = Scene::new("  units: {type: list, default: [imap, lmtp]}", ONE);
    assert_eq!(scene.value("web1", "units"), expected);
}

#[test]
fn items_have_their_type() {
    let typed = |declared: &str, text: &str| {
        let line = format!("  them: {{type: list, {declared}}}");
        Scene::new(&line, ONE).set("them", text).value("web1", "them")
    };
    assert_eq!(typed("items: int", "1, 20"), json!([1, 20]));
    assert_eq!(typed("items: bool", "[true, false]"), json!([true, false]));
    assert_eq!(typed("items: duration", "5m"), json!(["5m"]));
    assert_eq!(typed("items: path", "/a,/b"), json!(["/a", "/b"]));
    assert_eq!(typed("items: enum, of: [a, b]", "b"), json!(["b"]));
    assert_eq!(typed("items: string", "[1.20, yes]"), json!(["1.20", "yes"]));
    assert_eq!(typed("items: string", ""), json!([]));
}

#[test]
fn a_list_that_does_not_fit_says_which_item() {
    let fault = |text: &str| Scene::new(UNITS, ONE).set("units", text).fault();
    let report = fault("imap,LMTP");
    assert!(report.contains("item 2, `LMTP`: does not match `[a-z]+`"), "{report}");
    let report = fault("a,b,c,d");
    assert!(report.contains("4 items, expected 1 to 3"), "{report}");
    let report = fault("[imap, lmtp");
    assert!(report.contains("not a list"), "{report}");
    let report = fault("[[imap]]");
    assert!(report.contains("item 1: not a string"), "{report}");
    let inventory = "all:\n  hosts:\n    web1: {units: 'imap,lmtp'}\n";
    let report = Scene::new(UNITS, inventory).fault();
    assert!(report.contains("hosts.yaml:3:19"), "{report}");
    assert!(report.contains("write a list: `[imap,lmtp]`"), "{report}");
}

#[test]
fn values_count_in_the_order_that_the_manual_tells() {
    const LEVEL: &str = "  level: {type: string, default: of-default}";
    const PARENT: &str = "  vars: {level: of-all}\n  children:\n    racks:\n";
    const GROUP: &str = "      vars: {level: of-parent}\n      children:\n        web:\n";
    const CHILD: &str = "          vars: {level: of-child}\n";
    const HOST: &str = "          hosts: {web1: {level: of-host}}\n";
    const BARE: &str = "          hosts: {web1: {}}\n";
    let racks = "      children:\n        web:\n";
    let inventory = |parts: &[&str]| format!("all:\n{}", parts.concat());
    let full = inventory(&[PARENT, GROUP, CHILD, HOST]);
    let all = || Scene::new(LEVEL, &full).environment("LEVEL", "of-environment");
    let value = |scene: Scene| scene.value("web1", "level");

    let scene = all().file("level: of-file\n").set("level", "first").set("level", "of-set");
    assert_eq!(value(scene), "of-set");
    assert_eq!(value(all().file("level: of-file\n")), "of-file");
    assert_eq!(value(all()), "of-host");
    for (parts, expected) in [
        (&[PARENT, GROUP, CHILD, BARE][..], "of-child"),
        (&[PARENT, GROUP, BARE], "of-parent"),
        (&[PARENT, racks, BARE], "of-all"),
        (&["  children:\n    racks:\n", racks, BARE], "of-environment"),
    ] {
        let scene = Scene::new(LEVEL, &inventory(parts)).environment("LEVEL", "of-environment");
        assert_eq!(value(scene), expected);
    }
    assert_eq!(value(Scene::new(LEVEL, ONE)), "of-default");
}

const LEVEL: &str = "  level: {type: string}";

#[test]
fn of_two_groups_at_one_depth_the_later_name_counts_or_the_greater_priority() {
    let inventory = |priority: &str| {
        format!(
            "all:\n  children:\n    b: {{vars: {{level: b}}, hosts: {{web1: {{}}}}}}\n    \
             a: {{vars: {{level: a{priority}}}, hosts: {{web1: {{}}}}}}\n"
        )
    };
    let scene = Scene::new(LEVEL, &inventory(""));
    assert_eq!(scene.value("web1", "level"), "b");
    let scene = Scene::new(LEVEL, &inventory(", ansible_group_priority: 5"));
    assert_eq!(scene.value("web1", "level"), "a");
}

#[test]
fn a_wrong_value_says_where_it_comes_from() {
    const DEADLINE: &str = "  deadline: {type: duration}";
    let report = Scene::new(DEADLINE, ONE).set("deadline", "5").fault();
    assert!(
        report.contains("invalid value `5` for input `deadline` (--set): not a duration"),
        "{report}"
    );
    let report = Scene::new(DEADLINE, ONE).environment("DEADLINE", "5").fault();
    assert!(report.contains("(PLANRUN_INPUT_DEADLINE)"), "{report}");
    let report = Scene::new(DEADLINE, ONE).file("# none\ndeadline: soon\n").fault();
    assert!(report.contains("inputs.yaml:2:11"), "{report}");
    let inventory = "all:\n  vars:\n    deadline: 5\n  hosts: {web1: {}, web2: {}}\n";
    let report = Scene::new(DEADLINE, inventory).fault();
    assert!(report.contains("hosts.yaml:3:15"), "{report}");
    assert!(report.contains("declared here"), "{report}");
    assert_eq!(report.matches("wrong-input").count(), 1, "{report}");
}

#[test]
fn a_name_that_no_input_has_is_told_with_a_near_one() {
    const DEADLINE: &str = "  deadline: {type: duration, default: 5m}";
    let report = Scene::new(DEADLINE, ONE).set("deadlime", "1m").fault();
    assert!(report.contains("did you mean `deadline`?"), "{report}");
    let report = Scene::new(DEADLINE, ONE).file("deadlime: 1m\n").fault();
    assert!(report.contains("inputs.yaml:1:1"), "{report}");
    let (resolved, report) = Scene::new(DEADLINE, ONE).environment("DEADLIME", "1m").resolve();
    assert!(resolved.is_some(), "{report}");
    assert!(report.contains("warning[unknown-input-variable]"), "{report}");
    assert!(report.contains("did you mean `PLANRUN_INPUT_DEADLINE`?"), "{report}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_its_kind() {
    const SOURCE: &str = "  source: {type: file}";
    let fault = |path: &str| Scene::new(SOURCE, ONE).set("source", path).fault();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none");
    assert!(fault(missing.to_str().unwrap()).contains("no such file"));
    assert!(fault(folder.path().to_str().unwrap()).contains("it is a directory"));
    let large = folder.path().join("large");
    let file = fs::File::create(&large).unwrap();
    file.set_len(16 * 1024 * 1024 + 1).unwrap();
    assert!(fault(large.to_str().unwrap()).contains("larger than 16 MiB"));
}

#[test]
fn only_hosts_that_the_plan_works_on_must_be_reached_directly() {
    let inventory = "all:\n  hosts:\n    web1: {}\n    \
                     web2: {ansible_ssh_extra_args: '-W gate:22'}\n    \
                     web3: {ansible_connection: lxd}\n";
    let report = Scene::new("  a: {type: int, default: 1}", inventory).fault();
    assert!(report.contains("`web2`: connecting through another host by `-W`"), "{report}");
    assert!(report.contains("unsupported connection `lxd` of `web3`"), "{report}");
    let mut scene = Scene::new("  a: {type: int, default: 1}", inventory);
    scene.given.limit = Some("web1".to_owned());
    let (resolved, report) = scene.resolve();
    assert_eq!(resolved.unwrap().hosts, [HostName::new("web1")], "{report}");
    assert!(!report.contains("error"), "{report}");
}
