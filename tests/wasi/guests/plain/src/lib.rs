//! The interfaces of `wasi:http/proxy` called directly, with blocking calls.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::StreamError;

struct Plain;

wasip2::http::proxy::export!(Plain);

impl Guest for Plain {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/greet" => greet(&request, out),
            "/about" => about(&request, out),
            "/count" => count(&request, out),
            "/headers" => answer(out, 200, &[], format!("{:?}", request.headers().entries().len()).as_bytes()),
            "/immutable" => immutable(&request, out),
            "/fields" => fields(out),
            "/silent" => {}
            "/refuse" => ResponseOutparam::set(out, Err(ErrorCode::HttpRequestDenied)),
            "/unfinished" => unfinished(out),
            "/short" => sized(out, "10", b"short"),
            "/long" => sized(out, "3", b"long"),
            "/status" => {
                let response = OutgoingResponse::new(Fields::new());
                let said = response.set_status_code(query.parse().unwrap());
                answer(out, 200, &[], format!("{said:?}").as_bytes());
            }
            "/late" => late(out),
            _ => answer(out, 404, &[], b""),
        }
    }
}

fn answer(out: ResponseOutparam, status: u16, fields: &[(&str, &str)], content: &[u8]) {
    let lines: Vec<_> = fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let response = OutgoingResponse::new(Fields::from_list(&lines).unwrap());
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().unwrap();
    for chunk in content.chunks(4096) {
        stream.blocking_write_and_flush(chunk).unwrap();
    }
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

/// Reads one header and the path.
fn greet(request: &IncomingRequest, out: ResponseOutparam) {
    let languages = request.headers().get("accept-language");
    let greeting = match languages.first().map(Vec::as_slice) {
        Some(b"fr") => "Bonjour",
        _ => "Hello",
    };
    answer(out, 200, &[("content-type", "text/plain")], greeting.as_bytes());
}

fn about(request: &IncomingRequest, out: ResponseOutparam) {
    let method = match request.method() {
        Method::Get => "GET".to_owned(),
        Method::Other(other) => format!("other {other}"),
        known => format!("{known:?}"),
    };
    let scheme = match request.scheme() {
        Some(Scheme::Http) => "http",
        Some(Scheme::Https) => "https",
        _ => "?",
    };
    let text = format!("{method} {scheme} {:?} {:?}", request.authority(), request.path_with_query());
    answer(out, 200, &[], text.as_bytes());
}

/// Reads the whole body, blocking, then its trailers.
fn count(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().unwrap();
    assert!(request.consume().is_err());
    let stream = body.stream().unwrap();
    let mut size = 0;
    let ended = loop {
        match stream.blocking_read(1 << 20) {
            Ok(chunk) => size += chunk.len(),
            Err(StreamError::Closed) => break "closed",
            Err(StreamError::LastOperationFailed(_)) => break "failed",
        }
    };
    drop(stream);
    let trailers = IncomingBody::finish(body);
    trailers.subscribe().block();
    let names = match trailers.get() {
        Some(Ok(Ok(Some(fields)))) => fields.entries().into_iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    };
    answer(out, 200, &[], format!("{size} {ended} {names:?}").as_bytes());
}

fn immutable(request: &IncomingRequest, out: ResponseOutparam) {
    let headers = request.headers();
    let refused = headers.set("x-new", &[b"1".to_vec()]);
    let copy = headers.clone();
    let taken = copy.set("x-new", &[b"1".to_vec()]);
    answer(out, 200, &[], format!("{refused:?} {taken:?} {}", copy.has("X-New")).as_bytes());
}

fn fields(out: ResponseOutparam) {
    let fields = Fields::new();
    let text = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        fields.append("X-One", b"1"),
        fields.append("x-one", b"2"),
        fields.get("x-ONE"),
        fields.append("bad name", b"1"),
        fields.append("good", b"bad\r\nvalue"),
        fields.set("transfer-encoding", &[b"chunked".to_vec()]),
    );
    answer(out, 200, &[], text.as_bytes());
}

/// The body is dropped before it was finished.
fn unfinished(out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    body.write().unwrap().blocking_write_and_flush(b"begun").unwrap();
}

/// A body of another size than announced.
fn sized(out: ResponseOutparam, announced: &str, content: &[u8]) {
    let fields = Fields::from_list(&[("content-length".to_owned(), announced.as_bytes().to_vec())]).unwrap();
    let response = OutgoingResponse::new(fields);
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let _ = body.write().unwrap().blocking_write_and_flush(content);
    assert!(OutgoingBody::finish(body, None).is_err());
}

/// Traps after the response has begun.
fn late(out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    body.write().unwrap().blocking_write_and_flush(b"begun").unwrap();
    panic!("after the head");
}
