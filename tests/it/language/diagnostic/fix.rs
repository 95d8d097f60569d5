//! Edits that fix a file.

use planrun::diagnostic::{Edit, Fix};
use planrun::source::Sources;
use planrun::source::Span;

#[test]
fn edits_are_carried_out_from_behind() {
    let mut sources = Sources::default();
    let id = sources.add("p.yaml", "one two three");
    let edit = |start, end, text: &str| Edit::new(Span::new(id, start, end), text);
    let fix = Fix::new("swap", vec![edit(4, 7, "1"), edit(0, 3, "twice")]).unwrap();
    assert_eq!(fix.apply(sources.get(id).text()), "twice 1 three");
    let put_in = Fix::new("put in", vec![edit(3, 3, ",")]).unwrap();
    assert_eq!(put_in.apply(sources.get(id).text()), "one, two three");
}

#[test]
fn edits_over_each_other_and_in_two_files_are_no_fix() {
    let mut sources = Sources::default();
    let (id, other) = (sources.add("a", "text"), sources.add("b", "text"));
    let edit = |id, start, end| Edit::new(Span::new(id, start, end), "x");
    assert_eq!(Fix::new("", vec![]), None);
    assert_eq!(Fix::new("", vec![edit(id, 0, 3), edit(id, 2, 4)]), None);
    assert_eq!(Fix::new("", vec![edit(id, 1, 1), edit(id, 1, 1)]), None);
    assert_eq!(Fix::new("", vec![edit(id, 0, 1), edit(other, 2, 3)]), None);
}
