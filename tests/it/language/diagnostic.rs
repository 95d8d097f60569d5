//! Diagnostics as values.

mod allow;
mod fix;
mod manual;

use planrun::diagnostic::*;

#[test]
fn of_too_many_faults_the_first_are_kept_and_the_others_counted() {
    let mut found = Diagnostics::default();
    for number in 0..MAX_FAULTS + 5 {
        found.push(Diagnostic::warning(Code::NoEntry, number.to_string()));
    }
    assert!(!found.has_errors());
    let mut all = Diagnostics::default();
    all.extend(found.clone());
    all.extend(found);
    let last = all.sorted().last().map(|one| one.message.clone());
    let expected = format!("{} more problems are not shown", MAX_FAULTS + 10);
    assert_eq!(last, Some(expected));
    assert_eq!(all.sorted().len(), MAX_FAULTS + 1);
    assert!(!all.has_errors());
    all.push(Diagnostic::error(Code::WrongType, "the last one"));
    assert!(all.has_errors());
}

#[test]
fn what_was_not_looked_at_is_told_as_an_error_also_through_another_collection() {
    let mut found = Diagnostics::default();
    for number in 0..MAX_FAULTS {
        found.push(Diagnostic::warning(Code::NoEntry, number.to_string()));
    }
    found.stop();
    let mut all = Diagnostics::default();
    all.extend(found);
    all.push(Diagnostic::warning(Code::NoEntry, "one more"));
    let last = all.sorted().last().map(|one| one.message.clone());
    let expected = "too many errors; stopped checking";
    assert_eq!(last.as_deref(), Some(expected));
    assert!(all.has_errors());
}
