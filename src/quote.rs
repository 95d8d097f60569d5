//! Quoting of words for `sh`.
//!
//! Two ways, for two readers: [`shell`] for the machine, always quoted and the only way a word
//! gets into a line that is executed; [`readable`] for people, quoted only where it must be.
//! Single quotes keep every byte but NUL as it is in every POSIX shell; a single quote itself is
//! written `'\''`. Shells that read backslashes inside single quotes (fish) are login
//! shells at most, and those never see such a word.

/// A word holds a NUL byte, which cannot be handed to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a NUL byte cannot be handed to a program")]
pub struct NulError;

/// Returns a word as people read it: quoted only where a shell would not take it as it is.
pub fn readable(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    quoted(word)
}

/// Returns a word as a shell takes it, unchanged whatever is in it.
pub fn shell(word: &str) -> Result<String, NulError> {
    if word.contains('\0') {
        return Err(NulError);
    }
    Ok(quoted(word))
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use proptest::test_runner::Config;

    use super::{NulError, readable, shell};

    #[expect(clippy::disallowed_methods, reason = "the real shell is the oracle")]
    fn through_sh(words: &[String]) -> Vec<String> {
        let mut line = r"printf '%s\0'".to_owned();
        for word in words {
            line.push(' ');
            line.push_str(&shell(word).unwrap());
        }
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let text = text.strip_suffix('\0').unwrap();
        text.split('\0').map(str::to_owned).collect()
    }

    proptest! {
        #![proptest_config(Config::with_cases(64))]
        #[test]
        fn every_word_comes_through_sh_unchanged(words in vec(any::<String>(), 1..20)) {
            let words: Vec<String> = words.iter().map(|word| word.replace('\0', "")).collect();
            prop_assert_eq!(through_sh(&words), words);
        }
    }

    #[test]
    fn every_ascii_byte_comes_through_sh_unchanged() {
        let mut words: Vec<String> = (1..128_u8).map(|byte| char::from(byte).to_string()).collect();
        words.extend(words.clone().iter().map(|word| format!("a{word}'b\n")));
        assert_eq!(through_sh(&words), words);
    }

    #[test]
    fn a_nul_is_refused() {
        assert_eq!(shell("a\0b"), Err(NulError));
    }

    #[test]
    fn people_see_quotes_only_where_they_are_needed() {
        assert_eq!(readable("user=a@example.org"), "user=a@example.org");
        assert_eq!(readable("größe"), "größe");
        assert_eq!(readable(""), "''");
        assert_eq!(readable("a b"), "'a b'");
        assert_eq!(readable("it's"), r"'it'\''s'");
        assert_eq!(readable("$HOME"), "'$HOME'");
    }
}
