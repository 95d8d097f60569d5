//! The shapes as data: one table for each kind of file, and one of the forms of strings.
//!
//! A row starts with what it is; its cells are separated by tabs:
//!
//! ```text
//! form      NAME, name in messages, example, pattern
//! shape     NAME, SHAPE                     an abbreviation
//! record    name in messages, sentence      its keys and rules follow
//! key       key, SHAPE, sentence
//! required  key, SHAPE, sentence
//! like      RECORD, keys that are left out  all other keys of an earlier record
//! one_of    keys; exactly one of them is required
//! rest      SHAPE of all other keys
//! foreign   mappings of the foreign tables, separated by commas
//! ```
//!
//! A SHAPE is `any`, `bool`, `scalar`, `null`, `integer`, `integer(MIN)`, `choice(WORD, ...)`,
//! `late(SHAPE)`, `list(SHAPE, MIN)`, `map(FORM, SHAPE, MIN)`, the name of a form, an abbreviation or a
//! record, or several of these separated by `|`. A record is named by the last words of its name in
//! messages, joined by `_`. The tables are constants: an error in them is a panic in every test.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::schema::{Field, Form, FormKind, Record, Shape};
use crate::table::rows;

const TABLES: [&str; 6] = [
    include_str!("forms.tsv"),
    include_str!("plan.tsv"),
    include_str!("model.tsv"),
    include_str!("test.tsv"),
    include_str!("inventory.tsv"),
    include_str!("configuration.tsv"),
];

static FORMS: LazyLock<HashMap<&str, Form>> = LazyLock::new(|| {
    let forms = all_rows().filter(|row| row[0] == "form");
    let form = |[_, id, name, example, pattern]: [&'static str; 5]| {
        let pattern = Some(pattern).filter(|pattern| !pattern.is_empty());
        let kind = id.parse().unwrap_or(FormKind::Other);
        (id, Form { name, example, pattern, kind })
    };
    forms.map(form).collect()
});

/// The numbers of the records, by their names.
static NUMBERS: LazyLock<HashMap<String, usize>> = LazyLock::new(|| {
    let names = all_rows().filter(|row| row[0] == "record").map(|row| row[1]);
    names.enumerate().map(|(number, name)| (word(name), number)).collect()
});

static RECORDS: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let mut reader = TableReader::default();
    all_rows().for_each(|row| reader.row(row));
    reader.records
});

/// Refers to a record, which may contain itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordId(usize);

impl RecordId {
    /// Finds a record by its name: `step`.
    pub fn named(name: &str) -> Option<Self> {
        NUMBERS.get(name).copied().map(Self)
    }

    pub fn get(self) -> &'static Record {
        &RECORDS[self.0]
    }
}

/// Returns the name of a record without its article, in one word.
pub(super) fn word(name: &str) -> String {
    let name = name.split_once(' ').map_or(name, |(_, name)| name);
    name.replace(' ', "_").replace('`', "")
}

fn all_rows() -> impl Iterator<Item = [&'static str; 5]> {
    TABLES.into_iter().flat_map(rows)
}

/// Returns a form of strings.
///
/// # Panics
/// There is no form with this name.
pub fn form(name: &str) -> &'static Form {
    FORMS.get(name).unwrap_or_else(|| panic!("no form `{name}`"))
}

/// Returns a mapping with fixed keys: `step`.
///
/// # Panics
/// There is no record with this name.
pub fn record(name: &str) -> &'static Record {
    RecordId::named(name).unwrap_or_else(|| panic!("no record `{name}`")).get()
}

#[derive(Default)]
struct TableReader {
    shapes: HashMap<&'static str, Shape>,
    records: Vec<Record>,
}

impl TableReader {
    fn row(&mut self, [kind, first, second, third, _]: [&'static str; 5]) {
        match kind {
            "form" => {}
            "shape" => {
                let shape = self.shape(second);
                self.shapes.insert(first, shape);
            }
            "record" => self.records.push(Record {
                name: first,
                about: second,
                fields: Vec::new(),
                one_of: Vec::new(),
                rest: None,
                foreign: Vec::new(),
            }),
            "like" => {
                let earlier = self.records.iter().find(|record| record.word() == first);
                let fields = earlier.map(|record| record.fields.clone()).unwrap_or_default();
                let left_out: Vec<&str> = second.split(' ').collect();
                let fields = fields.into_iter().filter(|field| !left_out.contains(&field.name));
                self.last().fields.extend(fields);
            }
            "one_of" => self.last().one_of = first.split(' ').collect(),
            "foreign" => self.last().foreign = split(first, ','),
            "rest" => self.last().rest = Some(self.shape(first)),
            required => {
                assert!(matches!(required, "key" | "required"), "no row is a `{required}`");
                let (shape, required) = (self.shape(second), required == "required");
                self.last().fields.push(Field { name: first, about: third, shape, required });
            }
        }
    }

    fn last(&mut self) -> &mut Record {
        self.records.last_mut().expect("rows of a record are below it")
    }

    fn shape(&self, text: &'static str) -> Shape {
        let alternatives = split(text, '|');
        if alternatives.len() > 1 {
            let all = alternatives.into_iter().flat_map(|one| match self.shape(one) {
                Shape::OneOf(inner) => inner,
                other => vec![other],
            });
            return Shape::OneOf(all.collect());
        }
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => (name, split(rest.strip_suffix(')').unwrap_or(rest), ',')),
            None => (text, Vec::new()),
        };
        let inner = |text| Box::new(self.shape(text));
        let number = |text: &str| text.parse::<u32>().expect("a number");
        match (name, arguments.as_slice()) {
            ("any", []) => Shape::Any,
            ("bool", []) => Shape::Bool,
            ("scalar", []) => Shape::Scalar,
            ("null", []) => Shape::Null,
            ("integer", []) => Shape::Int(i64::MIN),
            ("integer", [min]) => Shape::Int(number(min).into()),
            ("choice", words) => Shape::Choice(words.to_vec()),
            ("late", [shape]) => Shape::Late(inner(shape)),
            ("list", [shape, min]) => Shape::List(inner(shape), number(min) as usize),
            ("map", [keys, shape, min]) => {
                Shape::Map(form(keys), inner(shape), number(min) as usize)
            }
            (name, _) => match (self.shapes.get(name), FORMS.get(name)) {
                (Some(shape), _) => shape.clone(),
                (None, Some(form)) => Shape::Text(form),
                (None, None) => {
                    let record = RecordId::named(name);
                    Shape::Record(record.unwrap_or_else(|| panic!("no shape `{name}`")))
                }
            },
        }
    }
}

/// Splits at a character outside of parentheses.
fn split(text: &'static str, at: char) -> Vec<&'static str> {
    let mut depth = 0;
    let parts = text.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == at && depth == 0
    });
    parts.map(str::trim).collect()
}
