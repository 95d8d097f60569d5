//! Tests of `planrun::duration`.

use std::time::Duration;

use planrun::duration::*;

#[test]
fn durations_are_read_with_their_units() {
    for (text, millis) in [
        ("90s", 90_000),
        ("15m", 900_000),
        ("1h 30m", 5_400_000),
        ("1h30m", 5_400_000),
        ("1.5h", 5_400_000),
        ("2d", 172_800_000),
        ("250ms", 250),
    ] {
        assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
    }
    for text in ["", "90", "5 M", "1month", "-5s", "s", "1..5s", "99999999999d", "1e3s"] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn what_is_shown_reads_back_as_the_same_for_whole_units() {
    for seconds in [0, 1, 59, 60, 61, 3_600, 3_660, 86_400, 90_000] {
        let duration = Duration::from_secs(seconds);
        assert_eq!(parse(&show(duration)), Some(duration));
    }
}
