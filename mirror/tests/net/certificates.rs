//! A private authority and the certificates, good and bad, that a server may show.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    Good,
    OtherName,
    Expired,
    NotYet,
    OtherAuthority,
    SelfSigned,
    ForClients,
}

pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

/// Certificate and key of a server.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.pem.clone().into_bytes()
    }

    /// A certificate for 127.0.0.1 and localhost, with the defect that its kind names.
    pub(crate) fn server(&self, kind: Certificate) -> Identity {
        let names = match kind {
            Certificate::OtherName => vec!["mirror.example".to_owned()],
            _ => vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
        };
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![match kind {
            Certificate::ForClients => ExtendedKeyUsagePurpose::ClientAuth,
            _ => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        match kind {
            Certificate::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Certificate::NotYet => {
                (params.not_before, params.not_after) =
                    (date_time_ymd(2090, 1, 1), date_time_ymd(2099, 1, 1));
            }
            _ => {}
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match kind {
            Certificate::SelfSigned => params.self_signed(&key).unwrap(),
            Certificate::OtherAuthority => {
                let other = Self::new();
                params.signed_by(&key, &Issuer::from_params(&other.params, &other.key)).unwrap()
            }
            _ => params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap(),
        };
        Identity {
            chain: vec![certificate.der().clone()],
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }
}
