//! ECDSA (FIPS 186-4 section 6.4) over plain integers, for pairs of curve and digest that `aws-lc-rs` does not offer and
//! the JDK accepts, for instance P-384 with SHA-224.
//!
//! Everything here is public, so nothing needs constant time. Points are in Jacobian coordinates.
//!
//! Attacks considered here: values of zero or beyond the order (CVE-2022-21449), a key off the curve (refused).

use num_bigint::BigUint;

use super::Check;
use crate::asn1::{Asn1Error, Reader, tag};
use crate::digest_algorithm::DigestAlgorithm;

/// Checks a signature; `key` is the uncompressed point.
pub(super) fn check(
    curve: &str,
    key: &[u8],
    digest: DigestAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Check {
    let Some(curve) = Curve::named(curve) else {
        return Check::Unjudged(format!("curve {curve} is not available"));
    };
    match curve.verify(key, digest, message, signature) {
        Ok(true) => Check::Right,
        Ok(false) => Check::Wrong,
        Err(error) => Check::Unjudged(error.to_string()),
    }
}

/// A curve y² = x³ - 3x + b.
struct Curve {
    p: BigUint,
    b: BigUint,
    order: BigUint,
    base: (BigUint, BigUint),
}

/// A point (X : Y : Z) with x = X/Z², y = Y/Z³; Z is zero at infinity.
#[derive(Clone)]
struct Point {
    x: BigUint,
    y: BigUint,
    z: BigUint,
}

impl Curve {
    fn named(name: &str) -> Option<Self> {
        let (_, [p, b, order, x, y]) = CURVES.iter().find(|(known, _)| *known == name)?;
        let number = |digits: &str| BigUint::parse_bytes(digits.as_bytes(), 16);
        Some(Self { p: number(p)?, b: number(b)?, order: number(order)?, base: (number(x)?, number(y)?) })
    }

    fn verify(
        &self,
        key: &[u8],
        digest: DigestAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Asn1Error> {
        let mut values = Reader::new(signature).expect(tag::SEQUENCE)?.inside();
        let (r, s) = (values.expect(tag::INTEGER)?.content, values.expect(tag::INTEGER)?.content);
        let (r, s) = (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s));
        let key = self.decode(key).ok_or(Asn1Error("the key is no point of its curve"))?;
        let hash = digest.digest(&[message]).ok_or(Asn1Error("the digest is not available"))?;
        if r == BigUint::ZERO || s == BigUint::ZERO || r >= self.order || s >= self.order {
            return Ok(false);
        }
        // The leftmost bits of the digest, as many as the order has.
        let surplus = (u64::try_from(hash.len()).unwrap_or(0) * 8).saturating_sub(self.order.bits());
        let e = BigUint::from_bytes_be(&hash) >> surplus;
        let w = s.modpow(&(&self.order - 2u8), &self.order);
        let u1 = e * &w % &self.order;
        let u2 = &r * w % &self.order;
        let base = Point { x: self.base.0.clone(), y: self.base.1.clone(), z: BigUint::from(1u8) };
        let sum = self.add(&self.multiply(&u1, &base), &self.multiply(&u2, &key));
        if sum.z == BigUint::ZERO {
            return Ok(false);
        }
        let inverse = sum.z.modpow(&(&self.p - 2u8), &self.p);
        let x = self.product(&sum.x, &self.product(&inverse, &inverse));
        Ok(x % &self.order == r)
    }

    fn decode(&self, key: &[u8]) -> Option<Point> {
        let (form, coordinates) = key.split_first()?;
        let length = usize::try_from(self.p.bits().div_ceil(8)).ok()?;
        if *form != 4 || coordinates.len() != 2 * length {
            return None;
        }
        let (x, y) = coordinates.split_at_checked(length)?;
        let (x, y) = (BigUint::from_bytes_be(x), BigUint::from_bytes_be(y));
        if x >= self.p || y >= self.p {
            return None;
        }
        let cube = self.product(&self.product(&x, &x), &x);
        let right = self.difference(&(cube + &self.b), &(&x * 3u8));
        (self.product(&y, &y) == right).then(|| Point { x, y, z: BigUint::from(1u8) })
    }

    fn product(&self, a: &BigUint, b: &BigUint) -> BigUint {
        a * b % &self.p
    }

    fn difference(&self, a: &BigUint, b: &BigUint) -> BigUint {
        (a % &self.p + &self.p - b % &self.p) % &self.p
    }

    fn double(&self, point: &Point) -> Point {
        let z2 = self.product(&point.z, &point.z);
        let y2 = self.product(&point.y, &point.y);
        let s = self.product(&(&point.x * 4u8), &y2);
        let m = self.product(&(self.difference(&point.x, &z2) * 3u8), &(&point.x + &z2));
        let x = self.difference(&self.product(&m, &m), &(&s * 2u8));
        let y4 = self.product(&y2, &y2);
        let y = self.difference(&self.product(&m, &self.difference(&s, &x)), &(y4 * 8u8));
        Point { x, y, z: self.product(&(&point.y * 2u8), &point.z) }
    }

    fn add(&self, one: &Point, other: &Point) -> Point {
        if one.z == BigUint::ZERO {
            return other.clone();
        }
        if other.z == BigUint::ZERO {
            return one.clone();
        }
        let (z1, z2) = (self.product(&one.z, &one.z), self.product(&other.z, &other.z));
        let (u1, u2) = (self.product(&one.x, &z2), self.product(&other.x, &z1));
        let s1 = self.product(&one.y, &self.product(&z2, &other.z));
        let s2 = self.product(&other.y, &self.product(&z1, &one.z));
        let (h, r) = (self.difference(&u2, &u1), self.difference(&s2, &s1));
        if h == BigUint::ZERO {
            if r == BigUint::ZERO {
                return self.double(one);
            }
            return Point { x: BigUint::from(1u8), y: BigUint::from(1u8), z: BigUint::ZERO };
        }
        let h2 = self.product(&h, &h);
        let h3 = self.product(&h2, &h);
        let v = self.product(&u1, &h2);
        let x = self.difference(&self.product(&r, &r), &(&h3 + &v * 2u8));
        let y = self.difference(&self.product(&r, &self.difference(&v, &x)), &self.product(&s1, &h3));
        Point { x, y, z: self.product(&h, &self.product(&one.z, &other.z)) }
    }

    fn multiply(&self, scalar: &BigUint, point: &Point) -> Point {
        let mut sum = Point { x: BigUint::from(1u8), y: BigUint::from(1u8), z: BigUint::ZERO };
        for bit in (0..scalar.bits()).rev() {
            sum = self.double(&sum);
            if scalar.bit(bit) {
                sum = self.add(&sum, point);
            }
        }
        sum
    }
}

/// p, b, order, and the base point, in hexadecimal (SEC 2 version 2.0).
const CURVES: [(&str, [&str; 5]); 3] = [
    (
        "secp256r1",
        [
            "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
            "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
            "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
            "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
            "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        ],
    ),
    (
        "secp384r1",
        [
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
            "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        ],
    ),
    (
        "secp521r1",
        [
            "1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
            "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
            "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
            "11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _};

    #[test]
    fn signatures_by_another_implementation_are_right_and_changed_ones_wrong() {
        for (curve, digest, algorithm) in [
            ("secp256r1", DigestAlgorithm::Sha256, &signature::ECDSA_P256_SHA256_ASN1_SIGNING),
            ("secp384r1", DigestAlgorithm::Sha384, &signature::ECDSA_P384_SHA384_ASN1_SIGNING),
            ("secp521r1", DigestAlgorithm::Sha224, &signature::ECDSA_P521_SHA224_ASN1_SIGNING),
        ] {
            let random = SystemRandom::new();
            let pair = EcdsaKeyPair::generate(algorithm).unwrap();
            let key = pair.public_key().as_ref();
            let mut signature = pair.sign(&random, b"message").unwrap().as_ref().to_vec();
            assert_eq!(check(curve, key, digest, b"message", &signature), Check::Right, "{curve}");
            assert_eq!(check(curve, key, digest, b"massage", &signature), Check::Wrong, "{curve}");
            *signature.last_mut().unwrap() ^= 1;
            assert_ne!(check(curve, key, digest, b"message", &signature), Check::Right, "{curve}");
            let zero = [0x30, 6, 2, 1, 0, 2, 1, 0];
            assert_eq!(check(curve, key, digest, b"message", &zero), Check::Wrong, "{curve}");
        }
    }
}
