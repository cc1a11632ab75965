//! Splits visitors into variants by weight, and keeps each visitor on their variant with a cookie.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use heap as _;
use miniserde::{Deserialize, json};

wit_bindgen::generate!({
    path: "../wit",
    inline: "
        package sluice:ab-split;
        world ab-split {
            include sluice:filter/request-filter@0.1.0;
            include sluice:filter/response-filter@0.1.0;
        }
    ",
    generate_all,
});

use exports::sluice::filter::{on_request, on_response};
use sluice::filter::{config, log, request, response};

static CONFIG: LazyLock<Config> = LazyLock::new(read_config);

/// `experiment` names the cookie and the note.
#[derive(Deserialize)]
struct Config {
    experiment: String,
    header: String,
    weights: BTreeMap<String, u32>,
}

struct AbSplit;

impl on_request::Guest for AbSplit {
    fn on_request() -> on_request::Verdict {
        let variant = request::cookie(&CONFIG.experiment)
            .filter(|variant| CONFIG.weights.contains_key(variant))
            .unwrap_or_else(|| pick(visitor()).to_owned());
        request::set_note(&CONFIG.experiment, &variant);
        request::set_header(&CONFIG.header, &variant);
        on_request::Verdict::Next
    }
}

impl on_response::Guest for AbSplit {
    fn on_response() {
        let Some(variant) = request::note(&CONFIG.experiment) else { return };
        if request::cookie(&CONFIG.experiment).as_ref() != Some(&variant) {
            let cookie = format!("{}={variant}; Path=/; Max-Age=2592000; SameSite=Lax", CONFIG.experiment);
            response::append_header("set-cookie", &cookie);
        }
    }
}

/// A number that stays the same for a visitor without a cookie: randomness would make the run impure.
fn visitor() -> u64 {
    let agent = request::header("user-agent").unwrap_or_default();
    hash(&[&CONFIG.experiment, &request::client_address(), &agent])
}

/// FNV-1a over the parts, then a mix so that every bit counts (the finaliser of MurmurHash3).
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let sum = bytes.fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mixed = (sum ^ (sum >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

/// The variant in whose share of the total weight `visitor` falls.
fn pick(visitor: u64) -> &'static str {
    let total: u64 = CONFIG.weights.values().copied().map(u64::from).sum();
    let mut place = visitor % total;
    for (variant, &weight) in &CONFIG.weights {
        match place.checked_sub(weight.into()) {
            None => return variant,
            Some(left) => place = left,
        }
    }
    unreachable!("place is less than the sum of the weights")
}

fn read_config() -> Config {
    match json::from_str::<Config>(&config::json()) {
        Ok(config) if config.weights.values().any(|&weight| weight > 0) => config,
        _ => {
            let wanted = "config: want experiment and header (names) and weights (variant: whole number, not all zero)";
            log::log(log::Level::Error, wanted);
            panic!("bad configuration")
        }
    }
}

export!(AbSplit);
