//! What is known of a package and its signers from before.

use super::earlier::EarlierAdmission;
use super::notices::SignerCertificate;

/// What is known from before; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Proof that the same bytes were admitted before.
    pub earlier: Option<EarlierAdmission>,
    /// Signer certificates of packages admitted so far, oldest first.
    pub signers: Vec<SignerCertificate>,
    /// What the package is judged for.
    pub purpose: Purpose,
}

/// What a package is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// To be kept in a store: proof of an earlier admission is enough, whatever a MID Server says of the file today.
    #[default]
    Keep,
    /// To be installed by a MID Server: what its own verifier refuses today is refused.
    Install,
}
