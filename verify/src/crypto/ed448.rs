//! Ed448 (RFC 8032 section 5.2), checking only, over plain integers: `aws-lc-rs` does not offer it.
//!
//! Everything here is public, so nothing needs constant time. Points are in projective coordinates (X : Y : Z).
//!
//! Attacks considered here: a scalar not reduced (refused), points off the curve (refused when decoded).

use num_bigint::BigUint;
use sha3::digest::{ExtendableOutput as _, Update as _};

/// Whether a signature is right; `None` if key or signature are malformed.
pub(super) fn check(key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    let curve = Curve::new()?;
    let (r_bytes, s_bytes) = signature.split_at_checked(LENGTH)?;
    if key.len() != LENGTH || s_bytes.len() != LENGTH {
        return None;
    }
    let s = BigUint::from_bytes_le(s_bytes);
    if s >= curve.order {
        return None;
    }
    let (a, r) = (curve.decode(key)?, curve.decode(r_bytes)?);
    let mut hasher = sha3::Shake256::default();
    for part in [b"SigEd448\0\0".as_slice(), r_bytes, key, message] {
        hasher.update(part);
    }
    let mut digest = [0; 2 * LENGTH];
    hasher.finalize_xof_into(&mut digest);
    let k = BigUint::from_bytes_le(&digest) % &curve.order;
    let left = curve.multiply(&s, &curve.base()?);
    let right = curve.add(&r, &curve.multiply(&k, &a));
    Some(curve.same(&left, &right))
}

/// The constants of edwards448.
struct Curve {
    p: BigUint,
    order: BigUint,
    /// The negated curve constant: d is -39081.
    minus_d: BigUint,
}

#[derive(Clone)]
struct Point {
    x: BigUint,
    y: BigUint,
    z: BigUint,
}

impl Curve {
    fn new() -> Option<Self> {
        let one = BigUint::from(1u8);
        Some(Self {
            p: (&one << 448) - (&one << 224) - &one,
            order: number(ORDER)?,
            minus_d: BigUint::from(39081u32),
        })
    }

    fn base(&self) -> Option<Point> {
        Some(Point { x: number(BASE_X)?, y: number(BASE_Y)?, z: BigUint::from(1u8) })
    }

    fn product(&self, a: &BigUint, b: &BigUint) -> BigUint {
        a * b % &self.p
    }

    fn difference(&self, a: &BigUint, b: &BigUint) -> BigUint {
        (a + &self.p - b) % &self.p
    }

    /// Decodes a point (section 5.2.3).
    fn decode(&self, bytes: &[u8]) -> Option<Point> {
        let (last, y) = bytes.split_last()?;
        if last & 0x7f != 0 {
            return None;
        }
        let y = BigUint::from_bytes_le(y);
        if y >= self.p {
            return None;
        }
        let one = BigUint::from(1u8);
        let y2 = self.product(&y, &y);
        // x² = u / v with u = y² - 1 and v = d y² - 1, signs of both turned.
        let u = self.difference(&one, &y2);
        let v = (&one + self.product(&self.minus_d, &y2)) % &self.p;
        let inverse = v.modpow(&(&self.p - 2u8), &self.p);
        let square = self.product(&u, &inverse);
        let x = square.modpow(&((&self.p + 1u8) >> 2), &self.p);
        if self.product(&x, &x) != square {
            return None;
        }
        let odd = last >> 7 == 1;
        if odd && x == BigUint::ZERO {
            return None;
        }
        let x = if x.bit(0) == odd { x } else { &self.p - x };
        Some(Point { x, y, z: one })
    }

    /// Adds two points (section 5.2.4); complete, so it also doubles.
    fn add(&self, one: &Point, other: &Point) -> Point {
        let a = self.product(&one.z, &other.z);
        let b = self.product(&a, &a);
        let c = self.product(&one.x, &other.x);
        let d = self.product(&one.y, &other.y);
        // E = d C D with negative d: what is subtracted in the formula is added here, and the reverse.
        let e = self.product(&self.minus_d, &self.product(&c, &d));
        let f = (&b + &e) % &self.p;
        let g = self.difference(&b, &e);
        let h = self.product(&(&one.x + &one.y), &(&other.x + &other.y));
        let cross = self.difference(&self.difference(&h, &c), &d);
        Point {
            x: self.product(&self.product(&a, &f), &cross),
            y: self.product(&self.product(&a, &g), &self.difference(&d, &c)),
            z: self.product(&f, &g),
        }
    }

    fn multiply(&self, scalar: &BigUint, point: &Point) -> Point {
        let mut sum = Point { x: BigUint::ZERO, y: BigUint::from(1u8), z: BigUint::from(1u8) };
        for bit in (0..scalar.bits()).rev() {
            sum = self.add(&sum, &sum);
            if scalar.bit(bit) {
                sum = self.add(&sum, point);
            }
        }
        sum
    }

    fn same(&self, one: &Point, other: &Point) -> bool {
        self.product(&one.x, &other.z) == self.product(&other.x, &one.z)
            && self.product(&one.y, &other.z) == self.product(&other.y, &one.z)
    }
}

fn number(decimal: &str) -> Option<BigUint> {
    BigUint::parse_bytes(decimal.as_bytes(), 10)
}

/// Bytes of a key, of a point and of a scalar.
const LENGTH: usize = 57;
const ORDER: &str = "181709681073901722637330951972001133588410340171829515070372549795146003961539585716195755291692375963310293709091662304773755859649779";
const BASE_X: &str = "224580040295924300187604334099896036246789641632564134246125461686950415467406032909029192869357953282578032075146446173674602635247710";
const BASE_Y: &str = "298819210078481492676017930443930673437544040154080242095928241372331506189835876003536878655418784733982303233503462500531545062832660";

#[cfg(test)]
mod tests {
    use super::*;

    /// The blank and the one-octet test vectors of RFC 8032 section 7.4.
    #[test]
    fn vectors_of_the_rfc_are_right_and_changed_ones_wrong() {
        let key = hex::decode("5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180").unwrap();
        let mut signature = hex::decode("533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600").unwrap();
        assert_eq!(check(&key, b"", &signature), Some(true));
        assert_eq!(check(&key, b"x", &signature), Some(false));
        signature[60] ^= 1;
        assert_ne!(check(&key, b"", &signature), Some(true));
    }
}
