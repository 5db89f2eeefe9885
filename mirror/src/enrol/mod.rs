//! Enrolment: a MID host trusts exactly one mirror, by a file an operator gave it. There is no trust on first use.
//!
//! ```text
//! STATE/                  for instance /var/lib/midmirror-import; never inside the agent folder
//!   trust.json            the trust file as it was given; present means enrolled
//!   policy.toml           whose signature this host wants on packages, and by which anchors
//!   catalog/ROOT.json     catalog versions seen; ROOT is the beginning of the digest of the enrolled TUF root
//!   catalog/ROOT.withdrawn.json
//!                         packages that nobody is to get any more, by the newest catalog seen
//!   staging/              private copies of packages between download and `package/incoming`
//!   lock                  one importer at a time
//! ```
//!
//! Whoever can write here decides what this host trusts, so a state that others than its owner may write is refused.

mod error;
mod policy;
mod state;
mod trust_file;
mod withdrawn;

pub use error::{EnrolError, PolicyError, TrustFileError};
pub use policy::{HostPolicy, HostTruststore};
pub use state::{Enrolment, Replace};
pub use trust_file::TrustFile;
