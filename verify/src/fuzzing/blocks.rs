//! Signature blocks and timestamp tokens.

use crate::asn1;
use crate::crypto::Check;
use crate::limits::Limits;
use crate::second_reader;
use crate::signed_data::SignedData;
use crate::timestamp;

/// A signature block.
pub fn signature_block(bytes: &[u8]) {
    let limits = Limits::default();
    let Ok(block) = SignedData::parse(bytes, &limits) else { return };
    assert!(block.certificates.len() <= limits.certificates);
    assert!(block.signer_infos.len() <= limits.signer_infos);
    if let Ok(definite) = asn1::to_definite(bytes) {
        assert_eq!(asn1::to_definite(&definite).as_ref(), Ok(&definite), "definite lengths stay as they are");
    }
    // Bytes behind the block change nothing.
    let longer = SignedData::parse(&[bytes, b"\0behind"].concat(), &limits);
    assert!(longer.is_ok_and(|longer| {
        longer.content == block.content && longer.signer_infos.len() == block.signer_infos.len()
    }));
    let content = block.content.clone().unwrap_or_else(|| b"Signature-Version: 1.0\r\n\r\n".to_vec());
    let other = [content.as_slice(), b"\n"].concat();
    for signer in block.signer_infos.iter().take(4) {
        let chain = block.chain_of(signer);
        assert!(chain.len() <= block.certificates.len() + 1);
        assert_eq!(chain.is_empty(), block.certificate_of(signer).is_none());
        for (one, next) in chain.iter().zip(chain.iter().skip(1)) {
            assert!(next.subject.matches(&one.issuer), "a chain is a chain of names");
        }
        let right = |content: &[u8]| block.check(signer, content) == Check::Right;
        assert!(!right(&content) || !right(&other), "a signature is right for one content only");
        let _ = signer.signature_name();
    }
    let _ = second_reader::compare_block("META-INF/A.RSA", &block, &limits);
}

/// A timestamp token behind the signature it is for, whose length stands in the first two bytes.
pub fn timestamp_token(bytes: &[u8]) {
    let limits = Limits::default();
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let Some((signature, token)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))) else {
        return;
    };
    let described = timestamp::describe(token, &limits);
    let Ok(verified) = timestamp::verify(token, signature, &limits) else { return };
    assert!(!verified.chain.is_empty(), "a token without a certificate proves nothing");
    assert!(described.is_none_or(|described| described.gen_time == verified.gen_time));
    let other = [signature, b"\0"].concat();
    assert!(timestamp::verify(token, &other, &limits).is_err(), "a token is for one signature only");
}
