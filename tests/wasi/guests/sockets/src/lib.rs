//! A service of wasi:http 0.3 that reaches others by sockets, as the path asks: by those of 0.3, and below /std by those
//! of Rust's standard library, which are of 0.2.

mod blocking;

use std::cell::RefCell;
use std::pin::pin;

use futures::future::select;
use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket, UdpSocket,
};
use wasip3::wit_bindgen::{StreamReader, StreamResult, StreamWriter, spawn_local};
use wasip3::{wit_future, wit_stream};

wasip3::http::service::export!(Sockets);

struct Sockets;

impl wasip3::exports::http::handler::Guest for Sockets {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, argument) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/pipe" => Ok(told(pipe(argument, body_of(request)).await)),
            "/copy" => Ok(told(copy(argument, body_of(request)).await)),
            "/forget" => Ok(told(forget(argument, body_of(request)).await.map(answer))),
            "/hold" => Ok(told(hold(argument).await.map(answer))),
            "/flood" => Ok(told(flood(argument).await.map(answer))),
            "/udp" => Ok(told(udp(argument, body_of(request)).await.map(answer))),
            "/udp-peers" => Ok(told(udp_peers(argument).await.map(answer))),
            "/keep" => Ok(told(keep(argument).await.map(answer))),
            "/resolve" => Ok(told(resolve(argument).await.map(answer))),
            "/named" => Ok(told(named(argument, body_of(request)).await)),
            "/listen" => Ok(told(listen(argument))),
            "/hoard" => Ok(told(hoard(argument))),
            "/spin" => Ok(answer(spin(argument).await)),
            "/states" => Ok(answer(states(argument).await)),
            "/options" => Ok(told(options(argument).map(answer))),
            "/many" => Ok(answer(many())),
            "/again" => Ok(answer(again(argument).await)),
            _ => Ok(answer(blocking::answer(path, argument, collect(body_of(request)).await))),
        }
    }
}

/// What went wrong, by its name in WIT.
type Told<T> = Result<T, String>;

fn name(error: impl std::fmt::Debug) -> String {
    format!("{error:?}").replace("ErrorCode::", "")
}

fn told(outcome: Told<Response>) -> Response {
    outcome.unwrap_or_else(|error| answer(format!("error {error}")))
}

fn answer(text: String) -> Response {
    let (mut out, body) = wit_stream::new();
    spawn_local(async move {
        out.write_all(text.into_bytes()).await;
    });
    streamed(body)
}

fn streamed(body: StreamReader<u8>) -> Response {
    let (_, trailers) = wit_future::new(|| Ok(None));
    Response::new(Fields::new(), Some(body), trailers).0
}

fn body_of(request: Request) -> StreamReader<u8> {
    let (_, told) = wit_future::new(|| Ok(()));
    Request::consume_body(request, told).0
}

async fn collect(mut from: StreamReader<u8>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let (result, bytes) = from.read(Vec::with_capacity(65536)).await;
        all.extend(bytes);
        if result == StreamResult::Dropped {
            return all;
        }
    }
}

fn place(text: &str) -> IpSocketAddress {
    match text.parse().expect("an address and a port") {
        std::net::SocketAddr::V4(v4) => IpSocketAddress::Ipv4(Ipv4SocketAddress {
            port: v4.port(),
            address: v4.ip().octets().into(),
        }),
        std::net::SocketAddr::V6(v6) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port: v6.port(),
            flow_info: 0,
            address: v6.ip().segments().into(),
            scope_id: v6.scope_id(),
        }),
    }
}

fn family(place: &IpSocketAddress) -> IpAddressFamily {
    match place {
        IpSocketAddress::Ipv4(_) => IpAddressFamily::Ipv4,
        IpSocketAddress::Ipv6(_) => IpAddressFamily::Ipv6,
    }
}

async fn connected(place: IpSocketAddress) -> Told<TcpSocket> {
    let socket = TcpSocket::create(family(&place)).map_err(name)?;
    socket.connect(place).await.map_err(name)?;
    Ok(socket)
}

/// The streams of the exchange go to the peer, and come from it, as they are.
async fn pipe(to: &str, body: StreamReader<u8>) -> Told<Response> {
    Ok(piped(&connected(place(to)).await?, body))
}

fn piped(socket: &TcpSocket, body: StreamReader<u8>) -> Response {
    let _ = socket.send(body);
    let (back, _) = socket.receive();
    streamed(back)
}

/// What the peer says comes back by way of this component's memory, with how each direction ended after it.
async fn copy(to: &str, mut body: StreamReader<u8>) -> Told<Response> {
    let socket = connected(place(to)).await?;
    let (mut there, data) = wit_stream::new();
    let sent = socket.send(data);
    let (mut back, received) = socket.receive();
    drop(socket);
    spawn_local(async move { relay(&mut body, &mut there).await });
    let (mut out, answer) = wit_stream::new();
    spawn_local(async move {
        relay(&mut back, &mut out).await;
        let end = format!(" sent {:?} received {:?}", sent.await, received.await);
        out.write_all(end.replace("ErrorCode::", "").into_bytes()).await;
    });
    Ok(streamed(answer))
}

async fn relay(from: &mut StreamReader<u8>, to: &mut StreamWriter<u8>) {
    let mut buffer = Vec::with_capacity(65536);
    loop {
        let (result, bytes) = from.read(buffer).await;
        buffer = to.write_all(bytes).await;
        if result == StreamResult::Dropped || !buffer.is_empty() {
            return;
        }
    }
}

/// Sends, and looks at nothing after that.
async fn forget(to: &str, body: StreamReader<u8>) -> Told<String> {
    let content = collect(body).await;
    let socket = connected(place(to)).await?;
    let (mut there, data) = wit_stream::new();
    drop(socket.send(data));
    drop(socket);
    there.write_all(content).await;
    Ok("sent".to_owned())
}

/// Connects, reads nothing, and waits.
async fn hold(to: &str) -> Told<String> {
    let socket = connected(place(to)).await?;
    let (_back, _received) = socket.receive();
    monotonic_clock::wait_for(60_000_000_000).await;
    Ok("held".to_owned())
}

/// Sends without end; the answer is how much the peer took before it was over.
async fn flood(to: &str) -> Told<String> {
    let socket = connected(place(to)).await?;
    let (mut there, data) = wit_stream::new();
    let sent = socket.send(data);
    let mut count = 0_u64;
    while there.write_all(vec![b'x'; 65536]).await.is_empty() {
        count += 65536;
    }
    drop(there);
    Ok(format!("{} {count}", sent.await.map_err(name).unwrap_err()))
}

/// Sends the body as a datagram, and gives the one that comes back.
async fn udp(to: &str, body: StreamReader<u8>) -> Told<String> {
    let content = collect(body).await;
    let to = place(to);
    let socket = UdpSocket::create(family(&to)).map_err(name)?;
    socket.send(content, Some(to)).await.map_err(name)?;
    let (back, _) = socket.receive().await.map_err(name)?;
    Ok(String::from_utf8_lossy(&back).into_owned())
}

/// Talks to two peers, one after the other, as one that is connected; then to none, and to the first without that.
async fn udp_peers(to: &str) -> Told<String> {
    let (one, other) = to.split_once('&').expect("two addresses");
    let socket = UdpSocket::create(IpAddressFamily::Ipv4).map_err(name)?;
    let mut said = Vec::new();
    let mut ports = Vec::new();
    for peer in [one, other] {
        socket.connect(place(peer)).map_err(name)?;
        socket.send(b"x".to_vec(), None).await.map_err(name)?;
        said.push(match socket.receive().await {
            Ok((data, _)) => String::from_utf8_lossy(&data).into_owned(),
            Err(error) => name(error),
        });
        if let IpSocketAddress::Ipv4(local) = socket.get_local_address().map_err(name)? {
            ports.push(local.port);
        }
    }
    said.push(name(socket.send(b"x".to_vec(), Some(place(one))).await.unwrap_err()));
    socket.disconnect().map_err(name)?;
    said.push(name(socket.send(b"x".to_vec(), None).await.unwrap_err()));
    said.push(name(socket.get_remote_address().unwrap_err()));
    socket.send(b"x".to_vec(), Some(place(one))).await.map_err(name)?;
    said.push(String::from_utf8_lossy(&socket.receive().await.map_err(name)?.0).into_owned());
    said.push((ports[0] == ports[1]).to_string());
    Ok(said.join(" "))
}

thread_local! {
    static KEPT: RefCell<Option<TcpSocket>> = const { RefCell::new(None) };
}

/// Keeps a connection for the next exchange, which says what has become of it.
async fn keep(to: &str) -> Told<String> {
    if let Some(kept) = KEPT.take() {
        return Ok(name(kept.get_remote_address().err()));
    }
    KEPT.replace(Some(connected(place(to)).await?));
    Ok("kept".to_owned())
}

async fn resolve(host: &str) -> Told<String> {
    let found = resolve_addresses(host.to_owned()).await.map_err(name)?;
    Ok(found.iter().map(shown).collect::<Vec<_>>().join(" "))
}

fn shown(address: &IpAddress) -> String {
    match *address {
        IpAddress::Ipv4(v4) => std::net::Ipv4Addr::from(<[u8; 4]>::from(v4)).to_string(),
        IpAddress::Ipv6(v6) => std::net::Ipv6Addr::from(<[u16; 8]>::from(v6)).to_string(),
    }
}

/// As `pipe`, to host:port: the first of its addresses that answers.
async fn named(to: &str, body: StreamReader<u8>) -> Told<Response> {
    let (host, port) = to.rsplit_once(':').expect("host:port");
    let mut failed = String::new();
    for address in resolve_addresses(host.to_owned()).await.map_err(name)? {
        let socket = match address {
            IpAddress::Ipv4(_) => connected(place(&format!("{}:{port}", shown(&address)))).await,
            IpAddress::Ipv6(_) => connected(place(&format!("[{}]:{port}", shown(&address)))).await,
        };
        match socket {
            Ok(socket) => return Ok(piped(&socket, body)),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Says its port, then greets whoever connects with what it has got from them, twice.
fn listen(at: &str) -> Told<Response> {
    let at = place(at);
    let socket = TcpSocket::create(family(&at)).map_err(name)?;
    socket.bind(at).map_err(name)?;
    let mut clients = socket.listen().map_err(name)?;
    let IpSocketAddress::Ipv4(local) = socket.get_local_address().map_err(name)? else {
        return Err("of IPv4, it was".to_owned());
    };
    let (mut out, body) = wit_stream::new();
    spawn_local(async move {
        out.write_all(format!("{}\n", local.port).into_bytes()).await;
        for _ in 0..2 {
            let Some(client) = clients.next().await else {
                return;
            };
            let heard = collect(client.receive().0).await;
            let (mut back, data) = wit_stream::new();
            let sent = client.send(data);
            back.write_all([b"hello ".as_slice(), &heard].concat()).await;
            drop(back);
            let _ = sent.await;
        }
        out.write_all(b"done".to_vec()).await;
    });
    Ok(streamed(body))
}

/// Says its port, and keeps all who connect, until the first of them says something.
fn hoard(at: &str) -> Told<Response> {
    let at = place(at);
    let socket = TcpSocket::create(family(&at)).map_err(name)?;
    socket.bind(at).map_err(name)?;
    let mut clients = socket.listen().map_err(name)?;
    let IpSocketAddress::Ipv4(local) = socket.get_local_address().map_err(name)? else {
        return Err("of IPv4, it was".to_owned());
    };
    let (mut out, body) = wit_stream::new();
    spawn_local(async move {
        out.write_all(format!("{}\n", local.port).into_bytes()).await;
        let first = clients.next().await.expect("one");
        let mut kept = Vec::new();
        let hoarding = async {
            while let Some(client) = clients.next().await {
                kept.push(client);
            }
        };
        select(pin!(hoarding), pin!(collect(first.receive().0))).await;
    });
    Ok(streamed(body))
}

/// What is refused in each state.
async fn states(to: &str) -> String {
    let to = place(to);
    let socket = TcpSocket::create(family(&to)).unwrap();
    let mut said = Vec::new();
    said.push(name(socket.get_local_address().unwrap_err()));
    said.push(name(socket.receive().1.await.unwrap_err()));
    socket.connect(to).await.unwrap();
    said.push((name(socket.get_remote_address().unwrap()) == name(to)).to_string());
    said.push(name(socket.connect(to).await.unwrap_err()));
    said.push(name(socket.listen().err().unwrap()));
    let (_back, _received) = socket.receive();
    said.push(name(socket.receive().1.await.unwrap_err()));
    said.push(socket.get_is_listening().to_string());
    let udp = UdpSocket::create(family(&to)).unwrap();
    said.push(name(udp.receive().await.unwrap_err()));
    said.push(name(udp.disconnect().unwrap_err()));
    said.push(name(udp.send(b"x".to_vec(), None).await.unwrap_err()));
    said.join(" ")
}

fn options(at: &str) -> Told<String> {
    let socket = TcpSocket::create(family(&place(at))).map_err(name)?;
    socket.set_keep_alive_enabled(true).map_err(name)?;
    socket.set_keep_alive_idle_time(7_500_000_000).map_err(name)?;
    socket.set_keep_alive_interval(1).map_err(name)?;
    socket.set_keep_alive_count(u32::MAX).map_err(name)?;
    socket.set_hop_limit(9).map_err(name)?;
    socket.set_receive_buffer_size(50_000).map_err(name)?;
    socket.set_send_buffer_size(u64::MAX).map_err(name)?;
    let sent = socket.get_send_buffer_size().map_err(name)?;
    Ok(format!(
        "{} {} {} {} {} {} {} {}",
        socket.get_keep_alive_enabled().map_err(name)?,
        socket.get_keep_alive_idle_time().map_err(name)?,
        socket.get_keep_alive_interval().map_err(name)?,
        socket.get_keep_alive_count().map_err(name)?,
        socket.get_hop_limit().map_err(name)?,
        socket.get_receive_buffer_size().map_err(name)?,
        sent <= 1 << 20,
        name(socket.set_hop_limit(0).unwrap_err()),
    ))
}

/// Asks without end for what needs nobody else: an address by its address, what is refused, what is not valid.
async fn spin(what: &str) -> String {
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).unwrap();
    let udp = UdpSocket::create(IpAddressFamily::Ipv4).unwrap();
    loop {
        match what {
            "receive" => drop(udp.receive().await),
            "connect" => drop(socket.connect(place("127.0.0.1:1")).await),
            name => drop(resolve_addresses(name.to_owned()).await),
        }
    }
}

/// As many sockets at once as there may be.
fn many() -> String {
    let mut kept = Vec::new();
    loop {
        match TcpSocket::create(IpAddressFamily::Ipv4) {
            Ok(socket) => kept.push(socket),
            Err(error) => return format!("{} {}", kept.len(), name(error)),
        }
    }
}

/// As many as there may be one after the other.
async fn again(to: &str) -> String {
    for count in 0.. {
        if let Err(error) = connected(place(to)).await {
            return format!("{count} {error}");
        }
    }
    unreachable!()
}
