//! What was done to make text of a page.

/// What was done to make text of a page's bytes, where they are not plain UTF-8 or what they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decoding {
    /// Characters that stand as U+FFFD, since their bytes mean nothing.
    pub replaced: u64,
    /// Whether nothing said what the encoding is, and it is not UTF-8.
    pub is_guess: bool,
}
