//! What `filters/headers` does, for Envoy: sets header fields of the request and of the response, from the same
//! configuration (`{"request": {"set": {name: value}}, "response": {"set": {name: value}}}`).

use std::collections::BTreeMap;
use std::rc::Rc;

use miniserde::{Deserialize, json};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Headers::default()));
}}

#[derive(Default, Deserialize)]
struct Config {
    request: Changes,
    response: Changes,
}

#[derive(Default, Deserialize)]
struct Changes {
    set: BTreeMap<String, String>,
}

/// Read once per filter of the chain, shared by its streams.
#[derive(Default)]
struct Headers(Rc<Config>);

impl Context for Headers {}

impl RootContext for Headers {
    fn on_configure(&mut self, _size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let config = str::from_utf8(&text).ok().and_then(|text| json::from_str(text).ok());
        self.0 = Rc::new(config.unwrap_or_default());
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream(Rc::clone(&self.0))))
    }
}

struct Stream(Rc<Config>);

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        for (name, value) in &self.0.request.set {
            self.set_http_request_header(name, Some(value));
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        for (name, value) in &self.0.response.set {
            self.set_http_response_header(name, Some(value));
        }
        Action::Continue
    }
}
