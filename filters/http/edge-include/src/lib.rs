//! Puts fragments into pages at the edge: `<!--#include "/path"-->` in an HTML response becomes what the origin named by
//! the environment variable `INCLUDE_FROM` (host:port) answers for that path. The page streams through; a fragment that
//! cannot be had leaves nothing.

mod bindings;
mod scan;

use bindings::exports::wasi::http::handler::Guest;
use bindings::wasi::cli::environment::get_environment;
use bindings::wasi::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use bindings::wasi::http::{client, handler};
use bindings::{wit_future, wit_stream};
use scan::{Part, Scanner};
use wit_bindgen::{StreamReader, StreamResult, StreamWriter, spawn_local};

const CHUNK: usize = 64 * 1024;
/// What no longer is true of a page with fragments in it.
const CHANGED: [&str; 4] = ["content-length", "etag", "last-modified", "accept-ranges"];

struct EdgeInclude;

impl Guest for EdgeInclude {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let response = handler::handle(request).await?;
        let headers = response.get_headers();
        if response.get_status_code() != 200 || !is_html(&headers) {
            drop(headers);
            return Ok(response);
        }
        let changed = headers.clone();
        for name in CHANGED {
            let _ = changed.delete(name);
        }
        drop(headers);
        let (kept, told) = wit_future::new(|| Ok(()));
        let (page, trailers) = Response::consume_body(response, told);
        drop(kept);
        let (out, body) = wit_stream::new();
        let (answer, _sent) = Response::new(changed, Some(body), trailers);
        spawn_local(async move { copy_page(page, out).await });
        Ok(answer)
    }
}

fn is_html(headers: &Fields) -> bool {
    headers.get("content-type").first().is_some_and(|value| value.starts_with(b"text/html"))
}

/// Ends early when nobody reads any more.
async fn copy_page(mut page: StreamReader<u8>, mut out: StreamWriter<u8>) {
    let mut scanner = Scanner::default();
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let (result, mut bytes) = page.read(buffer).await;
        for part in scanner.push(&bytes) {
            let done = match part {
                Part::Text(text) => out.write_all(text).await.is_empty(),
                Part::Include(path) => include(&path, &mut out).await,
            };
            if !done {
                return;
            }
        }
        if result == StreamResult::Dropped {
            break;
        }
        bytes.clear();
        buffer = bytes;
    }
    out.write_all(scanner.finish()).await;
}

/// Whether the page is still wanted.
async fn include(path: &str, out: &mut StreamWriter<u8>) -> bool {
    let Some(mut fragment) = fetch(path).await else {
        return true;
    };
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let (result, bytes) = fragment.read(buffer).await;
        let rest = out.write_all(bytes).await;
        if !rest.is_empty() {
            return false;
        }
        if result == StreamResult::Dropped {
            return true;
        }
        buffer = rest;
    }
}

async fn fetch(path: &str) -> Option<StreamReader<u8>> {
    let origin = get_environment().into_iter().find(|(name, _)| name == "INCLUDE_FROM")?.1;
    let (none, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    drop(none);
    request.set_scheme(Some(&Scheme::Http)).ok()?;
    request.set_authority(Some(&origin)).ok()?;
    request.set_path_with_query(Some(path)).ok()?;
    let response = client::send(request).await.ok()?;
    if response.get_status_code() != 200 {
        return None;
    }
    let (kept, told) = wit_future::new(|| Ok(()));
    let (body, _trailers) = Response::consume_body(response, told);
    drop(kept);
    Some(body)
}

bindings::export!(EdgeInclude with_types_in bindings);
