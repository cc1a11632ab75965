//! A middleware that does what the path asks of it, for the tests.

mod bindings;

use bindings::exports::wasi::http::handler::Guest;
use bindings::wasi::clocks::monotonic_clock;
use bindings::wasi::http::types::{ErrorCode, Fields, Method, Request, RequestOptions, Response, Scheme};
use bindings::wasi::http::{client, handler};
use bindings::{wit_future, wit_stream};
use std::cell::Cell;
use wit_bindgen::{StreamReader, StreamResult, spawn_local};

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

struct Middleware;

impl Guest for Middleware {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, argument) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/pass" => handler::handle(request).await,
            "/answer" => Ok(text("answered here", None)),
            "/error" => Err(ErrorCode::DestinationUnavailable),
            "/get" => {
                let headers = request.get_headers();
                let seen = headers.get(argument).concat();
                drop(headers);
                let response = handler::handle(request).await?;
                let changed = response.get_headers().clone();
                let _ = changed.set("x-seen", &[seen]);
                Ok(with_headers(response, changed))
            }
            "/copy" => Ok(text(&format!("{} fields", request.get_headers().copy_all().len()), None)),
            "/method" => {
                request.set_method(&Method::Put).unwrap();
                request.set_path_with_query(Some("/changed?a=b")).unwrap();
                handler::handle(request).await
            }
            "/twice" => {
                let one = below("/one").await?;
                let two = below("/two").await?;
                Ok(text(&format!("{one} {two}"), None))
            }
            "/together" => {
                let (one, two) = futures::future::join(below("/one"), below("/two")).await;
                Ok(text(&format!("{} {}", one?, two?), None))
            }
            "/asked" => Ok(text(&fetch(argument).await?, None)),
            "/hurried" => Ok(text(&hurried(argument).await, None)),
            "/upper" => {
                let response = handler::handle(request).await?;
                let headers = response.get_headers().clone();
                let _ = headers.delete("content-length");
                let (body, trailers) = consumed(response);
                let (mut out, upper) = wit_stream::new();
                let (answer, _) = Response::new(headers, Some(upper), trailers);
                spawn_local(async move {
                    let mut body = body;
                    let mut buffer = Vec::with_capacity(64 << 10);
                    loop {
                        let (result, mut bytes) = body.read(buffer).await;
                        bytes.make_ascii_uppercase();
                        buffer = out.write_all(bytes).await;
                        if result == StreamResult::Dropped || !buffer.is_empty() {
                            return;
                        }
                    }
                });
                Ok(answer)
            }
            "/trailers" => {
                let fields = Fields::new();
                let _ = fields.set("x-last", &[b"one".to_vec()]);
                Ok(text("body", Some(fields)))
            }
            "/broken" => {
                let (mut out, body) = wit_stream::new();
                let (told, trailers) = wit_future::new(|| Err(ErrorCode::HttpProtocolError));
                let (answer, _) = Response::new(Fields::new(), Some(body), trailers);
                spawn_local(async move {
                    out.write_all(b"half".to_vec()).await;
                    drop(out);
                    let _ = told.write(Err(ErrorCode::HttpResponseIncomplete)).await;
                });
                Ok(answer)
            }
            "/unfinished" => {
                let (mut out, body) = wit_stream::new();
                let (told, trailers) = wit_future::new(|| Ok(None));
                let headers = Fields::new();
                let _ = headers.set("content-length", &[b"10".to_vec()]);
                let (answer, _) = Response::new(headers, Some(body), trailers);
                spawn_local(async move {
                    out.write_all(b"half".to_vec()).await;
                    drop(told);
                });
                Ok(answer)
            }
            "/afterwards" => {
                let target = argument.to_owned();
                spawn_local(async move {
                    monotonic_clock::wait_for(1_000_000).await;
                    let _ = fetch(&target).await;
                });
                Ok(text("before", None))
            }
            "/trap" => panic!("as asked"),
            "/trap-late" => {
                let (mut out, body) = wit_stream::new();
                let (_told, trailers) = wit_future::new(|| Ok(None));
                let (answer, _) = Response::new(Fields::new(), Some(body), trailers);
                spawn_local(async move {
                    out.write_all(b"half".to_vec()).await;
                    panic!("as asked");
                });
                Ok(answer)
            }
            "/spin" => loop {
                std::hint::spin_loop();
            },
            "/asks" => loop {
                let _ = fetch("nobody.example").await;
            },
            "/yields" => loop {
                wit_bindgen::yield_async().await;
            },
            "/wait" => {
                monotonic_clock::wait_for(argument.parse().unwrap_or(0) * 1_000_000).await;
                Ok(text("waited", None))
            }
            "/calls" => {
                CALLS.set(CALLS.get() + 1);
                Ok(text(&CALLS.get().to_string(), None))
            }
            "/body" => {
                let (body, _) = Request::consume_body(request, wit_future::new(|| Ok(())).1);
                Ok(text(&read(body).await, None))
            }
            _ => Ok(text("unknown", None)),
        }
    }
}

fn text(body: &str, trailers: Option<Fields>) -> Response {
    let (mut out, contents) = wit_stream::new();
    let (told, after) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(Fields::new(), Some(contents), after);
    let bytes = body.as_bytes().to_vec();
    spawn_local(async move {
        out.write_all(bytes).await;
        drop(out);
        let _ = told.write(Ok(trailers)).await;
    });
    response
}

fn consumed(response: Response) -> (StreamReader<u8>, wit_bindgen::FutureReader<Result<Option<Fields>, ErrorCode>>) {
    Response::consume_body(response, wit_future::new(|| Ok(())).1)
}

fn with_headers(response: Response, headers: Fields) -> Response {
    let status = response.get_status_code();
    let (body, trailers) = consumed(response);
    let (answer, _) = Response::new(headers, Some(body), trailers);
    answer.set_status_code(status).unwrap();
    answer
}

async fn read(mut body: StreamReader<u8>) -> String {
    let mut all = Vec::new();
    loop {
        let (result, bytes) = body.read(Vec::with_capacity(4096)).await;
        all.extend(bytes);
        if result == StreamResult::Dropped {
            return String::from_utf8_lossy(&all).into_owned();
        }
    }
}

fn made(path: &str) -> Request {
    let (request, _) = Request::new(Fields::new(), None, wit_future::new(|| Ok(None)).1, None);
    request.set_path_with_query(Some(path)).unwrap();
    request
}

async fn below(path: &str) -> Result<String, ErrorCode> {
    let response = handler::handle(made(path)).await?;
    Ok(read(consumed(response).0).await)
}

async fn fetch(url: &str) -> Result<String, ErrorCode> {
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let request = made(&format!("/{path}"));
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    let response = client::send(request).await?;
    Ok(read(consumed(response).0).await)
}

/// Asks with a timeout, as in between-bytes:50@127.0.0.1:80/path; what came, and what went wrong.
async fn hurried(argument: &str) -> String {
    let (timeout, url) = argument.split_once('@').expect("a timeout");
    let (kind, milliseconds) = timeout.split_once(':').expect("which, and how long");
    let duration = Some(milliseconds.parse::<u64>().expect("a number") * 1_000_000);
    let options = RequestOptions::new();
    match kind {
        "connect" => options.set_connect_timeout(duration),
        "first-byte" => options.set_first_byte_timeout(duration),
        _ => options.set_between_bytes_timeout(duration),
    }
    .expect("they are supported");
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let (request, _) = Request::new(Fields::new(), None, wit_future::new(|| Ok(None)).1, Some(options));
    request.set_path_with_query(Some(&format!("/{path}"))).unwrap();
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some(authority)).unwrap();
    match client::send(request).await {
        Ok(response) => {
            let (body, trailers) = consumed(response);
            let came = read(body).await;
            format!("{came} {:?}", trailers.await.map(|_| ()))
        }
        Err(error) => format!("{error:?}"),
    }
}

bindings::export!(Middleware with_types_in bindings);
