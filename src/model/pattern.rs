//! Patterns: how an entry of a model matches a command, word by word.

use minijinja::Value;
use regex::Regex;

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
    /// Placeholders inside of a word: `ceph-osd@<n:int>`.
    Mixed(Mixed),
    Rest,
}

/// A word with placeholders inside. Each is at least one character, and as short as possible.
#[derive(Debug)]
pub(super) struct Mixed {
    parts: Vec<Part>,
    whole: Regex,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Any(String),
    Int(String),
}

impl PartialEq for Mixed {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
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
            Self::Run(words) => words.iter().flat_map(PatternWord::names).collect(),
            Self::Step(_) => Vec::new(),
            Self::Upload(word) => word.names(),
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
        let mut parts = Mixed::parts(word)?;
        match (parts.pop(), parts.is_empty()) {
            (None, _) => Ok(Self::Literal(String::new())),
            (Some(Part::Literal(_)), true) => Ok(Self::Literal(word.to_owned())),
            (Some(Part::Any(name)), true) if name == REST => Ok(Self::Rest),
            (Some(Part::Any(name)), true) => Ok(Self::Any(name)),
            (Some(Part::Int(name)), true) => Ok(Self::Int(name)),
            (Some(last), false) => {
                parts.push(last);
                Mixed::new(parts).map(Self::Mixed)
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Any(name) | Self::Int(name) => vec![name],
            Self::Mixed(mixed) => mixed.parts.iter().filter_map(Part::name).collect(),
            Self::Literal(_) | Self::Rest => Vec::new(),
        }
    }

    /// Matches a word and stores the values of its placeholders.
    fn take(&self, word: &str, captures: &mut Captures) -> bool {
        let int = |word: &str| word.parse::<i64>().ok().map(Value::from);
        match self {
            Self::Literal(literal) => return literal == word,
            Self::Any(_) => captures.push(Value::from(word)),
            Self::Int(_) => match int(word) {
                Some(number) => captures.push(number),
                None => return false,
            },
            Self::Mixed(mixed) => {
                let Some(found) = mixed.whole.captures(word) else { return false };
                let names = mixed.parts.iter().filter(|part| part.name().is_some());
                for (part, found) in names.zip(found.iter().skip(1).flatten()) {
                    let value = match part {
                        Part::Int(_) => int(found.as_str()),
                        _ => Some(Value::from(found.as_str())),
                    };
                    let Some(value) = value else { return false };
                    captures.push(value);
                }
            }
            Self::Rest => {}
        }
        true
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any(_) | Self::Rest, _) | (Self::Int(_), Self::Int(_)) => true,
            (Self::Int(_) | Self::Mixed(_), Self::Literal(word)) => {
                self.take(word, &mut Vec::new())
            }
            (Self::Literal(mine), Self::Literal(other)) => mine == other,
            (Self::Mixed(mine), Self::Mixed(other)) => mine.covers(other),
            _ => false,
        }
    }
}

/// The name of the placeholder for all remaining words.
const REST: &str = "*";

impl Mixed {
    fn new(parts: Vec<Part>) -> Result<Self, &'static str> {
        let mut pattern = String::new();
        for part in &parts {
            match part {
                Part::Literal(text) => pattern.push_str(&regex::escape(text)),
                Part::Any(name) if name == REST => {
                    return Err("`<*>` must be a whole word");
                }
                Part::Any(_) => pattern.push_str("(.+?)"),
                Part::Int(_) => pattern.push_str("([+-]?[0-9]+)"),
            }
        }
        let is_open = |part: &Part| part.name().is_some();
        if parts.windows(2).any(|pair| pair.iter().all(is_open)) {
            return Err("two placeholders need text between them");
        }
        let whole = Regex::new(&format!("^(?s:{pattern})$")).map_err(|_| "the word is too long")?;
        Ok(Self { parts, whole })
    }

    /// Splits a word at its placeholders.
    fn parts(word: &str) -> Result<Vec<Part>, &'static str> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = word;
        while let Some((before, after)) = rest.split_once('<') {
            let Some((inner, after)) = after.split_once('>') else { break };
            literal.push_str(before);
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::placeholder(inner)?);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(parts)
    }

    /// Whether it matches all that another word with placeholders matches; of words of another form it
    /// may not know it.
    fn covers(&self, other: &Self) -> bool {
        let covers = |(mine, other): (&Part, &Part)| match (mine, other) {
            (Part::Literal(mine), Part::Literal(other)) => mine == other,
            (Part::Any(_), Part::Any(_) | Part::Int(_)) | (Part::Int(_), Part::Int(_)) => true,
            _ => false,
        };
        self.parts.len() == other.parts.len() && self.parts.iter().zip(&other.parts).all(covers)
    }
}

impl Part {
    fn placeholder(inner: &str) -> Result<Self, &'static str> {
        let (name, kind) = inner.split_once(':').unwrap_or((inner, ""));
        let named = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        match (name, kind) {
            (REST, "") => Ok(Self::Any(REST.to_owned())),
            (_, "") if named => Ok(Self::Any(name.to_owned())),
            (_, "int") if named => Ok(Self::Int(name.to_owned())),
            (_, "" | "int") => Err("a placeholder must have a name such as `ip`"),
            _ => Err("the only type of a placeholder is `int`"),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Any(name) | Self::Int(name) => Some(name),
            Self::Literal(_) => None,
        }
    }
}

/// What a command must read to match: a text in which `<*>` is any text. It has no names: what a command
/// reads may be a secret, and is never part of a state.
#[derive(Debug)]
pub(super) struct StdinPattern {
    whole: Regex,
    pub(super) text: String,
}

impl StdinPattern {
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let parts = Mixed::parts(text)?;
        let mut pattern = String::new();
        for part in &parts {
            match part {
                Part::Literal(text) => pattern.push_str(&regex::escape(text)),
                Part::Any(name) if name == REST => pattern.push_str(".*"),
                _ => return Err("a placeholder must be `<*>` here: the input may be a secret"),
            }
        }
        let whole = Regex::new(&format!("^(?s:{pattern})$")).map_err(|_| "the text is too long")?;
        Ok(Self { whole, text: text.to_owned() })
    }

    /// Whether an input matches; its last line break does not count.
    pub(super) fn matches(&self, input: &str) -> bool {
        let input = input.strip_suffix('\n').unwrap_or(input);
        self.whole.is_match(input)
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
