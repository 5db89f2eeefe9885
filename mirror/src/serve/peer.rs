//! Who is asking.

use std::net::SocketAddr;
use std::sync::Arc;

use super::clients::ShownCertificate;
use super::pieces::Pieces;
use super::site::Channel;

/// The other side of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) channel: Channel,
    /// The client certificate, if one was asked for and shown; its chain is good.
    pub(crate) certificate: Option<Arc<ShownCertificate>>,
    /// What the connection holds of files.
    pub(crate) pieces: Arc<Pieces>,
}

impl Peer {
    pub(crate) fn new(
        address: SocketAddr,
        channel: Channel,
        certificate: Option<Arc<ShownCertificate>>,
    ) -> Self {
        Self { address, channel, certificate, pieces: Arc::default() }
    }
}

/// The name in a client certificate that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientName {
    pub(crate) name: String,
    pub(crate) subject: String,
}
