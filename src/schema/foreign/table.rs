//! Tables as data files: a row a line, tabs between the cells, `#` before comments.

/// Returns the rows of a table of `N` columns; cells that are not there at the end are empty. A row
/// with more cells is left out: a test holds that there is none.
pub fn rows<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    lines(text).filter_map(|line| {
        let mut row = [""; N];
        for (number, cell) in line.split('\t').enumerate() {
            *row.get_mut(number)? = cell;
        }
        Some(row)
    })
}

/// Returns the lines of a table that are rows.
pub fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}
