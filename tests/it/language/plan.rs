//! The sample plans are read without an error or a warning.

use planrun::diagnostic::{Diagnostics, render};
use planrun::plan;
use planrun::source::Sources;

#[test]
fn the_sample_plans_have_no_faults() {
    for name in ["obox-restart", "dovecot-reload"] {
        let path = format!("plans/{name}.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut sources = Sources::default();
        let id = sources.add(path, text);
        let mut found = Diagnostics::default();
        let plan = plan::read(&sources, id, &mut found);
        assert_eq!(render::human(&found, &sources, false), "");
        assert!(plan.is_some());
    }
}
