//! Tests of `planrun::task`.

use planrun::task::*;

#[test]
fn a_place_at_an_item_leads_back_to_the_place_in_the_plan() {
    for (of, step, place) in [
        ("restart", "restart", "restart.2"),
        ("restart", "restart.rollback", "restart.2.rollback"),
        ("restart", "restart/1", "restart.2/1"),
        ("restart", "restart.rollback/1", "restart.2.rollback/1"),
        ("restart", "restart/rescue/1", "restart.2/rescue/1"),
        ("restart", "stop", "stop.2"),
        ("restart", "stop.rollback/3", "stop.2.rollback/3"),
        ("restart", "restart_all/1", "restart_all.2/1"),
        ("3", "3/1", "3.2/1"),
        ("stop.rollback/1", "stop.rollback/1", "stop.rollback/1.2"),
    ] {
        let (of, step) = (StepPath(of.into()), StepPath(step.into()));
        let at = step.at_item(&of, 2);
        assert_eq!(at.0, place);
        assert_eq!(at.split_item(), Some((step, 2)));
    }
    for plain in ["restart", "stop.rollback", "stop.rollback/1", "3/rescue/1"] {
        assert_eq!(StepPath(plain.into()).split_item(), None);
    }
}
