//! The flagship goes into its first event and comes out again.

use std::collections::BTreeMap;
use std::path::Path;

use planrun::diagnostic::{Diagnostics, render};
use planrun::inventory;
use planrun::plan;
use planrun::resolve;
use planrun::resolve::{Inputs, ResolvedPlan};
use planrun::run::planned::{RestoreError, planned, restore};
use planrun::source::Sources;
use planrun::task::StepPath;

fn resolved(path: &str, set: &[(&str, &str)]) -> (ResolvedPlan, String) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut sources = Sources::default();
    let id = sources.add(path, &text);
    let mut found = Diagnostics::default();
    let demo = "plans/inventories/demo.yaml";
    let plan = plan::read(&sources, id, &mut found);
    let inventory = inventory::read::read(Path::new(demo), demo, &mut sources, &mut found);
    let given = Inputs {
        set: set.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        plan_dir: "plans".into(),
        ..Inputs::default()
    };
    let resolved = plan.zip(inventory).and_then(|(plan, inventory)| {
        resolve::resolve(plan, inventory, &given, &mut sources, &mut found)
    });
    let told = render::human(&found, &sources, false);
    (resolved.unwrap_or_else(|| panic!("{told}")), text)
}

#[test]
fn a_resolved_plan_comes_out_of_its_first_event_as_it_went_in() {
    let file = "plans/models/dovecot.yaml";
    let (before, text) = resolved("plans/dovecot-reload.yaml", &[("source", file)]);
    let event = planned(&before, "plans/dovecot-reload.yaml", &text, "me@here", BTreeMap::new());
    let json = serde_json::to_string(&event).unwrap();
    let after = restore(&serde_json::from_str(&json).unwrap()).unwrap().plan;
    assert_eq!(after.hosts, before.hosts);
    assert_eq!(after.inputs, before.inputs);
    assert_eq!(after.inventory, before.inventory);
    assert_eq!(after.files, before.files);
    assert_eq!(after.files.len(), 1);
    assert_eq!(format!("{:?}", after.plan.steps), format!("{:?}", before.plan.steps));
}

#[test]
fn the_outline_knows_every_step_and_whose_way_back_it_is() {
    let (resolved, text) = resolved("plans/obox-restart.yaml", &[]);
    let event = planned(&resolved, "p.yaml", &text, "me@here", BTreeMap::new());
    let has = |path: &str, parent: Option<&str>, action: &str, handler: bool| {
        let step = event.outline.steps.iter().find(|step| step.path == *path);
        let step = step.unwrap_or_else(|| panic!("no {path}"));
        assert_eq!(step.parent, parent.map(StepPath::from));
        assert_eq!((step.action.as_str(), step.handler), (action, handler));
    };
    has("drain", None, "run", false);
    has("drain.rollback", Some("drain"), "run", true);
    has("stop", Some("cut_over"), "run", false);
    has("cut_over.rollback", Some("cut_over"), "run", true);
    has("stop.rollback/1", Some("stop.rollback"), "run", true);
    has("stop.rollback/rescue/2", Some("stop.rollback"), "fail", true);
}

#[test]
fn a_damaged_or_newer_event_is_refused() {
    let (resolved, text) = resolved("plans/obox-restart.yaml", &[]);
    let whole = planned(&resolved, "p.yaml", &text, "me@here", BTreeMap::new());
    let mut newer = whole.clone();
    newer.format += 1;
    assert!(matches!(restore(&newer), Err(RestoreError::Newer(2))));
    let mut damaged = whole.clone();
    damaged.plan_text.push('#');
    assert!(matches!(restore(&damaged), Err(RestoreError::Digest)));
    assert!(restore(&whole).is_ok());
}
