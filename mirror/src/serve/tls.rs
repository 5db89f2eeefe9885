//! TLS for the listener: 1.2 and 1.3 (agents run Java 8 to 21), HTTP/1.1 and HTTP/2, resumption by tickets.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::config::TlsMaterial;
use super::error::ServeError;

/// Reads certificate and key and checks that they belong together.
pub(crate) fn server_config(material: &TlsMaterial) -> Result<Arc<rustls::ServerConfig>, ServeError> {
    let chain = CertificateDer::pem_slice_iter(&material.cert_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| ServeError::Pem { what: "certificate", source })?;
    if chain.is_empty() {
        let source = rustls_pki_types::pem::Error::NoItemsFound;
        return Err(ServeError::Pem { what: "certificate", source });
    }
    let key = PrivateKeyDer::from_pem_slice(&material.key_pem)
        .map_err(|source| ServeError::Pem { what: "key", source })?;
    let unusable = |source| ServeError::Tls { source };
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_must_belong_to_the_certificate() {
        let one = rcgen::generate_simple_self_signed(["mirror.example".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["mirror.example".to_owned()]).unwrap();
        let material = |key: &rcgen::KeyPair| TlsMaterial {
            cert_pem: one.cert.pem().into_bytes(),
            key_pem: key.serialize_pem().into_bytes(),
        };
        server_config(&material(&one.signing_key)).unwrap();
        assert!(matches!(server_config(&material(&other.signing_key)), Err(ServeError::Tls { .. })));
        let swapped =
            TlsMaterial { cert_pem: one.signing_key.serialize_pem().into_bytes(), key_pem: Vec::new() };
        assert!(matches!(server_config(&swapped), Err(ServeError::Pem { what: "certificate", .. })));
        assert!(!format!("{:?}", material(&one.signing_key)).contains("PRIVATE"));
    }
}
