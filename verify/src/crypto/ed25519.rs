//! Whether an Ed25519 signature or its key is malformed or merely wrong (RFC 8032 section 5.1.7): the JDK treats the two differently.
//!
//! Everything here is public, so nothing needs constant time. The check itself is that of `aws-lc-rs`.

use num_bigint::BigUint;

/// Whether the scalar is reduced, and the points of key and signature can be decoded (section 5.1.3).
pub(super) fn is_well_formed(key: &[u8], signature: &[u8]) -> bool {
    let Some((point, scalar)) = signature.split_at_checked(32) else { return false };
    let order = BigUint::parse_bytes(ORDER, 10);
    order.is_some_and(|order| BigUint::from_bytes_le(scalar) < order)
        && [key, point].into_iter().all(|bytes| is_point(bytes).unwrap_or(false))
}

fn is_point(bytes: &[u8]) -> Option<bool> {
    let one = BigUint::from(1u8);
    let p = (&one << 255) - 19u8;
    let (last, rest) = bytes.split_last()?;
    let mut y = rest.to_vec();
    y.push(last & 0x7f);
    let y = BigUint::from_bytes_le(&y);
    if y >= p {
        return Some(false);
    }
    // x² = u / v with u = y² - 1, v = d y² + 1 and d = -121665/121666; both multiplied with 121666. A product has a root
    // if and only if the quotient has.
    let y2 = &y * &y % &p;
    let u = (&y2 + &p - &one) * 121_666u32 % &p;
    let v = (BigUint::from(121_666u32) + (&p - 121_665u32) * &y2) % &p;
    let character = (u * v % &p).modpow(&((&p - &one) >> 1), &p);
    if character == BigUint::ZERO {
        // x is 0, which has no sign.
        return Some(last & 0x80 == 0);
    }
    Some(character == one)
}

const ORDER: &[u8] = b"7237005577332262213973186563042994240857116359379907606001950938285454250989";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_off_the_curve_and_large_scalars_are_malformed() {
        // The signature of RFC 8032 section 7.1, test 1.
        let signature = hex::decode("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b").unwrap();
        let key = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        assert!(is_well_formed(&key, &signature));
        assert!(!is_well_formed(&[0xff; 32], &signature), "the key is no point");
        let changed = |at: usize, to: u8| {
            let mut signature = signature.clone();
            signature[at] = to;
            signature
        };
        assert!(!is_well_formed(&key, &changed(63, 0x7f)));
        let points = (0..=255).filter(|byte| is_well_formed(&key, &changed(0, *byte))).count();
        assert!((90..166).contains(&points), "{points} of 256");
        assert!(!is_point(&[0xff; 32]).unwrap());
        // The neutral element with and without a sign.
        assert!(is_point(&[&[1][..], &[0; 31]].concat()).unwrap());
        assert!(!is_point(&[&[1][..], &[0; 30], &[0x80]].concat()).unwrap());
    }
}
