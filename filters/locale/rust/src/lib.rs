//! Chooses the language of an exchange.

mod placeholder;

use std::cell::RefCell;

use placeholder::Replacer;

wit_bindgen::generate!({ path: "../../wit", world: "filter" });

use exports::sluice::filter::{on_body, on_request, on_response};
use on_request::{Reply, Verdict};
use sluice::filter::{config, log, request, response};

thread_local! {
    static BODY: RefCell<Option<Replacer>> = const { RefCell::new(None) };
}

struct Locale;

impl on_request::Guest for Locale {
    fn on_request() -> Verdict {
        let languages = languages();
        let language = match request::query_param("lang") {
            Some(asked) => match find(&languages, &asked) {
                Some(language) => language,
                None => return Verdict::Reply(unknown(&asked, &languages)),
            },
            None => preferred(&languages),
        };
        request::set_header("x-language", language);
        request::remove_header("accept-language");
        request::set_note("language", language);
        Verdict::Next
    }
}

impl on_response::Guest for Locale {
    fn on_response() {
        let language = request::note("language").expect("on-request left it");
        response::set_header("content-language", &language);
        response::append_header("vary", "accept-language, cookie");
        if request::query_param("lang").is_some() {
            response::append_header("set-cookie", &format!("lang={language}; Path=/; SameSite=Lax"));
        }
    }
}

impl on_body::Guest for Locale {
    fn open() -> bool {
        let html = is_html() && response::header("content-encoding").is_none();
        if html {
            let language = request::note("language").expect("on-request left it");
            BODY.set(Some(Replacer::new(language)));
        }
        html
    }

    fn push(chunk: Vec<u8>) -> Vec<u8> {
        BODY.with_borrow_mut(|body| body.as_mut().expect("open said true").push(&chunk))
    }

    fn finish() -> Vec<u8> {
        BODY.take().expect("open said true").finish()
    }
}

fn languages() -> Vec<String> {
    let languages: Vec<String> = (0..).map_while(|index| config::get(&format!("languages.{index}"))).collect();
    if languages.is_empty() {
        log::log(log::Level::Error, "config: want languages, a list of tags");
        panic!("bad configuration");
    }
    languages
}

fn preferred(languages: &[String]) -> &str {
    let from_cookie = || find(languages, &request::cookie("lang")?);
    let from_header = || request::header("accept-language")?.split(',').find_map(|range| find(languages, primary(range)));
    from_cookie().or_else(from_header).unwrap_or(&languages[0])
}

fn find<'a>(languages: &'a [String], name: &str) -> Option<&'a str> {
    languages.iter().map(String::as_str).find(|language| language.eq_ignore_ascii_case(name))
}

/// The primary subtag of a language range: `de` of ` de-AT;q=0.7`.
fn primary(range: &str) -> &str {
    range.split([';', '-']).next().unwrap_or_default().trim()
}

fn unknown(asked: &str, languages: &[String]) -> Reply {
    Reply {
        status: 404,
        headers: vec![("content-type".into(), "text/plain; charset=utf-8".into())],
        body: format!("There is no {asked} here, only {}.\n", languages.join(", ")).into(),
    }
}

fn is_html() -> bool {
    let field = response::header("content-type").unwrap_or_default();
    field.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html")
}

export!(Locale);
