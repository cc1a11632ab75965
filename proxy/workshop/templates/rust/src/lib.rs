wit_bindgen::generate!({ path: "wit", world: "filter", generate_all });

use exports::sluice::filter::on_request::{Guest, Reply, Verdict};
use sluice::filter::{config, request};

struct Filter;

impl Guest for Filter {
    fn on_request() -> Verdict {
        let greeting = config::get("greeting").unwrap_or_else(|| "Hello".into());
        if let Some(name) = request::query_param("name") {
            return Verdict::Reply(text(format!("{greeting}, {name}!\n")));
        }
        request::set_header("x-greeting", &greeting);
        Verdict::Next
    }
}

fn text(body: String) -> Reply {
    Reply {
        status: 200,
        headers: vec![("content-type".into(), "text/plain; charset=utf-8".into())],
        body: body.into_bytes(),
    }
}

export!(Filter);
