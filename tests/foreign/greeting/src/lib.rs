//! Greets in the language that the request asks for, the way one writes ordinary Rust for WASI: a hash map (which asks
//! for randomness), the environment, the standard streams.

use std::collections::HashMap;

wit_bindgen::generate!({ path: "../../../filters/wit", world: "request-filter" });

use exports::sluice::filter::on_request::{Guest, Reply, Verdict};
use sluice::filter::request;

struct Greeting;

impl Guest for Greeting {
    fn on_request() -> Verdict {
        if request::path() != "/greeting" {
            return Verdict::Next;
        }
        let greetings = HashMap::from([("de", "Guten Tag"), ("fr", "Bonjour"), ("en", "Good day")]);
        let wanted = request::header("accept-language").unwrap_or_default();
        let Some(greeting) = greetings.get(wanted.as_str()) else {
            eprintln!("no greeting in {wanted}");
            return Verdict::Next;
        };
        let name = std::env::var("NAME").unwrap_or_else(|_| "stranger".into());
        Verdict::Reply(Reply { status: 200, headers: vec![], body: format!("{greeting}, {name}\n").into_bytes() })
    }
}

export!(Greeting);
