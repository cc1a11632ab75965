//! Answers the paths named in the configuration with a redirect.

use heap as _;

wit_bindgen::generate!({ path: "../wit", world: "request-filter" });

use exports::sluice::filter::on_request::{Guest, Reply, Verdict};
use sluice::filter::{config, log, request};

struct Redirects;

impl Guest for Redirects {
    fn on_request() -> Verdict {
        let path = request::path();
        patterns(&path)
            .find_map(|(pattern, rest)| Some((config::get(&format!("{pattern}.to"))?, pattern, rest)))
            .map_or(Verdict::Next, |(to, pattern, rest)| Verdict::Reply(redirect(&to, status(&pattern), rest)))
    }
}

/// The configuration keys that may match `path`, the most specific first, each with what its `*` stands for.
/// `/a/b` gives `/a/b`, `/a/*` and `/*`.
fn patterns(path: &str) -> impl Iterator<Item = (String, &str)> {
    let prefixes = path.rmatch_indices('/').map(|(slash, _)| path.split_at(slash + 1));
    std::iter::once((path.to_owned(), "")).chain(prefixes.map(|(prefix, rest)| (format!("{prefix}*"), rest)))
}

fn redirect(to: &str, status: u16, rest: &str) -> Reply {
    // Left as they are, leading slashes would make the target `//host`, another site.
    let mut location = to.replacen('*', rest.trim_start_matches(['/', '\\']), 1);
    if !location.contains('?')
        && let Some(query) = request::query()
    {
        location = format!("{location}?{query}");
    }
    Reply { status, headers: vec![("location".into(), location)], body: vec![] }
}

fn status(pattern: &str) -> u16 {
    let Some(text) = config::get(&format!("{pattern}.status")) else { return 302 };
    match text.parse() {
        Ok(status @ (301 | 302 | 303 | 307 | 308)) => status,
        _ => {
            log::log(log::Level::Error, &format!("config: {pattern}.status: {text} is not 301, 302, 303, 307 or 308"));
            panic!("bad configuration")
        }
    }
}

export!(Redirects);
