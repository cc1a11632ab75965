//! Inserts a snippet before `</head>` of HTML pages.

mod inject;

use std::cell::RefCell;

use heap as _;
use inject::Injector;

wit_bindgen::generate!({ path: "../wit", world: "body-filter" });

use exports::sluice::filter::on_body::Guest;
use sluice::filter::{config, log, response};

thread_local! {
    /// Of the body under way; `open` starts it anew, for an instance may serve one exchange after another.
    static INJECTOR: RefCell<Injector> = RefCell::new(Injector::new(vec![]));
}

struct HtmlInject;

impl Guest for HtmlInject {
    fn open() -> bool {
        let is_plain_html = is_html() && response::header("content-encoding").is_none();
        if is_plain_html {
            INJECTOR.replace(Injector::new(snippet()));
        }
        is_plain_html
    }

    fn push(chunk: Vec<u8>) -> Vec<u8> {
        INJECTOR.with_borrow_mut(|injector| injector.push(chunk))
    }

    fn finish() -> Vec<u8> {
        INJECTOR.with_borrow_mut(Injector::finish)
    }
}

/// RFC 9110 section 8.3.1: the media type is case-insensitive, parameters follow a semicolon.
fn is_html() -> bool {
    let content_type = response::header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("text/html")
}

fn snippet() -> Vec<u8> {
    let snippet = config::get("snippet").unwrap_or_else(|| {
        log::log(log::Level::Error, "config: want snippet (a text)");
        panic!("bad configuration")
    });
    snippet.into_bytes()
}

export!(HtmlInject);
