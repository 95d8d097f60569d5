//! Suggestions: the known name that an unknown word probably means.
//!
//! Most names are rejected by their length and letters alone; comparing two fully takes far longer.
//! A text can still have so many unknown words and names that it would take seconds, so [`Suggestions`] stops
//! at a limit.

/// Longest word, in characters, for which there are suggestions.
const MAX_WORD: usize = 200;

/// Maximum number of comparisons for one text. In a text with thousands of names and many unknown
/// words, not every word gets a suggestion.
const MAX_COMPARED: usize = 100_000;

/// Finds similar names for a text, within a limit.
#[derive(Debug, Default)]
pub struct Suggestions {
    compared: usize,
}

impl Suggestions {
    /// Returns the name that was probably meant, if one is similar enough; none after too many
    /// comparisons.
    pub fn find<'a>(
        &mut self,
        word: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        if self.compared >= MAX_COMPARED {
            return None;
        }
        let compared = &mut self.compared;
        nearest(word, names.into_iter().inspect(|_| *compared += 1))
    }
}

/// Returns the candidate that was probably meant, if one is similar enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // If it is longer in bytes alone, it need not be counted.
    if word.len() > 4 * MAX_WORD {
        return None;
    }
    let length = word.chars().count();
    if length > MAX_WORD {
        return None;
    }
    let reach = (length / 3).clamp(1, 3);
    let letters = Letters::of(word);
    candidates
        .into_iter()
        .filter(|candidate| {
            // A character has one to four bytes.
            candidate.len() + reach >= length
                && candidate.len() <= 4 * (length + reach)
                && candidate.chars().count().abs_diff(length) <= reach
                && letters.apart(&Letters::of(candidate)) <= reach
        })
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The number of each letter in a word; several letters share a slot.
struct Letters([u8; 32]);

impl Letters {
    fn of(word: &str) -> Self {
        let mut counts = [0_u8; 32];
        for character in word.chars() {
            let place = &mut counts[character as usize % 32];
            *place = place.saturating_add(1);
        }
        Self(counts)
    }

    /// Returns the minimum number of insertions, deletions and substitutions between two words: each
    /// changes the number of at most two letters.
    fn apart(&self, other: &Self) -> usize {
        let pairs = || self.0.iter().zip(&other.0);
        let more = pairs().map(|(a, b)| usize::from(a.saturating_sub(*b)));
        let less = pairs().map(|(a, b)| usize::from(b.saturating_sub(*a)));
        more.sum::<usize>().max(less.sum())
    }
}
