//! Answers 401 unless the request carries one of the configured keys.

use std::sync::LazyLock;

use heap as _;
use miniserde::{Deserialize, json};
use subtle::{Choice, ConstantTimeEq};

wit_bindgen::generate!({ path: "../wit", world: "request-filter" });

use exports::sluice::filter::on_request::{Guest, Reply, Verdict};
use sluice::filter::{config, log, request};

static CONFIG: LazyLock<Config> = LazyLock::new(read_config);

#[derive(Deserialize)]
struct Config {
    header: Option<String>,
    query: Option<String>,
    keys: Vec<String>,
}

struct ApiKey;

impl Guest for ApiKey {
    fn on_request() -> Verdict {
        match presented_key() {
            Some(key) if is_listed(&key) => Verdict::Next,
            _ => Verdict::Reply(unauthorized()),
        }
    }
}

/// The query is read only when the header is absent: what is not read does not become part of cache keys.
fn presented_key() -> Option<String> {
    let in_header = CONFIG.header.as_deref().and_then(request::header);
    in_header.or_else(|| CONFIG.query.as_deref().and_then(request::query_param))
}

/// Compares with every key, each in constant time, so that the time taken tells only lengths.
fn is_listed(key: &str) -> bool {
    let matches = CONFIG.keys.iter().map(|listed| listed.as_bytes().ct_eq(key.as_bytes()));
    matches.fold(Choice::from(0), |any, this| any | this).into()
}

/// RFC 9110 section 15.5.2: a 401 carries a challenge.
fn unauthorized() -> Reply {
    Reply {
        status: 401,
        headers: vec![
            ("www-authenticate".into(), "ApiKey".into()),
            ("content-type".into(), "text/plain".into()),
            ("cache-control".into(), "no-store".into()),
        ],
        body: b"an API key is needed\n".to_vec(),
    }
}

fn read_config() -> Config {
    match json::from_str(&config::json()) {
        Ok(config @ (Config { header: Some(_), .. } | Config { query: Some(_), .. })) => config,
        _ => {
            log::log(log::Level::Error, "config: want keys (a list of texts), and header or query (a name) or both");
            panic!("bad configuration")
        }
    }
}

export!(ApiKey);
