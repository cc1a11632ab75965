//! Replacing a placeholder in a text that comes in chunks.

const PLACEHOLDER: &[u8] = b"{{language}}";

/// `held` is the end of what came so far when it may be the beginning of a placeholder.
pub struct Replacer {
    replacement: String,
    held: Vec<u8>,
}

impl Replacer {
    pub fn new(replacement: String) -> Self {
        Self { replacement, held: vec![] }
    }

    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.held);
        text.extend(chunk);
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text.as_slice();
        while let Some(at) = rest.windows(PLACEHOLDER.len()).position(|part| part == PLACEHOLDER) {
            out.extend(&rest[..at]);
            out.extend(self.replacement.as_bytes());
            rest = &rest[at + PLACEHOLDER.len()..];
        }
        let (whole, begun) = rest.split_at(rest.len() - begun(rest));
        out.extend(whole);
        self.held = begun.to_vec();
        out
    }

    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// How many bytes at the end of `text` are the beginning of a placeholder.
fn begun(text: &[u8]) -> usize {
    (1..PLACEHOLDER.len()).rev().find(|&length| text.ends_with(&PLACEHOLDER[..length])).unwrap_or(0)
}
