//! Tests of `planrun::task`.

use planrun::task::*;

#[test]
fn a_step_at_an_item_is_written_and_read_back() {
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
        let (of, step) = (StepPath::from(of), StepPath::from(step));
        let at = step.at_item(&of, 2);
        assert_eq!(at.to_string(), place);
        assert_eq!(StepPath::from(place), at);
        assert_eq!((at.in_plan(), at.item()), (step, Some(2)));
    }
    for plain in ["restart", "stop.rollback", "3/rescue/1", "a.02", "a.+2", "a.", ".", "a.2x", ""] {
        let path = StepPath::from(plain);
        assert_eq!((path.to_string().as_str(), path.item()), (plain, None));
    }
    let handler = StepPath::from("stop.2.rollback");
    assert_eq!(handler.same_item(&"stop".into()), *"stop.2");
    let part = StepPath::from("stop.rollback/1.2");
    assert_eq!(part.same_item(&"stop.rollback".into()), *"stop.rollback");
}
