//! Values of INI files, which Ansible reads as Python literals if they are valid ones.
//!
//! `5` is a number, `'5'` a string, `[1, 2]` and `1,2` are lists; anything else is a string. Complex
//! numbers, `\N{...}` escapes, and numbers that JSON cannot represent are strings here, unlike in Python.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Number, Value};

/// Maximum nesting of a literal.
const MAX_DEPTH: usize = 32;

/// A sign, then a number in base 16, 8 or 2, a float, or an integer; single `_` may be between digits.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    let digits = |digit: &str| format!("{digit}+(?:_{digit}+)*");
    let [hex, octal, binary, decimal] = ["[0-9a-fA-F]", "[0-7]", "[01]", "[0-9]"].map(digits);
    let exponent = format!("[eE][-+]?{decimal}");
    let float =
        format!(r"(?:{decimal}\.(?:{decimal})?|\.{decimal})(?:{exponent})?|{decimal}{exponent}");
    Regex::new(&format!(
        r"^([-+]?)[ \t]*(?:0[xX]_?({hex})|0[oO]_?({octal})|0[bB]_?({binary})|({float})|({decimal}))"
    ))
    .expect("the pattern is a constant")
});

pub(super) fn value(text: &str) -> Value {
    whole(text, false).unwrap_or_else(|| text.into())
}

/// Returns it with its numbers as strings as they are written, if JSON would write one differently:
/// `3.10`, `0x1f`, `1_000`.
pub(super) fn written(text: &str) -> Option<Value> {
    let written = whole(text, true)?;
    (Some(&written) != whole(text, false).as_ref()).then_some(written)
}

fn whole(text: &str, as_written: bool) -> Option<Value> {
    let mut reader = LiteralReader { rest: text, depth: 0, as_written };
    reader.items("").filter(|items| !items.pairs.is_empty())?.tuple()
}

struct LiteralReader<'a> {
    rest: &'a str,
    depth: usize,
    /// Whether numbers become strings as they are written, if JSON would write them differently.
    as_written: bool,
}

/// The items of a bracket, or of the whole text.
#[derive(Default)]
struct Items {
    /// Each item; in a dictionary with its value.
    pairs: Vec<(Value, Option<Value>)>,
    /// Whether a comma follows an item.
    has_comma: bool,
}

impl Items {
    /// Makes a list; `None` if an item has a value of its own.
    fn list(self) -> Option<Vec<Value>> {
        let items = self.pairs.into_iter();
        items.map(|(item, value)| value.is_none().then_some(item)).collect()
    }

    /// Makes a tuple, or the only item if there is no comma.
    fn tuple(self) -> Option<Value> {
        let has_comma = self.has_comma;
        let mut items = self.list()?;
        if items.len() == 1 && !has_comma { items.pop() } else { Some(items.into()) }
    }

    /// Makes a dictionary, or of a set a list.
    fn dictionary(self) -> Option<Value> {
        if self.pairs.first().is_some_and(|(_, value)| value.is_none()) {
            return self.list().map(Value::from);
        }
        let pairs = self.pairs.into_iter().map(|(key, value)| {
            let name = match key {
                Value::String(name) => name,
                Value::Array(_) | Value::Object(_) => return None,
                scalar => scalar.to_string(),
            };
            Some((name, value?))
        });
        pairs.collect::<Option<Map<_, _>>>().map(Value::from)
    }
}

impl LiteralReader<'_> {
    /// Skips white space and a comment.
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        if self.rest.starts_with('#') {
            self.rest = "";
        }
    }

    fn take(&mut self, sign: &str) -> Option<()> {
        self.blank();
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    /// Takes a closing character; an empty one is the end of the text.
    fn ends(&mut self, close: &str) -> bool {
        self.take(close).is_some() && (!close.is_empty() || self.rest.is_empty())
    }

    /// Reads items separated by commas, up to a closing character. A comma may follow the last item.
    fn items(&mut self, close: &str) -> Option<Items> {
        let mut items = Items::default();
        while !self.ends(close) {
            let item = self.item()?;
            let value = self.take(":").map_or(Some(None), |()| self.item().map(Some))?;
            items.pairs.push((item, value));
            if self.ends(close) {
                break;
            }
            self.take(",")?;
            items.has_comma = true;
        }
        Some(items)
    }

    fn item(&mut self) -> Option<Value> {
        self.blank();
        self.depth += 1;
        let first = self.rest.chars().next().filter(|_| self.depth <= MAX_DEPTH)?;
        let value = match first {
            '-' | '+' | '0'..='9' | '.' => self.number(),
            '[' | '(' | '{' => {
                self.next()?;
                match first {
                    '[' => self.items("]")?.list().map(Value::from),
                    '(' => self.items(")")?.tuple(),
                    _ => self.items("}")?.dictionary(),
                }
            }
            _ => self.word().or_else(|| self.text()),
        };
        self.depth -= 1;
        value
    }

    fn word(&mut self) -> Option<Value> {
        let end =
            self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let value = match &self.rest[..end] {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::Null,
            _ => return None,
        };
        self.rest = &self.rest[end..];
        Some(value)
    }

    fn number(&mut self) -> Option<Value> {
        let found = NUMBER.captures(self.rest)?;
        let (token, behind) = self.rest.split_at(found[0].len());
        if behind.starts_with(|c: char| c.is_alphanumeric() || "_.".contains(c)) {
            return None;
        }
        self.rest = behind;
        let digits = |group| found.get(group).map(|digits| digits.as_str().replace('_', ""));
        let minus = &found[1] == "-";
        let number = if let Some(float) = digits(5) {
            let value: f64 = float.parse().ok()?;
            Number::from_f64(if minus { -value } else { value })?
        } else {
            let mut groups = [(2, 16), (3, 8), (4, 2), (6, 10)].into_iter();
            let (digits, radix) =
                groups.find_map(|(group, radix)| Some((digits(group)?, radix)))?;
            // Python rejects a decimal number with leading zeros, unless all digits are zeros.
            if radix == 10 && digits.starts_with('0') && digits.contains(|c| c != '0') {
                return None;
            }
            let value = i128::from_str_radix(&digits, radix).ok()?;
            Number::from_i128(if minus { -value } else { value })?
        };
        let is_same = !self.as_written || number.to_string() == token;
        Some(if is_same { number.into() } else { token.into() })
    }

    /// Reads a string, or several adjacent ones.
    fn text(&mut self) -> Option<Value> {
        let mut text = String::new();
        let mut any = false;
        loop {
            self.blank();
            let prefix = self.rest.find(['\'', '"']).filter(|&at| at <= 2);
            let Some(prefix) = prefix else { break };
            let raw = match self.rest[..prefix].to_ascii_lowercase().as_str() {
                "" | "u" | "b" => false,
                "r" | "br" | "rb" => true,
                _ => break,
            };
            self.rest = &self.rest[prefix..];
            self.quoted(raw, &mut text)?;
            any = true;
        }
        any.then(|| text.into())
    }

    fn quoted(&mut self, raw: bool, text: &mut String) -> Option<()> {
        let triple = self.rest.starts_with("'''") || self.rest.starts_with("\"\"\"");
        let (quote, behind) = self.rest.split_at(if triple { 3 } else { 1 });
        self.rest = behind;
        loop {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                self.rest = rest;
                return Some(());
            }
            let character = self.next()?;
            if character != '\\' {
                text.push(character);
                continue;
            }
            let escaped = self.next()?;
            if raw {
                text.extend(['\\', escaped]);
            } else {
                self.escape(escaped, text)?;
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = &self.rest[character.len_utf8()..];
        Some(character)
    }

    fn escape(&mut self, escaped: char, text: &mut String) -> Option<()> {
        let character = match escaped {
            '\\' | '\'' | '"' => escaped,
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'v' => '\x0b',
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            '0'..='7' => {
                let mut code = escaped.to_digit(8)?;
                for _ in 0..2 {
                    let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else {
                        break;
                    };
                    self.rest = &self.rest[1..];
                    code = code * 8 + digit;
                }
                char::from_u32(code)?
            }
            'N' => return None,
            other => {
                text.extend(['\\', other]);
                return Some(());
            }
        };
        text.push(character);
        Some(())
    }

    fn code(&mut self, width: usize) -> Option<char> {
        let digits = self.rest.get(..width)?;
        // `from_str_radix` would accept a sign too.
        digits.starts_with(|c: char| c.is_ascii_hexdigit()).then_some(())?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        self.rest = &self.rest[width..];
        char::from_u32(code)
    }
}
