//! Where the server listens: addresses of its own, or sockets that it was handed.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::ServeError;

/// Sockets that listen already, for instance because systemd has opened them; the addresses of the settings are not used
/// where there is one.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For HTTPS.
    pub secure: Option<std::net::TcpListener>,
    /// Without TLS.
    pub plain: Option<std::net::TcpListener>,
}

/// Listens on a socket that was handed over, else on an address.
pub(super) async fn listen(
    socket: Option<std::net::TcpListener>,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = socket.as_ref().and_then(|socket| socket.local_addr().ok()).unwrap_or(address);
    let failed = |source| ServeError::Listen { address, source };
    let listener = match socket {
        Some(socket) => {
            socket.set_nonblocking(true).map_err(failed)?;
            TcpListener::from_std(socket).map_err(failed)?
        }
        None => TcpListener::bind(address).await.map_err(failed)?,
    };
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
