//! A service written as the authors of `wstd` would: async Rust over `wasi:http/proxy`.

use std::convert::Infallible;

use futures_lite::stream::unfold;
use http_body_util::{BodyExt, StreamBody};
use wstd::http::body::{Body, Bytes, Frame};
use wstd::http::{Client, Error, HeaderMap, Request, Response, StatusCode};
use wstd::io::{AsyncRead, AsyncWrite};
use wstd::net::TcpStream;
use wstd::time::Duration;

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match request.uri().path() {
        "/hello" => Ok(Response::new("Hello\n".into())),
        "/echo" => Ok(Response::new(request.into_body())),
        "/echo-trailers" => echo_trailers(request).await,
        "/upper" => upper(request).await,
        "/wait" => wait(milliseconds(&request)).await,
        "/tick" => Ok(tick(milliseconds(&request))),
        "/flood" => Ok(flood()),
        "/fetch" => fetch(&request).await,
        "/hurried" => hurried(&request).await,
        "/fetch-two" => fetch_two(&request).await,
        "/tcp" => Ok(Response::new(tcp(&request).await.unwrap_or_else(|error| format!("error {error}")).into())),
        "/post" => post(request).await,
        "/environment" => Ok(Response::new(format!("{:?}", std::env::vars().collect::<Vec<_>>()).into())),
        "/print" => Ok(print(&request)),
        "/read" => Ok(file(std::fs::read_to_string(argument(&request)))),
        "/write" => Ok(file(std::fs::write(argument(&request), "written").map(|()| "done".to_owned()))),
        "/list" => Ok(file(list(&argument(&request)))),
        "/fail" => Err(anyhow::anyhow!("no answer to this")),
        "/trap" => std::process::abort(),
        "/loop" => loop {
            std::hint::black_box(0);
        },
        "/grow" => Ok(Response::new(vec![1_u8; 1 << 30].into())),
        "/broken" => Ok(broken()),
        _ => Ok(Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty())?),
    }
}

fn argument(request: &Request<Body>) -> String {
    request.uri().query().unwrap_or_default().to_owned()
}

fn milliseconds(request: &Request<Body>) -> Duration {
    Duration::from_millis(argument(request).parse().unwrap_or(1))
}

async fn wait(time: Duration) -> Result<Response<Body>, Error> {
    wstd::task::sleep(time).await;
    Ok(Response::new("waited\n".into()))
}

/// Three pieces, with a pause before each.
fn tick(pause: Duration) -> Response<Body> {
    Response::new(Body::from_try_stream(unfold(0, move |count| async move {
        if count == 3 {
            return None;
        }
        wstd::task::sleep(pause).await;
        Some((Ok::<_, Infallible>(Bytes::from(format!("tick {count}\n"))), count + 1))
    })))
}

/// More than anybody reads: 64 MiB.
fn flood() -> Response<Body> {
    Response::new(Body::from_try_stream(unfold(0, |count| async move {
        (count < 1024).then(|| (Ok::<_, Infallible>(Bytes::from(vec![b'x'; 64 * 1024])), count + 1))
    })))
}

async fn upper(request: Request<Body>) -> Result<Response<Body>, Error> {
    let mut body = request.into_body();
    let text = body.str_contents().await?.to_uppercase();
    Ok(Response::new(text.into()))
}

async fn echo_trailers(request: Request<Body>) -> Result<Response<Body>, Error> {
    let collected = request.into_body().into_boxed_body().collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_else(HeaderMap::new);
    let frames = [Frame::data(collected.to_bytes()), Frame::trailers(trailers)];
    Ok(Response::new(Body::from_http_body(StreamBody::new(futures_lite::stream::iter(
        frames.map(Ok::<_, Infallible>),
    )))))
}

/// Asks the URL in the query, and passes the answer on.
async fn fetch(request: &Request<Body>) -> Result<Response<Body>, Error> {
    let outgoing = Request::get(argument(request)).body(Body::empty())?;
    match Client::new().send(outgoing).await {
        Ok(response) => Ok(response),
        Err(error) => Ok(Response::builder().status(599).body(format!("{error:?}").into())?),
    }
}

/// Asks with a timeout, as in between-bytes:50@http://127.0.0.1:80/path; what came, and what went wrong.
async fn hurried(request: &Request<Body>) -> Result<Response<Body>, Error> {
    let argument = argument(request);
    let (timeout, url) = argument.split_once('@').expect("a timeout");
    let (kind, milliseconds) = timeout.split_once(':').expect("which, and how long");
    let duration = Duration::from_millis(milliseconds.parse()?);
    let mut client = Client::new();
    match kind {
        "connect" => client.set_connect_timeout(duration),
        "first-byte" => client.set_first_byte_timeout(duration),
        _ => client.set_between_bytes_timeout(duration),
    }
    let outcome = match client.send(Request::get(url).body(Body::empty())?).await {
        Ok(mut response) => response.body_mut().str_contents().await.map(str::to_owned),
        Err(error) => Err(error.into()),
    };
    Ok(Response::new(outcome.unwrap_or_else(|error| format!("{error:?}")).into()))
}

/// Asks the URL in the query twice, at the same time.
async fn fetch_two(request: &Request<Body>) -> Result<Response<Body>, Error> {
    let client = Client::new();
    let ask = || async {
        let mut response = client.send(Request::get(argument(request)).body(Body::empty())?).await?;
        Ok::<_, Error>(response.body_mut().str_contents().await?.to_owned())
    };
    let (one, two) = futures_lite::future::zip(ask(), ask()).await;
    Ok(Response::new(format!("{}{}", one?, two?).into()))
}

/// Greets both addresses of the query at the same time, and gives what each says to that.
async fn tcp(request: &Request<Body>) -> std::io::Result<String> {
    let argument = argument(request);
    let (one, other) = argument.split_once('&').expect("two addresses");
    let (one, other) = futures_lite::future::zip(greet(one), greet(other)).await;
    Ok(format!("{} {}", one?, other?))
}

async fn greet(to: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(b"hello").await?;
    stream.flush().await?;
    let mut back = [0; 5];
    let mut count = 0;
    while count < back.len() {
        match stream.read(&mut back[count..]).await? {
            0 => break,
            more => count += more,
        }
    }
    Ok(String::from_utf8_lossy(&back[..count]).into_owned())
}

/// Passes its own body on to the URL in the query.
async fn post(request: Request<Body>) -> Result<Response<Body>, Error> {
    let outgoing = Request::post(argument(&request)).body(request.into_body())?;
    Client::new().send(outgoing).await
}

fn print(request: &Request<Body>) -> Response<Body> {
    println!("asked for {}", request.uri());
    eprint!("no end of line");
    Response::new("printed\n".into())
}

fn file(outcome: std::io::Result<String>) -> Response<Body> {
    match outcome {
        Ok(content) => Response::new(content.into()),
        Err(error) => Response::new(format!("error: {:?}", error.kind()).into()),
    }
}

fn list(folder: &str) -> std::io::Result<String> {
    let mut names = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names.join(" "))
}

/// A body that breaks after its first piece.
fn broken() -> Response<Body> {
    let frames = [Ok(Frame::data(Bytes::from_static(b"first"))), Err(anyhow::anyhow!("broken"))];
    Response::new(Body::from_http_body(StreamBody::new(futures_lite::stream::iter(frames))))
}
