//! By the standard library, whose sockets are of WASI 0.2.

use std::io::{Error, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

pub fn answer(path: &str, argument: &str, body: Vec<u8>) -> String {
    let outcome = match path {
        "/std/tcp" => tcp(argument, &body),
        "/std/udp" => udp(argument, &body),
        "/std/resolve" => resolve(argument),
        "/std/listen" => listen(argument),
        "/std/many" => Ok(many(argument)),
        _ => Ok("nothing here".to_owned()),
    };
    outcome.unwrap_or_else(|error| format!("error {:?} {error}", error.kind()))
}

/// Host and port; the answer is what the peer sends until it ends.
fn tcp(to: &str, body: &[u8]) -> Result<String, Error> {
    let mut stream = TcpStream::connect(to)?;
    assert!(to.ends_with(&stream.peer_addr()?.port().to_string()));
    if stream.peer_addr()?.is_ipv4() {
        stream.set_ttl(33)?; // which this library has for IPv4 alone
        assert_eq!(stream.ttl()?, 33);
    }
    stream.write_all(body)?;
    stream.shutdown(Shutdown::Write)?;
    let mut back = String::new();
    stream.read_to_string(&mut back)?;
    Ok(back)
}

fn udp(to: &str, body: &[u8]) -> Result<String, Error> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(body, to)?;
    let mut back = [0; 2048];
    let (count, from) = socket.recv_from(&mut back)?;
    socket.connect(to)?;
    socket.send(b"more")?;
    let more = socket.recv(&mut back[count..])?;
    Ok(format!("{} from {}", String::from_utf8_lossy(&back[..count + more]), from.port()))
}

fn resolve(name: &str) -> Result<String, Error> {
    let found: Vec<_> = (name, 0).to_socket_addrs()?.map(|address| address.ip().to_string()).collect();
    Ok(found.join(" "))
}

/// Listens, connects to itself, and gives what went through.
fn listen(at: &str) -> Result<String, Error> {
    let listener = TcpListener::bind(at)?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut served, _) = listener.accept()?;
    served.write_all(b"through")?;
    drop(served);
    let mut back = String::new();
    client.read_to_string(&mut back)?;
    Ok(back)
}

fn many(to: &str) -> String {
    let mut kept = Vec::new();
    loop {
        match TcpStream::connect(to) {
            Ok(stream) => kept.push(stream),
            Err(error) => return format!("{} {:?}", kept.len(), error.kind()),
        }
    }
}
