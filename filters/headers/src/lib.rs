//! Removes, sets and appends header fields of the request and of the response, as the configuration says.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use heap as _;
use miniserde::{Deserialize, json};

wit_bindgen::generate!({
    path: "../wit",
    inline: "
        package sluice:headers;
        world headers {
            include sluice:filter/request-filter@0.1.0;
            include sluice:filter/response-filter@0.1.0;
        }
    ",
    generate_all,
});

use exports::sluice::filter::{on_request, on_response};
use sluice::filter::{config, log, request, response};

static CONFIG: LazyLock<Config> = LazyLock::new(read_config);

#[derive(Deserialize)]
struct Config {
    request: Option<Changes>,
    response: Option<Changes>,
}

/// Carried out in this order, so that a field can be removed and then written anew.
#[derive(Deserialize)]
struct Changes {
    remove: Option<Vec<String>>,
    set: Option<BTreeMap<String, String>>,
    append: Option<BTreeMap<String, String>>,
}

impl Changes {
    fn apply(&self, remove: fn(&str), set: fn(&str, &str), append: fn(&str, &str)) {
        self.remove.iter().flatten().for_each(|name| remove(name));
        self.set.iter().flatten().for_each(|(name, value)| set(name, value));
        self.append.iter().flatten().for_each(|(name, value)| append(name, value));
    }
}

struct Headers;

impl on_request::Guest for Headers {
    fn on_request() -> on_request::Verdict {
        if let Some(changes) = &CONFIG.request {
            changes.apply(request::remove_header, request::set_header, request::append_header);
        }
        on_request::Verdict::Next
    }
}

impl on_response::Guest for Headers {
    fn on_response() {
        if let Some(changes) = &CONFIG.response {
            changes.apply(response::remove_header, response::set_header, response::append_header);
        }
    }
}

fn read_config() -> Config {
    json::from_str(&config::json()).unwrap_or_else(|_| {
        log::log(
            log::Level::Error,
            "config: want request and response, each with remove (a list of names), set and append (name: text)",
        );
        panic!("bad configuration")
    })
}

export!(Headers);
