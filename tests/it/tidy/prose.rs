//! Plain English, checked by a table of phrases: what not to write, and what to write instead.
//!
//! A phrase is only in the table if it has no right use. Pages, messages, comments, plans, tables and
//! schemas are checked; of tests only the head of each file. Code, generated tables, words in backticks
//! and literals of one word are not prose.

use regex::Regex;

use crate::support::{files, shown, text};

/// Folders and files that are checked, and the end of the names of their files.
const PLACES: &[(&str, &str)] = &[
    ("README.md", ""),
    ("docs", ".md"),
    ("fuzz", ".md"),
    ("tests/cases", ".md"),
    ("tests/cluster", ".md"),
    ("plans", ".yaml"),
    ("src", ".yaml"),
    ("src", ".tsv"),
    ("src", ".sh"),
    ("src", ".rs"),
    ("schemas", ".json"),
    ("benches", ".rs"),
    ("fuzz", ".rs"),
    ("tests/it", ".rs"),
];

/// What not to write, in any case of letters, and what to write instead. A space is any white space.
const PHRASES: &[(&str, &str)] = &[
    (r"[a-z`]+ (?:is|are) no [a-z`]+", "is not a ..."),
    (r"(?:is|are) (?:not )?there\b", "exists, does not exist"),
    (r"`x` where\b", "if"),
    (r"\bwhere there (?:is|are)\b", "if there is"),
    (r"\ball the same\b", "anyway"),
    (r"\banew\b", "again"),
    (r"\b(?:became|becomes?) of\b", "the result of, happens to"),
    (r"\b(?:begins|beginning|began|begun|begin (?:with|a|an|the|at|by))\b", "start"),
    (r"\bbeside\b", "with, next to"),
    (r"\bblanks\b", "spaces, white space"),
    (r"\b(?:came|comes?|coming) about\b", "takes effect"),
    (r"\b(?:cannot|can not) be told\b", "is unknown"),
    (r"\bclaims?\b", "check, assertion"),
    (r"\bcomes? of\b", "is the result of"),
    (r"\bcure[sd]?\b", "fix"),
    (r"\bend(?:s|ed)? well\b", "succeeds"),
    (r"\bexit status(?:es)?\b", "exit code"),
    (r"\bfor ever\b", "forever"),
    (r"\b(?:go|goes|going|gone|went) on\b", "continues"),
    (r"\bgreatest\b", "largest, maximum"),
    (r"\bheld\b", "passed, is true, is checked"),
    (r"\b(?:does|do|did|must|shall|should|may) (?:not |then )?hold\b", "pass, be true"),
    (r"\b(?:so|this|that|same|it|when|which|condition) holds\b", "is true, applies"),
    (r"\bholds\b", "has, contains, is true"),
    (r"\bin vain\b", "without success"),
    (r"\bis done away\b", "is removed"),
    (r"\bis seen\b", "is observed, is true"),
    (r"\blooked (?:at|after|on)\b", "checked"),
    (r"\b(?:a|the|each|every|fresh|no) looks?\b", "check, probe result"),
    (r"\blook(?:s|ing)? (?:at|after)\b", "check, read"),
    (r"\bmend(?:s|ed)?\b", "fix"),
    (r"\bmost (?:bytes|characters|columns|files|lines|rows|times) (?:of|that|in)\b", "maximum"),
    (r"\b(?:nobody|somebody|anybody)\b", "no one, the operator, a user"),
    (r"\bonce more\b", "again"),
    (r"\ba person\b", "the operator, a user"),
    (r"\bpassages?\b", "section"),
    (r"\bpatience\b", "time limit"),
    (r"\bperhaps\b", "possibly"),
    (r"\bput(?:s)? right\b", "fix"),
    (r"\bremarks?\b", "annotation, comment"),
    (r"\b(?:says?|said) nothing (?:else|itself|of)\b", "does not set"),
    (r"\bshe\b", "they"),
    (r"\bslips? of the pen\b", "typo"),
    (r"\bsound\b", "valid"),
    (r"\bspeaks? of\b", "applies to, describes"),
    (r"\b(?:stands|stood)\b", "is"),
    (r"\bstand (?:for|there|in|at|beside|where)\b", "mean, be"),
    (r"\btak(?:es|en) (?:it |them |this )?for\b", "mistake for, read as"),
    (r"\btaken up\b", "handled, used"),
    (r"\btells\b", "reports, returns"),
    (r"\btold\b", "reported, shown"),
    (r"\bturn(?:s|ed|ing)? (?:round|back)\b", "roll back"),
    (r"\bways? back\b", "rollback"),
    (r"\bwhat must then be\b", "the condition that proves it worked"),
    (r"\bwhoever\b", "the caller, the process that"),
    (r"\bworked out\b", "evaluated"),
    (r"\b(?:are|ca|could|did|do|does|has|is|was|wo|would)n't\b", "no contractions"),
    (r"\b(?:it|that|there)'s\b|\b(?:you|they)'re\b", "no contractions"),
];

/// Uses of a phrase that are right.
const RIGHT: &str = r"(?i)^there (?:is|are) no\b|\bno (?:longer|more)$";

/// A part of a file that people read, and its first line.
struct Prose {
    line: usize,
    text: String,
}

/// Replaces characters by spaces, so that the lines stay.
fn blanked(text: &str) -> String {
    text.chars().map(|one| if one == '\n' { one } else { ' ' }).collect()
}

/// Returns the prose of a page.
fn of_page(page: &str) -> Vec<Prose> {
    let parts = [
        r"(?ms)^ *```.*?^ *```$",
        r"(?s)<!-- (?:table|examples): .*?<!-- end.*?-->",
        r"(?s)<!-- exit statuses -->.*?<!-- end exit statuses -->",
        r"(?s)<!-- demo -->.*?<!-- end of demo -->",
        r"(?s)<!--.*?-->",
        r"(?m)^ {4,}\S.*$",
        // Codes of diagnostics are names.
        r"(?m)^### [a-z0-9-]+$",
    ];
    let mut text = page.to_owned();
    for part in parts {
        let part = Regex::new(part).unwrap();
        text = part.replace_all(&text, |found: &regex::Captures| blanked(&found[0])).into_owned();
    }
    vec![Prose { line: 1, text }]
}

/// Returns the string literals and the comments of code. Comments on neighbouring lines are one.
fn of_code(code: &str) -> Vec<Prose> {
    let piece = Regex::new(
        r#"(?x)
        (?P<comment> //[/!]? (?P<words>[^\n]*) )
        | (?P<raw> r\#" (?s:.*?) "\# )
        | (?P<string> " (?: [^"\\] | \\. | \\\n )* " )
        | '(?: [^'\\] | \\. )'
        "#,
    )
    .unwrap();
    let mut found: Vec<Prose> = Vec::new();
    // The line and the place of the comment before.
    let mut before = (0, 0);
    for one in piece.captures_iter(code) {
        let line = code[..one.get(0).unwrap().start()].matches('\n').count() + 1;
        if let Some(words) = one.name("words") {
            if before.0 > 0 && before.0 + 1 == line {
                found[before.1].text.push('\n');
                found[before.1].text.push_str(words.as_str());
                before.0 = line;
            } else {
                before = (line, found.len());
                found.push(Prose { line, text: words.as_str().to_owned() });
            }
        } else if let Some(text) = one.name("string").or(one.name("raw"))
            && text.as_str().contains(' ')
        {
            found.push(Prose { line, text: text.as_str().to_owned() });
        }
    }
    found
}

/// Returns the parts of a text that a pattern finds.
fn of_pattern(text: &str, pattern: &str) -> Vec<Prose> {
    let pattern = Regex::new(pattern).unwrap();
    let found = pattern.find_iter(text).map(|one| Prose {
        line: text[..one.start()].matches('\n').count() + 1,
        text: one.as_str().to_owned(),
    });
    found.collect()
}

/// Returns the prose of a file.
fn of_file(path: &str, text: &str) -> Vec<Prose> {
    match path.rsplit('.').next().unwrap() {
        "md" => of_page(text),
        "rs" if path.starts_with("tests/") || path.contains("/tests") => {
            of_pattern(text, r"\A(?://!.*\n)*")
        }
        "rs" => {
            let tests = text.find("#[cfg(test)]\nmod tests {");
            of_code(&text[..tests.unwrap_or(text.len())])
        }
        "json" => of_pattern(text, r#""description": ".*""#),
        "yaml" => of_pattern(
            text,
            r"(?m)(?:^| )# .*$|\b(?:name|summary|description|about|approve|fail|none|continue|point_of_no_return|uninterruptible): .*$",
        ),
        "sh" => of_pattern(text, r"(?m)(?:^| )# .*$"),
        // The keys of the language are names.
        "tsv" if path.starts_with("src/schema/") && path.matches('/').count() == 2 => {
            of_pattern(text, r"(?m)^#.*$|\t[^\t\n]* [^\t\n]*$")
        }
        _ => vec![Prose { line: 1, text: text.to_owned() }],
    }
}

/// The table of phrases, compiled.
struct Lint {
    phrases: Vec<(Regex, &'static str)>,
    right: Regex,
    code: Regex,
}

impl Lint {
    fn new() -> Self {
        let compile = |phrase: &str| {
            Regex::new(&format!("(?i){}", phrase.replace(' ', r"\s+"))).expect("a phrase is valid")
        };
        Self {
            phrases: PHRASES.iter().map(|(phrase, instead)| (compile(phrase), *instead)).collect(),
            right: Regex::new(RIGHT).unwrap(),
            code: Regex::new(r"`[^`\n]*`|\]\([^)\n]*\)|\{[a-z_.]*\}").unwrap(),
        }
    }

    /// Returns what is not plain English, in the order of the file, and what to write.
    fn problems(&self, path: &str, prose: &[Prose]) -> Vec<String> {
        let mut all = Vec::new();
        for part in prose {
            // The backticks stay: a name is a word of its sentence.
            let text = self.code.replace_all(&part.text, "`x`");
            for (pattern, instead) in &self.phrases {
                for found in pattern.find_iter(&text) {
                    let words = found.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
                    if !self.right.is_match(&words) {
                        let line = part.line + text[..found.start()].matches('\n').count();
                        all.push((line, format!("{path}:{line}: `{words}`: write: {instead}")));
                    }
                }
            }
        }
        all.sort();
        all.into_iter().map(|(_, problem)| problem).collect()
    }
}

#[test]
fn everything_that_people_read_is_plain_english() {
    let lint = Lint::new();
    let mut wrong = Vec::new();
    for (place, end) in PLACES {
        let paths = match end {
            &"" => vec![(*place).to_owned()],
            end => files(place, end).iter().map(|path| shown(path)).collect(),
        };
        for path in paths.iter().filter(|path| !path.ends_with("tidy/prose.rs")) {
            wrong.extend(lint.problems(path, &of_file(path, &text(path))));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_phrase_is_found_with_its_line() {
    let page = "A tree\nis no house.\n\n```sh\nis begun\n```\nThere is no `x`, and it is no longer begun\nanew. `a` is no\nb.\n";
    let found = Lint::new().problems("page.md", &of_page(page));
    let wanted = [
        "page.md:1: `tree is no house`: write: is not a ...",
        "page.md:7: `begun`: write: start",
        "page.md:8: ``x` is no b`: write: is not a ...",
        "page.md:8: `anew`: write: again",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn code_is_read_for_its_strings_and_comments_only() {
    let code = "/// It is\n/// begun.\nfn begun() {\n    let quote = '\"';\n    say(\"in \\\"vain\\\"\", r#\"was told\"#, \"told\"); // beside\n}\n";
    let found = Lint::new().problems("a.rs", &of_code(code));
    let wanted = [
        "a.rs:2: `begun`: write: start",
        "a.rs:5: `beside`: write: with, next to",
        "a.rs:5: `told`: write: reported, shown",
    ];
    assert_eq!(found, wanted);
}
