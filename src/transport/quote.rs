//! TODO
pub fn readable(word: &str) -> String {
    word.to_owned()
}
