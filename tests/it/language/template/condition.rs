//! The value of a condition, and where it stops.

use std::rc::Rc;

use minijinja::Value;

use planrun::template::condition::*;
use planrun::template::expression::Expression;

struct World;

impl Scope for World {
    fn meaning(&self, name: &str) -> Result<Meaning, Stop> {
        let json = |text: &str| {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            Ok(Meaning::Value(Value::from(minijinja::value::Serde(value))))
        };
        match name {
            "ring" => json(
                r#"{"a": {"key": "a", "n": 5, "tag": ""}, "b": {"key": "b", "n": 0, "tag": ""}}"#,
            ),
            "yes" => json("true"),
            "host" => Ok(Meaning::Value(planrun::template::parts_value(vec![
                ("name", "a".into()),
                ("address", "192.0.2.1".into()),
            ]))),
            "text" => json("\"5\""),
            "row_a" => Ok(Meaning::Word(Rc::new(Expression::parse_text("ring.a").unwrap()))),
            "idle" => Ok(Meaning::Rows {
                from: Rc::new(Expression::parse_text("ring").unwrap()),
                filter: Rc::new(Expression::parse_text("row.n == 0").unwrap()),
            }),
            "all_right" => {
                let word = Expression::parse_text("yes and ring.a.n == 5").unwrap();
                Ok(Meaning::Word(Rc::new(word)))
            }
            "endless" => Ok(Meaning::Word(Rc::new(Expression::parse_text("endless").unwrap()))),
            "away" => Err(Stop::CannotTell("away".into())),
            other => Err(Stop::Look(other.into())),
        }
    }
}

fn truth(text: &str) -> Result<bool, Stop> {
    Evaluator::new(&World).truth(&Expression::parse_text(text).unwrap())
}

#[test]
fn conditions_are_true_or_false() {
    for (text, expected) in [
        ("ring.a.n == 5", true),
        ("ring['a'].n > 5", false),
        ("not yes", false),
        ("row_a.n in [4, 5]", true),
        ("row_a.n not in [4, 5]", false),
        ("idle | length == 1 and idle[0].key == 'b'", true),
        ("1 < ring.a.n <= 5", true),
        ("ring.c is defined", false),
        ("away is unknown", true),
        ("ring.c is unknown", true),
        ("(away == 1) is unknown", true),
        ("yes is unknown", false),
        ("away is not unknown and away == 1", false),
        ("ring.a.n + 1 == 6", true),
        ("'a' in ring", true),
        ("true if yes else false", true),
        ("host == 'a' and ring[host].n == 5 and host in ring", true),
        ("'b' in host or host.address != '192.0.2.1'", false),
        ("ring.a.key != host", false),
        ("[3, 1] | sort(reverse=true) | first == 3", true),
    ] {
        assert_eq!(truth(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_told_does_not_matter_where_the_other_side_decides() {
    assert_eq!(truth("away and not yes"), Ok(false));
    assert_eq!(truth("away or yes"), Ok(true));
    assert!(matches!(truth("away or not yes"), Err(Stop::CannotTell(_))));
    assert!(matches!(truth("not away"), Err(Stop::CannotTell(_))));
}

#[test]
fn looks_are_lazy_from_left_to_right() {
    assert_eq!(truth("yes or unseen"), Ok(true));
    assert_eq!(truth("not yes and unseen"), Ok(false));
    assert_eq!(truth("unseen and not yes"), Err(Stop::Look("unseen".into())));
}

#[test]
fn types_are_not_coerced() {
    for text in ["text == 5", "text > 4", "yes == 'true'", "ring.a.n", "text"] {
        assert!(matches!(truth(text), Err(Stop::CannotTell(_))), "{text}");
    }
}

#[test]
fn what_is_not_there_cannot_be_told() {
    assert_eq!(truth("ring.c.n == 1"), Err(Stop::Missing("`ring` has no `c`".into())));
    assert!(matches!(truth("endless"), Err(Stop::CannotTell(_))));
}

#[test]
fn the_parts_that_decided_are_noted() {
    let world = World;
    let evaluator = Evaluator::new(&world);
    evaluator.truth(&Expression::parse_text("row_a.n == 5 and yes").unwrap()).unwrap();
    let seen = evaluator.into_seen();
    assert_eq!(seen, [("row_a.n".into(), "5".into()), ("yes".into(), "true".into())]);
}

#[test]
fn what_is_not_yet_right_comes_first() {
    for (text, expected) in [
        ("a.n == 5 and b.n == 1", "b.n a.n"),
        ("b.n == 1 and a.n == 5", "b.n"),
        ("yes and (a.n == 5 and b.n == 5)", "b.n yes a.n"),
        ("a.n == 5 and b.n == 0", "a.n b.n"),
        ("a.n == 5 and away == 1", "a.n"),
        ("yes and text == 5", "text yes"),
        ("yes and text == '5' and not yes", "yes text"),
        ("not (a.n == 1 or b.n == 0)", "b.n a.n"),
        ("not (a.n == 5 and b.n == 1) and a.tag == 'x'", "a.tag a.n b.n"),
        // An alternative that is wrong does not matter where the other one is right.
        ("(a.n == 1 or b.n == 0) and a.tag == 'x'", "a.tag a.n b.n"),
        ("(a.n == 1 or b.n == 1) and a.tag == 'x'", "a.n b.n"),
        ("all_right and b.n == 1", "b.n yes a.n"),
        ("(b.n == 1 if yes else yes) and yes", "yes b.n"),
        ("a.n == 5 and 1 < b.n <= 5", "b.n a.n"),
        ("yes and b.tag is eq('x')", "b.tag yes"),
    ] {
        let text = text.replace("a.", "ring.a.").replace("b.", "ring.b.");
        let evaluator = Evaluator::new(&World);
        let _truth = evaluator.truth(&Expression::parse_text(&text).unwrap());
        let seen: Vec<String> = evaluator.into_seen().into_iter().map(|(part, _)| part).collect();
        assert_eq!(seen.join(" ").replace("ring.", ""), expected, "{text}");
    }
}
