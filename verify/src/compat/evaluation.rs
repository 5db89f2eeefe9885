//! The flags that `jarsigner` collects while it lists entries, in its order: the order matters, because some failures
//! are passed over when another flag is already set.

use jiff::{SignedDuration, Timestamp};

use super::CompatOptions;
use crate::algorithm_policy::Strength;
use crate::chain::{ChainFailure, ChainFailureKind};
use crate::jdk::Jdk;
use crate::report::{
    CertificateReport, KeyReport, Report, SignatureFileReport, SignerReport, TimestampReport,
};
use crate::signature_names::{has_signature_extension, is_in_meta_inf};

/// The flags.
#[derive(Debug, Default)]
pub(crate) struct Evaluation {
    pub(crate) any_signed: bool,
    pub(crate) has_signature: bool,
    pub(crate) unsigned_entry: bool,
    pub(crate) not_signed_by_alias: bool,
    pub(crate) alias_not_in_store: bool,
    /// Whether a certificate of the last entry's signers is not in the keystore.
    pub(crate) last_not_in_store: bool,
    pub(crate) posix_attributes: bool,
    pub(crate) bad_key_usage: bool,
    pub(crate) bad_extended_key_usage: bool,
    pub(crate) bad_netscape_type: bool,
    pub(crate) expired: bool,
    pub(crate) not_yet_valid: bool,
    pub(crate) expiring: bool,
    pub(crate) timestamp_expired: bool,
    pub(crate) timestamp_expiring: bool,
    pub(crate) self_signed: bool,
    pub(crate) any_timestamp: bool,
    pub(crate) token_present: bool,
    pub(crate) nonexistent: bool,
    pub(crate) disabled_algorithm: bool,
    /// The earliest end of all signer certificates that are not trust anchors.
    pub(crate) signer_end: Option<Timestamp>,
    /// The same for authorities of timestamps.
    pub(crate) timestamp_end: Option<Timestamp>,
    pub(crate) chain_failure: Option<String>,
    pub(crate) timestamp_chain_failure: Option<String>,
    pub(crate) legacy_digest: Option<String>,
    pub(crate) legacy_signature: Option<String>,
    pub(crate) legacy_timestamp_digest: Option<String>,
    pub(crate) legacy_key: Option<KeyReport>,
    pub(crate) signers: Vec<SignerFlags>,
    pub(crate) entries: Vec<EntryFlags>,
}

/// What the listing says of a signer.
#[derive(Debug, Clone, Default)]
pub(crate) struct SignerFlags {
    seen: bool,
    in_keystore: bool,
    /// Whether a certificate of its chain is not in the keystore.
    incomplete: bool,
    by_alias: bool,
    /// The chain failure that is printed; others are passed over.
    pub(crate) chain_failure: Option<String>,
    pub(crate) timestamp_chain_failure: Option<String>,
}

/// What the listing says of an entry.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EntryFlags {
    pub(crate) in_keystore: bool,
    pub(crate) not_by_alias: bool,
}

impl Evaluation {
    pub(crate) fn of(report: &Report, options: &CompatOptions) -> Self {
        let mut evaluation =
            Self { signers: vec![SignerFlags::default(); report.signers().len()], ..Self::default() };
        if report.has_manifest() {
            for entry in report.entries() {
                let anywhere = options.jdk.rules().any_folder_has_signatures;
                evaluation.has_signature |=
                    has_signature_extension(entry.name()) && (anywhere || is_in_meta_inf(entry.name()));
                evaluation.posix_attributes |= entry.mode().is_some();
                evaluation.unsigned_entry |= entry.is_unsigned();
                evaluation.any_signed |= entry.is_signed();
                evaluation.look_at_entry(report, options, entry.signers());
            }
        }
        for file in report.signature_files() {
            evaluation.look_at_file(file, options.jdk);
        }
        // With a keystore that knows every signer, being self-signed is no fault.
        if options.keystore.is_some() && !evaluation.alias_not_in_store {
            evaluation.self_signed = false;
        }
        evaluation
    }

    fn look_at_entry(&mut self, report: &Report, options: &CompatOptions, signers: &[usize]) {
        let mut flags = EntryFlags::default();
        let mut by_alias = false;
        self.last_not_in_store = false;
        for index in signers {
            let Some(signer) = report.signers().get(*index) else { continue };
            if self.signers.get(*index).is_some_and(|flags| !flags.seen) {
                let found = self.look_at_signer(signer, options, report.examined_at());
                if let Some(flags) = self.signers.get_mut(*index) {
                    *flags = found;
                }
            }
            let Some(found) = self.signers.get(*index) else { continue };
            flags.in_keystore |= found.in_keystore;
            self.last_not_in_store |= options.keystore.is_some() && found.incomplete;
            by_alias |= found.by_alias;
        }
        if !signers.is_empty() {
            flags.not_by_alias = !options.aliases.is_empty() && !by_alias;
            self.not_signed_by_alias |= flags.not_by_alias;
            self.alias_not_in_store |= options.keystore.is_some() && !flags.in_keystore;
        }
        self.entries.push(flags);
    }

    fn look_at_signer(
        &mut self,
        signer: &SignerReport,
        options: &CompatOptions,
        now: Timestamp,
    ) -> SignerFlags {
        let mut flags = SignerFlags { seen: true, ..SignerFlags::default() };
        for certificate in signer.chain() {
            let alias = options.keystore.as_ref().and_then(|store| store.alias_of(certificate.sha256()));
            flags.in_keystore |= alias.is_some();
            flags.incomplete |= alias.is_none();
            flags.by_alias |= alias.is_some_and(|alias| options.aliases.iter().any(|wanted| wanted == alias));
        }
        let signed_at = signer.timestamp().map(TimestampReport::gen_time);
        self.any_timestamp |= signed_at.is_some();
        for (position, certificate) in signer.chain().iter().enumerate() {
            self.look_at_signer_certificate(certificate, signed_at, now);
            if position == 0 {
                let usage = certificate.usage();
                self.bad_key_usage |= !usage.key_usage;
                self.bad_extended_key_usage |= !usage.extended_key_usage;
                self.bad_netscape_type |= !usage.netscape_type;
            }
        }
        let reason = |failure: &ChainFailure| failure.reason_of(options.jdk).to_owned();
        flags.chain_failure = signer.chain_failure().filter(|failure| !self.is_covered(failure)).map(reason);
        if flags.chain_failure.is_some() {
            self.chain_failure.clone_from(&flags.chain_failure);
        }
        if let Some(timestamp) = signer.timestamp() {
            for certificate in timestamp.chain() {
                self.look_at_authority_certificate(certificate, now);
            }
            let covered = |failure: &&ChainFailure| {
                failure.kind() == ChainFailureKind::Expired && self.timestamp_expired
            };
            flags.timestamp_chain_failure =
                timestamp.chain_failure().filter(|failure| !covered(failure)).map(reason);
            if flags.timestamp_chain_failure.is_some() {
                self.timestamp_chain_failure.clone_from(&flags.timestamp_chain_failure);
            }
        }
        if let [only] = signer.chain() {
            self.self_signed |= only.is_self_signed();
        }
        flags
    }

    fn look_at_signer_certificate(
        &mut self,
        certificate: &CertificateReport,
        signed_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        if certificate.is_trusted() {
            return;
        }
        self.signer_end = earliest(self.signer_end, certificate.not_after());
        match signed_at.unwrap_or(now) {
            at if at < certificate.not_before() => self.not_yet_valid = true,
            at if at > certificate.not_after() => self.expired = true,
            _ if signed_at.is_none() => self.expiring |= ends_within(certificate, now, SIX_MONTHS),
            _ => {}
        }
    }

    fn look_at_authority_certificate(&mut self, certificate: &CertificateReport, now: Timestamp) {
        if certificate.is_trusted() {
            return;
        }
        self.timestamp_end = earliest(self.timestamp_end, certificate.not_after());
        if now < certificate.not_before() {
            return;
        }
        if now > certificate.not_after() {
            self.timestamp_expired = true;
        } else {
            self.timestamp_expiring |= ends_within(certificate, now, ONE_YEAR);
        }
    }

    /// Whether a flag already says what a chain failure says.
    fn is_covered(&self, failure: &ChainFailure) -> bool {
        match failure.kind() {
            ChainFailureKind::Expired => self.expired,
            ChainFailureKind::NotYetValid => self.not_yet_valid,
            ChainFailureKind::EndEntity => {
                self.bad_key_usage || self.bad_extended_key_usage || self.bad_netscape_type
            }
            _ => false,
        }
    }

    /// Algorithms of the signature as it describes itself.
    fn look_at_file(&mut self, file: &SignatureFileReport, jdk: Jdk) {
        self.nonexistent |= file.digest.is_some() && file.block_parses && !file.nonexistent.is_empty();
        self.token_present |= file.digest.is_some() && file.has_token;
        let (Some(digest), Some(description)) = (&file.digest, &file.description) else { return };
        let timestamp = description.timestamp.as_ref();
        let digests = [Some((digest, false)), timestamp.map(|token| (&token.digest, true))];
        for (digest, of_timestamp) in digests.into_iter().flatten() {
            match digest.strength() {
                Strength::Disabled => self.disabled_algorithm = true,
                Strength::Legacy if of_timestamp => {
                    self.legacy_timestamp_digest = Some(digest.name().to_owned())
                }
                Strength::Legacy => self.legacy_digest = Some(digest.name().to_owned()),
                Strength::Fine => {}
            }
        }
        for signature in
            [Some(&description.signature), timestamp.map(|token| &token.signature)].into_iter().flatten()
        {
            let signature = signature.as_described_by(jdk);
            match signature.strength() {
                Strength::Disabled => self.disabled_algorithm = true,
                Strength::Legacy => self.legacy_signature = Some(signature.name().to_owned()),
                Strength::Fine => {}
            }
        }
        for key in [Some(&description.key), timestamp.map(|token| &token.key)].into_iter().flatten() {
            match key.strength() {
                Strength::Disabled => self.disabled_algorithm = true,
                Strength::Legacy => self.legacy_key = Some(key.clone()),
                Strength::Fine => {}
            }
        }
    }

    /// Whether the signer's certificates outlive `now`.
    pub(crate) fn signer_lives(&self, now: Timestamp) -> bool {
        self.signer_end.is_none_or(|end| end > now)
    }

    /// Whether there is an error besides an expired timestamp.
    fn any_other_error(&self) -> bool {
        self.bad_key_usage
            || self.bad_extended_key_usage
            || self.bad_netscape_type
            || self.unsigned_entry
            || self.expired
            || self.not_yet_valid
            || self.chain_failure.is_some()
            || self.timestamp_chain_failure.is_some()
            || self.not_signed_by_alias
            || self.alias_not_in_store
            || self.self_signed
    }

    /// Whether the expired timestamp is an error, not only worth a warning.
    pub(crate) fn expired_timestamp_counts(&self, now: Timestamp) -> bool {
        self.timestamp_expired && (!self.signer_lives(now) || self.any_other_error())
    }

    /// The exit code with `-strict`.
    pub(crate) fn exit_code(&self, now: Timestamp) -> u8 {
        let signer = self.chain_failure.is_some()
            || self.expired
            || self.expired_timestamp_counts(now)
            || self.not_yet_valid
            || self.self_signed;
        let bits = [
            (signer, 4),
            (self.bad_key_usage || self.bad_extended_key_usage || self.bad_netscape_type, 8),
            (self.unsigned_entry, 16),
            (self.not_signed_by_alias || self.alias_not_in_store, 32),
            (self.timestamp_chain_failure.is_some(), 64),
        ];
        bits.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum()
    }
}

fn earliest(known: Option<Timestamp>, other: Timestamp) -> Option<Timestamp> {
    Some(known.map_or(other, |known| known.min(other)))
}

/// Whether a certificate ends less than `span` after `now`.
pub(crate) fn ends_within(certificate: &CertificateReport, now: Timestamp, span: SignedDuration) -> bool {
    now.checked_add(span).is_ok_and(|limit| certificate.not_after() < limit)
}

/// Signers are warned of their end this long ahead.
pub(crate) const SIX_MONTHS: SignedDuration = SignedDuration::from_hours(180 * 24);
/// Authorities of timestamps are warned of their end this long ahead.
pub(crate) const ONE_YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);
