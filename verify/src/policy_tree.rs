//! Certificate policies along a path (RFC 5280 section 6.1), without policy mappings.
//!
//! No policy is asked for, so policies matter only where a certificate of the path demands one. Attack considered here: a path
//! outside the policy that its authority demands.

use std::collections::BTreeSet;

use crate::asn1::{Asn1Error, Reader, Value, tag};
use crate::certificate::Certificate;

/// What the policy extensions of a certificate say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Policies {
    /// Certificate policies (section 4.2.1.4).
    named: Option<BTreeSet<String>>,
    /// requireExplicitPolicy (section 4.2.1.11): after so many certificates.
    require_explicit: Option<u64>,
    /// Inhibit anyPolicy (section 4.2.1.14): after so many certificates.
    inhibit_any: Option<u64>,
    has_mappings: bool,
}

impl Policies {
    /// Reads an extension if it is about policies.
    pub(crate) fn take_extension(&mut self, oid: &str, value: &[u8]) -> Result<(), Asn1Error> {
        let mut reader = Reader::new(value);
        match oid {
            "2.5.29.32" => {
                let policies = reader.expect(tag::SEQUENCE)?.inside().all()?;
                let name = |policy: &Value<'_>| policy.inside().next()?.oid();
                self.named = Some(policies.iter().map(name).collect::<Result<_, _>>()?);
            }
            "2.5.29.33" => {
                self.has_mappings = true;
                for mapping in reader.expect(tag::SEQUENCE)?.inside().all()? {
                    let policies = mapping.inside().all()?;
                    let are_two = policies.len() == 2 && policies.iter().all(|policy| policy.tag == tag::OID);
                    if mapping.tag != tag::SEQUENCE || !are_two {
                        return Err(Asn1Error("malformed policy mappings"));
                    }
                }
            }
            "2.5.29.36" => {
                let fields = reader.expect(tag::SEQUENCE)?.inside().all()?;
                let is_known = |field: &Value<'_>| matches!(field.tag, REQUIRE_EXPLICIT | INHIBIT_MAPPING);
                let is_repeated =
                    fields.windows(2).any(|pair| pair.iter().all(|field| field.tag == REQUIRE_EXPLICIT));
                if fields.len() > 2 || !fields.iter().all(is_known) || is_repeated {
                    return Err(Asn1Error("malformed policy constraints"));
                }
                let required = fields.iter().find(|field| field.tag == REQUIRE_EXPLICIT);
                self.require_explicit = required.map(|field| count(field.content));
            }
            "2.5.29.54" => self.inhibit_any = Some(count(reader.expect(tag::INTEGER)?.content)),
            _ => {}
        }
        Ok(())
    }
}

/// A number of certificates; what is negative or too large does not come to pass.
fn count(content: &[u8]) -> u64 {
    match content {
        [first, ..] if first & 0x80 == 0 && content.len() <= 8 => {
            content.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
        }
        _ => u64::MAX,
    }
}

/// The policies that are still valid, from the anchor down. Without mappings a set says as much as a tree.
#[derive(Debug)]
pub(crate) struct PolicyTree {
    valid: Option<BTreeSet<String>>,
    explicit: u64,
    any: u64,
    mapped: bool,
}

impl PolicyTree {
    /// Nothing demanded, everything valid.
    pub(crate) fn new(path_length: usize) -> Self {
        let never = u64::try_from(path_length).unwrap_or(u64::MAX).saturating_add(1);
        Self { valid: Some(BTreeSet::from([ANY.to_owned()])), explicit: never, any: never, mapped: false }
    }

    /// Takes the next certificate below; the error is the reason in the words of the JDK.
    pub(crate) fn process(&mut self, certificate: &Certificate, is_leaf: bool) -> Result<(), &'static str> {
        let own = &certificate.policies;
        let self_issued = certificate.is_self_issued();
        // 1. Policies named here that are valid above (section 6.1.3, d and e).
        let any_allowed = self.any > 0 || (!is_leaf && self_issued);
        self.valid = match (&self.valid, &own.named) {
            (Some(above), Some(named)) => {
                let all_above = above.contains(ANY);
                let mut valid: BTreeSet<String> = named
                    .iter()
                    .filter(|policy| *policy != ANY && (all_above || above.contains(*policy)))
                    .cloned()
                    .collect();
                if named.contains(ANY) && any_allowed {
                    valid.extend(above.iter().cloned());
                }
                (!valid.is_empty()).then_some(valid)
            }
            _ => None,
        };
        self.mapped |= own.has_mappings && !is_leaf;
        // 2. If a policy is demanded there must be one (section 6.1.3, f). A demand of an authority counts for those below it.
        if !is_leaf {
            self.check()?;
        }
        // 3. What certificates from here on demand (sections 6.1.4, h to j, and 6.1.5, a and b).
        if !self_issued {
            self.explicit = self.explicit.saturating_sub(1);
            self.any = self.any.saturating_sub(1);
        }
        match own.require_explicit {
            Some(0) => self.explicit = 0,
            Some(after) if !is_leaf => self.explicit = self.explicit.min(after),
            _ => {}
        }
        if let Some(after) = own.inhibit_any {
            self.any = self.any.min(after);
        }
        if is_leaf { self.check() } else { Ok(()) }
    }

    /// Whether there is a policy if one is demanded.
    fn check(&self) -> Result<(), &'static str> {
        if self.explicit == 0 && self.mapped {
            return Err("policy mappings are not evaluated, not verified");
        }
        if self.explicit == 0 && self.valid.is_none() {
            return Err("non-null policy tree required and policy tree is null");
        }
        Ok(())
    }
}

const ANY: &str = "2.5.29.32.0";
const REQUIRE_EXPLICIT: u8 = 0x80;
const INHIBIT_MAPPING: u8 = 0x81;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trust_store::TrustStore;

    #[test]
    fn what_an_authority_demands_counts_for_those_below_it() {
        let pem = include_str!("../tests/data/anchors.pem");
        let trust = TrustStore::read("recorded", pem.as_bytes(), None).unwrap();
        let model = trust.certificates().next().unwrap();
        let mut certificate = Certificate::parse(&model.der).unwrap();
        let own = Arc::get_mut(&mut certificate).unwrap();
        own.policies = Policies { require_explicit: Some(0), ..Policies::default() };
        let refusal = Err("non-null policy tree required and policy tree is null");
        let mut tree = PolicyTree::new(2);
        assert_eq!(tree.process(&certificate, false), Ok(()), "its own faults come first");
        assert_eq!(tree.process(&certificate, true), refusal);
        assert_eq!(PolicyTree::new(1).process(&certificate, true), refusal);
    }
}
