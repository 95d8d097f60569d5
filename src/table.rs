//! Tables in data files: one row per line, cells separated by tabs, comments after `#`. And lists of
//! words in strings.

/// Returns the rows of a table with `N` columns; missing cells at the end are empty. Rows with more
/// cells are left out; a test requires that there are none.
pub fn rows<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    lines(text).filter_map(|line| {
        let mut row = [""; N];
        for (number, cell) in line.split('\t').enumerate() {
            *row.get_mut(number)? = cell;
        }
        Some(row)
    })
}

/// Returns the lines that are rows.
pub fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether a word is one of those in a text, which are separated by spaces.
pub fn has(words: &str, word: &str) -> bool {
    words.split(' ').any(|one| one == word)
}
