//! Inserting before the first `</head>` of a text that comes in chunks.

const TAG: &[u8] = b"</head>";

/// `held` is the end of what came so far when it may be the beginning of the tag, always shorter than the tag.
pub struct Injector {
    snippet: Vec<u8>,
    held: Vec<u8>,
    done: bool,
}

impl Injector {
    pub fn new(snippet: Vec<u8>) -> Self {
        Self { snippet, held: vec![], done: false }
    }

    pub fn push(&mut self, chunk: Vec<u8>) -> Vec<u8> {
        if self.done {
            return chunk;
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend(chunk);
        if let Some(at) = text.windows(TAG.len()).position(|part| part[0] == b'<' && part.eq_ignore_ascii_case(TAG)) {
            text.splice(at..at, self.snippet.drain(..));
            self.done = true;
        } else {
            self.held = text.split_off(text.len() - begun(&text));
        }
        text
    }

    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// How many bytes at the end of `text` are the beginning of the tag.
fn begun(text: &[u8]) -> usize {
    let is_begun = |&length: &usize| text[text.len() - length..].eq_ignore_ascii_case(&TAG[..length]);
    (1..TAG.len().min(text.len() + 1)).rev().find(is_begun).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Injector;

    fn inject(chunks: &[&str]) -> String {
        let mut injector = Injector::new(b"[X]".to_vec());
        let mut out: Vec<u8> = chunks.iter().flat_map(|chunk| injector.push(chunk.as_bytes().to_vec())).collect();
        out.extend(injector.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn split_anywhere() {
        let text = "<head><</he</HEAD><p></head>";
        for cut in 0..=text.len() {
            let (before, after) = text.split_at(cut);
            assert_eq!(inject(&[before, after]), "<head><</he[X]</HEAD><p></head>", "cut at {cut}");
        }
    }

    #[test]
    fn byte_by_byte() {
        let bytes: Vec<String> = "a</header></head>b".chars().map(String::from).collect();
        let chunks: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(inject(&chunks), "a</header>[X]</head>b");
    }

    #[test]
    fn no_tag() {
        assert_eq!(inject(&["<p>", "", "</hea"]), "<p></hea");
    }
}
