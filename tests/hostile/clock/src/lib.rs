//! Shows the request the time, or does not look at the clock when the configuration says `look: false`.

wit_bindgen::generate!({
    path: "../../../filters/wit",
    inline: "
        package sluice:clock;
        world clock {
            import wasi:clocks/monotonic-clock@0.2.0;
            include sluice:filter/request-filter@0.1.0;
        }
        package wasi:clocks@0.2.0 {
            interface monotonic-clock {
                type instant = u64;
                now: func() -> instant;
            }
        }
    ",
    world: "sluice:clock/clock",
    generate_all,
});

use exports::sluice::filter::on_request::{Guest, Verdict};
use sluice::filter::{config, request};
use wasi::clocks::monotonic_clock;

struct Clock;

impl Guest for Clock {
    fn on_request() -> Verdict {
        if config::get("look").as_deref() != Some("false") {
            request::set_header("x-now", &monotonic_clock::now().to_string());
        }
        Verdict::Next
    }
}

export!(Clock);
