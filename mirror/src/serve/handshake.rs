//! The handshake. HTTP on the HTTPS port: whoever typed `http://` with the https port is told so.
//!
//! Attacks considered: no byte of the request is looked at but the first, and none is sent back; what is read of it before
//! the connection ends is bounded in bytes and time.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::body::BUFFER;
use super::quiet::QuietLimit;
use super::tls::Current;

/// The handshake; nothing when the client speaks HTTP without TLS, which it is told.
pub(crate) async fn shake_hands(
    mut tcp: TcpStream,
    tls: &Current,
    idle_time: Duration,
) -> io::Result<Option<TlsStream<QuietLimit<TcpStream>>>> {
    if is_plain(&tcp).await? {
        answer(&mut tcp).await?;
        return Ok(None);
    }
    let stream = QuietLimit::new(tcp, idle_time);
    let mut stream = TlsAcceptor::from(tls.config.clone()).accept(stream).await?;
    // As much as the pieces of a body have (see `body`).
    stream.get_mut().1.set_buffer_limit(Some(BUFFER));
    Ok(Some(stream))
}

/// Whether the first byte is a letter, as of `GET`. A TLS record begins with 22 (RFC 8446, section 5.1).
async fn is_plain(tcp: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let read = tcp.peek(&mut first).await?;
    Ok(read == 1 && first.iter().all(u8::is_ascii_uppercase))
}

/// Answers and waits until the client has read it, or some time.
async fn answer(tcp: &mut TcpStream) -> io::Result<()> {
    tcp.write_all(ANSWER.as_bytes()).await?;
    tcp.shutdown().await?;
    // A connection with unread bytes would be reset, and the answer with it (RFC 9112, section 9.6).
    let mut unread = [0; 1024];
    let reading = async {
        for _ in 0..MOST_READS {
            if tcp.read(&mut unread).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(1), reading).await.unwrap_or(Ok(()))
}

const MOST_READS: usize = 64;

const ANSWER: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 48\r\nConnection: close\r\n\r\nthis port speaks HTTPS; use an https:// address\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_right() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}
