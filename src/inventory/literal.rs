//! Values of INI files, which Ansible reads as Python literals if they are valid ones.
//!
//! `5` is a number, `'5'` a string, `[1, 2]` and `1,2` are lists; anything else is a string. Complex
//! numbers, `\N{...}` escapes, and numbers that JSON cannot represent are strings here, unlike in Python.

use serde_json::{Number, Value};

/// Maximum nesting of a literal.
const MAX_DEPTH: usize = 32;

/// Returns the value of a literal.
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
    let rest = text.trim_start_matches([' ', '\t']);
    let mut reader = LiteralReader { rest, depth: 0, as_written };
    let first = reader.item()?;
    reader.blank();
    if reader.rest.is_empty() {
        return Some(first);
    }
    reader.take(",")?;
    let mut items = vec![first];
    reader.items("", &mut items)?;
    Some(items.into())
}

struct LiteralReader<'a> {
    rest: &'a str,
    depth: usize,
    /// Whether numbers become strings as they are written, if JSON would write them differently.
    as_written: bool,
}

impl<'a> LiteralReader<'a> {
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

    /// Reads items separated by commas, up to a closing character (or the end, if there is none). A comma
    /// may follow the last item.
    fn items(&mut self, close: &str, items: &mut Vec<Value>) -> Option<()> {
        loop {
            self.blank();
            if self.rest.is_empty() || (!close.is_empty() && self.rest.starts_with(close)) {
                return self.take(close);
            }
            items.push(self.item()?);
            self.blank();
            if !self.rest.starts_with(',') {
                self.take(close)?;
                return (!close.is_empty() || self.rest.is_empty()).then_some(());
            }
            self.take(",")?;
        }
    }

    fn item(&mut self) -> Option<Value> {
        self.blank();
        self.depth += 1;
        let value = match self.rest.chars().next()? {
            _ if self.depth > MAX_DEPTH => None,
            '[' => {
                self.take("[")?;
                let mut items = Vec::new();
                self.items("]", &mut items)?;
                Some(items.into())
            }
            '(' => self.parenthesis(),
            '{' => self.braces(),
            '-' | '+' | '0'..='9' | '.' => {
                let whole = self.rest;
                let number = self.number();
                let written = &whole[..whole.len() - self.rest.len()];
                number.map(|number| match number.to_string() {
                    same if !self.as_written || same == written => number,
                    _ => written.into(),
                })
            }
            _ => self.word().or_else(|| self.text()),
        };
        self.depth -= 1;
        value
    }

    /// Reads a tuple, or one item in parentheses.
    fn parenthesis(&mut self) -> Option<Value> {
        self.take("(")?;
        self.blank();
        if self.rest.starts_with(')') {
            self.take(")")?;
            return Some(Value::Array(Vec::new()));
        }
        let first = self.item()?;
        if self.take(")").is_some() {
            return Some(first);
        }
        self.take(",")?;
        let mut items = vec![first];
        self.items(")", &mut items)?;
        Some(items.into())
    }

    /// Reads a dictionary, or a set, which becomes a list.
    fn braces(&mut self) -> Option<Value> {
        self.take("{")?;
        let mut map = serde_json::Map::new();
        if self.take("}").is_some() {
            return Some(map.into());
        }
        let mut key = self.item()?;
        if self.take(":").is_none() {
            let mut items = vec![key];
            if self.take("}").is_none() {
                self.take(",")?;
                self.items("}", &mut items)?;
            }
            return Some(items.into());
        }
        loop {
            let name = match key {
                Value::String(name) => name,
                Value::Array(_) | Value::Object(_) => return None,
                scalar => scalar.to_string(),
            };
            map.insert(name, self.item()?);
            if self.take("}").is_some() {
                return Some(map.into());
            }
            self.take(",")?;
            if self.take("}").is_some() {
                return Some(map.into());
            }
            key = self.item()?;
            self.take(":")?;
        }
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
        let sign = self.rest.chars().next().filter(|c| matches!(c, '-' | '+'));
        if sign.is_some() {
            self.rest = self.rest[1..].trim_start_matches([' ', '\t']);
        }
        let minus = sign == Some('-');
        let radix = match self.rest.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("0x") => 16,
            Some("0o") => 8,
            Some("0b") => 2,
            _ => return self.decimal(minus),
        };
        self.rest = &self.rest[2..];
        // Python allows one `_` between the prefix and the digits.
        self.rest = self.rest.strip_prefix('_').unwrap_or(self.rest);
        let digits = self.digits(|c| c.is_digit(radix))?;
        self.no_word_follows()?;
        whole_number(i128::from_str_radix(&digits, radix).ok()?, minus)
    }

    fn decimal(&mut self, minus: bool) -> Option<Value> {
        let ascii = |c: char| c.is_ascii_digit();
        let before = self.digits(ascii);
        let mut written = before.clone().unwrap_or_default();
        let mut fraction = false;
        if let Some(rest) = self.rest.strip_prefix('.') {
            self.rest = rest;
            let after = self.digits(ascii);
            if before.is_none() && after.is_none() {
                return None;
            }
            written = format!("{written}.{}", after.unwrap_or_default());
            fraction = true;
        } else if before.is_none() {
            return None;
        }
        if let Some(rest) = self.rest.strip_prefix(['e', 'E']) {
            self.rest = rest;
            let sign = self.rest.chars().next().filter(|c| matches!(c, '-' | '+'));
            self.rest = &self.rest[sign.map_or(0, char::len_utf8)..];
            written = format!("{written}e{}{}", sign.unwrap_or('+'), self.digits(ascii)?);
            fraction = true;
        }
        self.no_word_follows()?;
        if fraction {
            let value: f64 = written.parse().ok()?;
            let value = if minus { -value } else { value };
            return Number::from_f64(value).map(Value::Number);
        }
        // Python rejects a number with leading zeros, unless all digits are zeros.
        if written.starts_with('0') && written.contains(|c| c != '0') {
            return None;
        }
        whole_number(written.parse().ok()?, minus)
    }

    /// Reads digits with single `_` between them.
    fn digits(&mut self, digit: impl Fn(char) -> bool) -> Option<String> {
        let end = self.rest.find(|c: char| !digit(c) && c != '_').unwrap_or(self.rest.len());
        let written = &self.rest[..end];
        let odd = written.starts_with('_') || written.ends_with('_') || written.contains("__");
        if written.is_empty() || odd {
            return None;
        }
        self.rest = &self.rest[end..];
        Some(written.replace('_', ""))
    }

    fn no_word_follows(&self) -> Option<()> {
        let next = self.rest.chars().next();
        (!next.is_some_and(|c| c.is_alphanumeric() || "_.".contains(c))).then_some(())
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
        let quote: &'a str = &self.rest[..if triple { 3 } else { 1 }];
        self.rest = &self.rest[quote.len()..];
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

/// Makes a JSON number; `None` if it does not fit in 64 bits.
fn whole_number(value: i128, minus: bool) -> Option<Value> {
    Number::from_i128(if minus { -value } else { value }).map(Value::Number)
}
