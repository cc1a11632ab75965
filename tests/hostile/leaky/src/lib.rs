//! Tells the origin who is asking, by the field `x-user`. Who does not say so is taken for the one before: a mistake
//! that nobody sees while each exchange has an instance of its own.

wit_bindgen::generate!({ path: "../../../filters/wit", world: "request-filter" });

use exports::sluice::filter::on_request::{Guest, Verdict};
use sluice::filter::request;
use std::cell::RefCell;

thread_local! {
    static USER: RefCell<Option<String>> = const { RefCell::new(None) };
}

struct Leaky;

impl Guest for Leaky {
    fn on_request() -> Verdict {
        USER.with_borrow_mut(|user| {
            *user = request::header("x-user").or(user.take());
            request::set_header("x-asking", user.as_deref().unwrap_or("nobody"));
        });
        Verdict::Next
    }
}

export!(Leaky);
