//! One JSON object per scenario. The format is in `docs/ci.md`; keys are added, never renamed.

use serde_json::{Value, json};

use crate::cli::print::json::diagnostic;
use crate::cli::test::Tested;
use crate::report::text::printable_json;
use crate::run::exit_status;
use crate::scenario::Unmet;
use crate::source::Sources;

pub(super) fn line(one: &Tested<'_>, trace: bool, sources: &Sources) -> String {
    let failure = |unmet: &Unmet| {
        let mut whole = diagnostic(&unmet.diagnostic, sources);
        if let Some((expected, observed)) = &unmet.values {
            whole["expected"] = expected.clone();
            whole["observed"] = observed.clone();
        }
        whole
    };
    let passed = one.has_passed();
    let mut whole = json!({
        "file": one.case.file,
        "line": one.case.line,
        "name": one.case.scenario.name,
        "status": if passed { "passed" } else { "failed" },
    });
    match &one.ended {
        Ok(ended) => {
            let state = ended.state.as_ref();
            whole["run"] = json!(state.map(|state| state.status));
            whole["exit"] = json!(state.map(exit_status));
            whole["took_ms"] = json!(u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX));
            whole["failures"] = ended.unmet.iter().map(failure).collect::<Vec<Value>>().into();
            if trace || !passed {
                whole["log"] = ended.log.lines().collect::<Vec<_>>().into();
            }
        }
        Err(error) => whole["error"] = error.as_str().into(),
    }
    format!("{}\n", printable_json(&whole.to_string()))
}
