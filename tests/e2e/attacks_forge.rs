//! Signatures, timestamps, manifests and key stores as an attacker with keys of his own would make them: every part can
//! be wrong.

use jiff::Timestamp;

use crate::attacks_keys::{Hash, Key, Party, base64, der};

/// Makes the timestamp token over a signature.
pub(crate) type MakeToken<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// A SignerInfo to be made (RFC 5652, section 5.3).
pub(crate) struct Info<'a> {
    /// Whose certificate is named.
    pub(crate) names: &'a Party,
    /// Who signs.
    pub(crate) key: &'a Key,
    pub(crate) hash: Hash,
    /// What is signed.
    pub(crate) message: &'a [u8],
    /// With signed attributes for this content type, an object identifier in DER.
    pub(crate) attributes: Option<&'a [u8]>,
    /// Put in place of the true signature.
    pub(crate) signature: Option<Vec<u8>>,
    /// Makes the timestamp of a signature.
    pub(crate) token: Option<MakeToken<'a>>,
}

impl<'a> Info<'a> {
    pub(crate) fn new(party: &'a Party, message: &'a [u8]) -> Self {
        Self {
            names: party,
            key: &party.key,
            hash: Hash::Sha256,
            message,
            attributes: None,
            signature: None,
            token: None,
        }
    }

    pub(crate) fn write(self) -> Vec<u8> {
        let mut attributes = Vec::new();
        let mut signed = self.message.to_vec();
        if let Some(content_type) = self.attributes {
            let digest = der(4, &[&self.hash.of(self.message)]);
            let one = der(
                0x30,
                &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3], &der(0x31, &[content_type])],
            );
            let other =
                der(0x30, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4], &der(0x31, &[&digest])]);
            signed = der(0x31, &[&one, &other]);
            attributes = der(0xa0, &[&one, &other]);
        }
        let signature = self.signature.unwrap_or_else(|| self.key.sign_with(self.hash, &signed));
        let mut unsigned = Vec::new();
        if let Some(token) = self.token {
            let oid = [6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 14];
            unsigned = der(0xa1, &[&der(0x30, &[&oid, &der(0x31, &[&token(&signature)])])]);
        }
        let (version, who) = (der(2, &[&[1]]), self.names.issuer_and_serial());
        let (hash, algorithm) = (self.hash.algorithm(), self.key.signature_algorithm());
        der(0x30, &[&version, &who, &hash, &attributes, &algorithm, &der(4, &[&signature]), &unsigned])
    }
}

/// Signed data as ContentInfo (RFC 5652, section 5.1).
pub(crate) fn signed_data(
    content_type: &[u8],
    content: Option<&[u8]>,
    certificates: &[&[u8]],
    infos: &[Vec<u8>],
) -> Vec<u8> {
    let content = content.map(|content| der(0xa0, &[&der(4, &[content])])).unwrap_or_default();
    let infos: Vec<&[u8]> = infos.iter().map(Vec::as_slice).collect();
    let data = der(
        0x30,
        &[
            &der(2, &[&[1]]),
            &der(0x31, &[&Hash::Sha256.algorithm()]),
            &der(0x30, &[content_type, &content]),
            &der(0xa0, certificates),
            &der(0x31, &infos),
        ],
    );
    der(0x30, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2], &der(0xa0, &[&data])])
}

/// A timestamp token over a signature (RFC 3161, section 2.4.2).
pub(crate) struct Stamp<'a> {
    pub(crate) stamper: &'a Party,
    pub(crate) certificates: Vec<&'a [u8]>,
    pub(crate) hash: Hash,
    pub(crate) at: Timestamp,
}

impl Stamp<'_> {
    pub(crate) fn write(&self, over: &[u8]) -> Vec<u8> {
        let imprint = der(0x30, &[&self.hash.algorithm(), &der(4, &[&self.hash.of(over)])]);
        let time = self.at.strftime("%Y%m%d%H%M%SZ").to_string();
        let policy = [6, 4, 0x2a, 3, 4, 1];
        let serial = der(2, &[&[42]]);
        let info = der(0x30, &[&[2, 1, 1], &policy, &imprint, &serial, &der(0x18, &[time.as_bytes()])]);
        let signed = Info { attributes: Some(&TST_INFO), ..Info::new(self.stamper, &info) };
        signed_data(&TST_INFO, Some(&info), &self.certificates, &[signed.write()])
    }
}

/// A manifest of these files (JAR specification).
pub(crate) fn manifest(files: &[(Vec<u8>, Vec<u8>)], hashes: &[Hash]) -> Vec<u8> {
    let mut text = b"Manifest-Version: 1.0\r\n\r\n".to_vec();
    for (name, content) in files {
        text.extend(header(b"Name", name));
        for hash in hashes {
            text.extend(digest_header(*hash, "", content));
        }
        text.extend(b"\r\n");
    }
    text
}

/// A signature file over a manifest; with each of the hash functions, for the whole and for the sections.
pub(crate) fn signature_file(manifest: &[u8], hashes: &[Hash]) -> Vec<u8> {
    let mut text = b"Signature-Version: 1.0\r\n".to_vec();
    for hash in hashes {
        text.extend(digest_header(*hash, "-Manifest", manifest));
    }
    text.extend(b"\r\n");
    let mut rest = manifest;
    while let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
        let (section, after) = rest.split_at(end + 4);
        rest = after;
        if !section.starts_with(b"Name: ") {
            continue;
        }
        let name_end =
            (2..section.len()).find(|at| section[at - 2] == b'\r' && section[*at] != b' ').unwrap();
        text.extend(&section[..name_end]);
        for hash in hashes {
            text.extend(digest_header(*hash, "", section));
        }
        text.extend(b"\r\n");
    }
    text
}

fn digest_header(hash: Hash, what: &str, bytes: &[u8]) -> Vec<u8> {
    header(format!("{}-Digest{what}", hash.name()).as_bytes(), base64(&hash.of(bytes)).as_bytes())
}

/// A header, folded after 70 bytes.
pub(crate) fn header(name: &[u8], value: &[u8]) -> Vec<u8> {
    let line = [name, b": ", value].concat();
    let mut text = line[..line.len().min(70)].to_vec();
    for more in line.get(70..).unwrap_or_default().chunks(69) {
        text.extend([b"\r\n ", more].concat());
    }
    text.extend(b"\r\n");
    text
}

/// A JKS key store of trusted certificates, with the password that everybody knows.
pub(crate) fn key_store(certificates: &[&Party]) -> Vec<u8> {
    let mut store =
        vec![0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2, 0, 0, 0, u8::try_from(certificates.len()).unwrap()];
    for (number, certificate) in certificates.iter().enumerate() {
        store.extend([0, 0, 0, 2, 0, 2, b'c', b'0' + u8::try_from(number).unwrap()]);
        store.extend([[0; 8].as_slice(), &[0, 5], b"X.509"].concat());
        store.extend(u32::try_from(certificate.der.len()).unwrap().to_be_bytes());
        store.extend(&certificate.der);
    }
    let mut seal: Vec<u8> = "changeit".bytes().flat_map(|byte| [0, byte]).collect();
    seal.extend(b"Mighty Aphrodite");
    seal.extend(&store);
    store.extend(Hash::Sha1.of(&seal));
    store
}

/// `id-data` and `id-ct-TSTInfo` in DER.
pub(crate) const DATA: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
pub(crate) const TST_INFO: [u8; 13] = [6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4];
