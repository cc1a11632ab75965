//! A guest that does what its configuration says, however bad:
//!
//! ```yaml
//! on-request: {do: set-header, name: "a\r\nb", value: x}
//! push: {do: flood}
//! ```
//!
//! Steps: `on-request`, `on-response`, `open`, `push`, `finish`. What can be done: the arms of `act` and of the steps.

use std::hint::black_box;

wit_bindgen::generate!({ path: "../../../filters/wit", world: "filter" });

use exports::sluice::filter::{on_body, on_request, on_response};
use sluice::filter::{config, log, request, response};

const FLOOD: usize = 64 << 20;

struct Hostile;

impl on_request::Guest for Hostile {
    fn on_request() -> on_request::Verdict {
        let step = Step("on-request");
        match step.get("do").as_str() {
            "reply" => return on_request::Verdict::Reply(reply(step)),
            "reply-flood" => return on_request::Verdict::Reply(large_reply()),
            "set-method" => request::set_method(&step.get("value")),
            "set-authority" => request::set_authority(&step.get("value")),
            "set-path" => request::set_path(&step.get("value")),
            "set-query" => request::set_query(Some(&step.get("value"))),
            "set-note" => request::set_note(&step.get("name"), &step.get("value")),
            "set-header" => request::set_header(&step.get("name"), &step.get("value")),
            "append-header" => request::append_header(&step.get("name"), &step.get("value")),
            "remove-header" => request::remove_header(&step.get("name")),
            _ => step.act(),
        }
        on_request::Verdict::Next
    }
}

impl on_response::Guest for Hostile {
    fn on_response() {
        let step = Step("on-response");
        match step.get("do").as_str() {
            "set-status" => response::set_status(step.number("value")),
            "set-header" => response::set_header(&step.get("name"), &step.get("value")),
            "append-header" => response::append_header(&step.get("name"), &step.get("value")),
            "remove-header" => response::remove_header(&step.get("name")),
            "tag" => response::tag(&step.get("value")),
            _ => step.act(),
        }
    }
}

impl on_body::Guest for Hostile {
    fn open() -> bool {
        Step("open").act();
        config::get("push.do").or(config::get("finish.do")).is_some()
    }

    fn push(chunk: Vec<u8>) -> Vec<u8> {
        Step("push").transform(chunk)
    }

    fn finish() -> Vec<u8> {
        Step("finish").transform(vec![])
    }
}

fn reply(step: Step) -> on_request::Reply {
    let headers = match step.get("name") {
        name if name.is_empty() => vec![],
        name => vec![(name, step.get("value"))],
    };
    on_request::Reply { status: step.number("status"), headers, body: step.get("body").into_bytes() }
}

fn large_reply() -> on_request::Reply {
    on_request::Reply { status: 200, headers: vec![], body: vec![b'x'; FLOOD] }
}

/// One of the exports, and what the configuration says about it.
#[derive(Clone, Copy)]
struct Step(&'static str);

impl Step {
    fn get(self, key: &str) -> String {
        config::get(&format!("{}.{key}", self.0)).unwrap_or_default()
    }

    fn number(self, key: &str) -> u16 {
        self.get(key).parse().unwrap()
    }

    fn transform(self, chunk: Vec<u8>) -> Vec<u8> {
        match self.get("do").as_str() {
            "flood" => vec![b'x'; FLOOD],
            "swallow" => vec![],
            "set-header" => {
                response::set_header("x-late", "1");
                chunk
            }
            _ => {
                self.act();
                chunk
            }
        }
    }

    fn act(self) {
        match self.get("do").as_str() {
            "trap" => panic!(),
            "loop" => forever(),
            "loop-calling" => loop {
                request::method();
            },
            "recurse" => _ = black_box(recurse(1)),
            "allocate" => allocate(),
            "read-all" => _ = request::headers(),
            "read-response" => _ = response::status(),
            "write-response" => response::set_header("x-early", "1"),
            "call-everything" => call_everything(),
            "read-many" => (0..10_000).for_each(|number| _ = request::header(&format!("x-{number}"))),
            "write-many" => (0..100_000).for_each(|number| request::append_header("x-many", &number.to_string())),
            "write-large" => request::set_header("x-large", &"x".repeat(FLOOD)),
            "log-many" => (0..100_000).for_each(|number| log::log(log::Level::Error, &number.to_string())),
            "log-large" => log::log(log::Level::Error, &"x".repeat(FLOOD)),
            "log-forged" => log::log(log::Level::Error, "one\r\ntwo\u{1b}[31m\u{0}"),
            "not-utf8" => {
                request::set_header("x-text", unsafe { str::from_utf8_unchecked(black_box(b"a\xff\xc0\xaf")) })
            }
            "beyond-memory" => request::set_header("x-text", text_at(0xffff_0000, 64)),
            "longer-than-memory" => request::set_header("x-text", text_at(1024, 0x7fff_ffff)),
            _ => {}
        }
    }
}

fn forever() {
    let mut count = 0_u64;
    loop {
        count = black_box(count + 1);
    }
}

fn recurse(depth: u64) -> u64 {
    match black_box(depth) {
        0 => 0,
        _ => depth + recurse(depth + 1),
    }
}

fn allocate() {
    let mut kept = vec![];
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// A text that is not there, for the host to find out.
fn text_at(address: usize, length: usize) -> &'static str {
    unsafe { str::from_utf8_unchecked(std::slice::from_raw_parts(black_box(address) as *const u8, black_box(length))) }
}

/// Every function of the request and its configuration, as fast as they go.
fn call_everything() {
    for number in 0..1_000 {
        let name = format!("x-{number}");
        request::set_method(&request::method());
        request::scheme();
        request::set_authority(&request::authority());
        request::set_path(&request::path());
        request::set_query(request::query().as_deref());
        request::query_param(&name);
        request::header(&name);
        request::headers();
        request::cookie(&name);
        request::client_address();
        request::note(&name);
        request::set_header(&name, &name);
        request::append_header(&name, &name);
        request::remove_header(&name);
        request::set_note(&name, &name);
        config::get(&name);
        config::json();
        log::log(log::Level::Debug, &name);
    }
}

export!(Hostile);
