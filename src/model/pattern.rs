//! Patterns: how an entry of a model matches a command, word by word.

use minijinja::Value;

use crate::model::Act;
use crate::task::StepPath;

/// The values of the placeholders of a pattern, in order.
pub(super) type Captures = Vec<Value>;

#[derive(Debug)]
pub(super) enum Pattern {
    Run(Vec<PatternWord>),
    /// The script of a step, `PLAN/STEP`.
    Step(String),
    Upload(PatternWord),
}

#[derive(Debug, PartialEq)]
pub(super) enum PatternWord {
    Literal(String),
    Any(String),
    Int(String),
    Rest,
}

impl Pattern {
    /// Returns the values of its placeholders if it matches. A word that is not known yet may be any, and
    /// has no value.
    pub(super) fn matches(&self, act: &Act<'_>) -> Option<Captures> {
        let mut captures = Vec::new();
        let mut fits = |pattern: &PatternWord, word: Option<&str>| {
            word.is_none_or(|word| pattern.take(word, &mut captures))
        };
        let matches = match (self, act) {
            (Self::Run(pattern), Act::Run(words)) => {
                let open = pattern.last() == Some(&PatternWord::Rest);
                let fixed = pattern.len() - usize::from(open);
                let length = if open { words.len() >= fixed } else { words.len() == fixed };
                length && pattern[..fixed].iter().zip(words).all(|(one, word)| fits(one, *word))
            }
            (Self::Step(step), Act::Step(found)) => is_script_of(step, found),
            (Self::Upload(pattern), Act::Upload(path)) => fits(pattern, *path),
            _ => false,
        };
        matches.then_some(captures)
    }

    /// Whether it matches everything that another pattern matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Run(mine), Self::Run(other)) => covers_words(mine, other),
            (Self::Step(mine), Self::Step(other)) => mine == other,
            (Self::Upload(mine), Self::Upload(other)) => mine.covers(other),
            _ => false,
        }
    }

    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Run(words) => words.iter().filter_map(PatternWord::name).collect(),
            Self::Step(_) => Vec::new(),
            Self::Upload(word) => word.name().into_iter().collect(),
        }
    }
}

/// Whether a script is that of a step; all items of a `for_each` have the same one.
fn is_script_of(step: &str, found: &str) -> bool {
    step == found || StepPath::from(found).in_plan() == *step
}

impl PatternWord {
    /// Reads a word; `Err` has the reason if it is invalid.
    pub(super) fn read(word: &str) -> Result<Self, &'static str> {
        let Some(inner) = word.strip_prefix('<').and_then(|w| w.strip_suffix('>')) else {
            if word.contains('<') && word.contains('>') {
                return Err("a placeholder must be a whole word");
            }
            return Ok(Self::Literal(word.to_owned()));
        };
        let (name, kind) = inner.split_once(':').unwrap_or((inner, ""));
        let named = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        match (name, kind) {
            ("*", "") => Ok(Self::Rest),
            (_, "") if named => Ok(Self::Any(name.to_owned())),
            (_, "int") if named => Ok(Self::Int(name.to_owned())),
            (_, "" | "int") => Err("a placeholder must have a name such as `ip`"),
            _ => Err("the only type of a placeholder is `int`"),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Any(name) | Self::Int(name) => Some(name),
            Self::Literal(_) | Self::Rest => None,
        }
    }

    /// Matches a word and stores the value of its placeholder.
    fn take(&self, word: &str, captures: &mut Captures) -> bool {
        match self {
            Self::Literal(literal) => literal == word,
            Self::Any(_) => {
                captures.push(Value::from(word));
                true
            }
            Self::Int(_) => match word.parse::<i64>() {
                Ok(number) => {
                    captures.push(Value::from(number));
                    true
                }
                Err(_) => false,
            },
            Self::Rest => true,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any(_) | Self::Rest, _) | (Self::Int(_), Self::Int(_)) => true,
            (Self::Int(_), Self::Literal(word)) => word.parse::<i64>().is_ok(),
            (Self::Literal(mine), Self::Literal(other)) => mine == other,
            _ => false,
        }
    }
}

fn covers_words(mine: &[PatternWord], other: &[PatternWord]) -> bool {
    let open = mine.last() == Some(&PatternWord::Rest);
    let fixed = mine.len() - usize::from(open);
    let other_open = other.last() == Some(&PatternWord::Rest);
    let other_fixed = other.len() - usize::from(other_open);
    let lengths = if open { other_fixed >= fixed } else { !other_open && other_fixed == fixed };
    lengths && mine[..fixed].iter().zip(other).all(|(mine, other)| mine.covers(other))
}

/// Splits a command line into words; quotes keep spaces. `None` if a quote is not closed.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
