//! TODO
pub fn readable(word: &str) -> String {
    word.to_owned()
}
pub struct NulError;
pub fn shell(word: &str) -> Result<String, NulError> { Ok(word.to_owned()) }
