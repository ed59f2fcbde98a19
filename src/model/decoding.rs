//! Problems found while decoding the text of a page.

/// Problems found while decoding a page. The default value means that there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decoding {
    /// Number of characters replaced by U+FFFD because their bytes are invalid.
    pub replaced: u64,
    /// True if no encoding was declared and the bytes are not UTF-8, so that it was guessed.
    pub is_guess: bool,
}
