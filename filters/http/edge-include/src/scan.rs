//! Finds directives in bytes that arrive in pieces.

const OPEN: &[u8] = b"<!--#include \"";
const CLOSE: &[u8] = b"\"-->";
/// Bytes of a directive beyond which it is taken for text.
const MOST: usize = 1024;

#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    Text(Vec<u8>),
    Include(String),
}

/// Holds back what may be the beginning of a directive.
#[derive(Default)]
pub struct Scanner {
    held: Vec<u8>,
}

impl Scanner {
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Part> {
        self.held.extend_from_slice(bytes);
        let mut parts = Vec::new();
        while let Some(at) = find(&self.held, OPEN) {
            let inside = at + OPEN.len();
            match find(&self.held[inside..], CLOSE) {
                Some(length) if length <= MOST => {
                    let path = String::from_utf8_lossy(&self.held[inside..inside + length]).into_owned();
                    self.give(&mut parts, at);
                    self.held.drain(..OPEN.len() + length + CLOSE.len());
                    parts.push(Part::Include(path));
                }
                None if self.held.len() - inside <= MOST => {
                    self.give(&mut parts, at);
                    return parts;
                }
                _ => self.give(&mut parts, inside),
            }
        }
        let kept = beginning(&self.held);
        self.give(&mut parts, self.held.len() - kept);
        parts
    }

    /// What was held back, at the end.
    pub fn finish(self) -> Vec<u8> {
        self.held
    }

    fn give(&mut self, parts: &mut Vec<Part>, length: usize) {
        if length > 0 {
            parts.push(Part::Text(self.held.drain(..length).collect()));
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// How many bytes at the end may be the beginning of a directive.
fn beginning(bytes: &[u8]) -> usize {
    (1..OPEN.len()).rev().find(|&length| bytes.ends_with(&OPEN[..length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Part, Scanner};

    #[test]
    fn directives_are_found_wherever_the_pieces_end() {
        let page = b"a<!--#include \"/x\"-->b<!--#includ<!--#include \"/y\"--><!-- c";
        for size in 1..page.len() {
            let (mut scanner, mut text, mut found) = (Scanner::default(), Vec::new(), Vec::new());
            for part in page.chunks(size).flat_map(|piece| scanner.push(piece)) {
                match part {
                    Part::Text(bytes) => text.extend(bytes),
                    Part::Include(path) => found.push((text.len(), path)),
                }
            }
            text.extend(scanner.finish());
            assert_eq!(text, b"ab<!--#includ<!-- c");
            assert_eq!(found, [(1, "/x".into()), (13, "/y".into())]);
        }
    }
}
