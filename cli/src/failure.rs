//! From an error to its exit code and to what an operator can do next.

use std::error::Error as StdError;

use midmirror_mirror::DigestError;
use midmirror_mirror::admit::{AdmitError, RefusalClass};
use midmirror_mirror::agent::{AgentError, AgentLogError, WantedError};
use midmirror_mirror::catalog::{CatalogError, ExportError, KeyChangeError, Role, TrustError};
use midmirror_mirror::enrol::{EnrolError, PolicyError, TrustFileError};
use midmirror_mirror::fetch::{FetchError, Refusal};
use midmirror_mirror::log::LogError;
use midmirror_mirror::package::{BuildstampError, PackagePathError};
use midmirror_mirror::pipeline::PipelineError;
use midmirror_mirror::plan::{PlanError, UnpackError};
use midmirror_mirror::prune::PruneError;
use midmirror_mirror::serve::ServeError;
use midmirror_mirror::stage::{SourceError, StageError};
use midmirror_mirror::store::StoreError;
use midmirror_mirror::withdraw::WithdrawError;
use midmirror_verify::TrustStoreError;
use thiserror::Error;

use crate::commands::withdraw::{lost_records, of_records, of_withdraw};
use crate::exit::Exit;
use crate::output;

/// A failure that the command line itself found.
#[derive(Debug, Error)]
#[error("{message}")]
pub(crate) struct Coded {
    message: String,
    exit: Exit,
    hint: String,
}

/// The configuration file is at fault; the cause says how.
#[derive(Debug, Error)]
#[error("the configuration cannot be used")]
pub(crate) struct BadConfiguration;

/// Makes an error with its exit code and a hint.
pub(crate) fn coded(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Coded { message: message.into(), exit, hint: hint.into() }.into()
}

/// Prints an error and returns its exit.
pub(crate) fn report(error: &anyhow::Error) -> Exit {
    let (exit, hint) = classify(error);
    output::failure(error, hint.as_deref());
    exit
}

/// Looks through the chain of causes for the first error whose class is known.
fn classify(error: &anyhow::Error) -> (Exit, Option<String>) {
    if error.is::<BadConfiguration>() {
        return (Exit::Usage, Some("deploy/midmirror.toml describes all keys".to_owned()));
    }
    error.chain().find_map(known).unwrap_or((Exit::Failed, None))
}

fn known(error: &(dyn StdError + 'static)) -> Option<(Exit, Option<String>)> {
    if let Some(coded) = error.downcast_ref::<Coded>() {
        return Some((coded.exit, Some(coded.hint.clone())));
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return Some((of_store(error), store_hint(error)));
    }
    if let Some(error) = error.downcast_ref::<FetchError>() {
        return Some((of_fetch(error), fetch_hint(error)));
    }
    if let Some(error) = error.downcast_ref::<TrustError>() {
        let (exit, hint) = crate::host::of_trust(error);
        return Some((exit, Some(hint.to_owned())));
    }
    if let Some(error) = error.downcast_ref::<EnrolError>() {
        return Some(of_enrol(error));
    }
    if let Some(AdmitError::Refused { decision, .. }) = error.downcast_ref::<AdmitError>() {
        let exit = match decision.class() {
            Some(RefusalClass::Policy) => Exit::RefusedByPolicy,
            _ => Exit::RefusedByVerification,
        };
        return Some((exit, None));
    }
    if let Some(error) = error.downcast_ref::<CatalogError>() {
        return of_catalog(error);
    }
    if let Some(error) = error.downcast_ref::<KeyChangeError>() {
        return of_key_change(error);
    }
    if let Some(error) = error.downcast_ref::<WithdrawError>() {
        return of_withdraw(error);
    }
    match error.downcast_ref::<PruneError>() {
        Some(PruneError::Records(error)) => return of_records(error, "prunings"),
        Some(PruneError::By | PruneError::TooMany { .. }) => return Some((Exit::Usage, None)),
        _ => {}
    }
    if let Some(error) = error.downcast_ref::<ExportError>() {
        return crate::commands::store::export_tuf::of_export(error);
    }
    if let Some(error) = error.downcast_ref::<ServeError>() {
        return of_serve(error);
    }
    if let Some(error) = error.downcast_ref::<WantedError>() {
        let stamp = matches!(error, WantedError::NoBlock).then(|| "stage AGENT --stamp STAMP".to_owned());
        return Some((Exit::Usage, stamp));
    }
    match error.downcast_ref::<AgentError>() {
        Some(AgentError::Io { source, .. }) => return Some((of_io(source), None)),
        Some(_) => return Some((Exit::Usage, None)),
        None => {}
    }
    // Of what is left out here the cause comes next in the chain.
    let usage = error.is::<PlanError>()
        || error.is::<BuildstampError>()
        || matches!(error.downcast_ref::<UnpackError>(), Some(UnpackError::TooLong { .. }))
        || error.is::<AgentLogError>()
        || error.is::<PackagePathError>()
        || error.is::<TrustStoreError>()
        || error.is::<PolicyError>()
        || error.is::<DigestError>()
        || error.is::<url::ParseError>()
        || matches!(error.downcast_ref::<SourceError>(), Some(SourceError::Url { .. }))
        || matches!(error.downcast_ref::<StageError>(), Some(StageError::NotAFolder { .. }))
        || error
            .downcast_ref::<TrustFileError>()
            .is_some_and(|error| !matches!(error, TrustFileError::Write { .. }))
        || error.is::<toml::de::Error>();
    if usage {
        return Some((Exit::Usage, None));
    }
    match error.downcast_ref::<PipelineError>() {
        Some(PipelineError::Store(error)) => return Some((of_store(error), store_hint(error))),
        Some(PipelineError::Catalog(error)) => return of_catalog(error),
        Some(PipelineError::Withdraw(error)) => return of_withdraw(error),
        Some(PipelineError::Fetch(error)) => return Some((of_fetch(error), fetch_hint(error))),
        Some(PipelineError::Admit(error)) => return known(error),
        _ => {}
    }
    if let Some(StageError::NoSpace { .. } | StageError::Io { .. } | StageError::Staging { .. }) =
        error.downcast_ref::<StageError>()
    {
        return Some((Exit::Storage, None));
    }
    let io = error.downcast_ref::<std::io::Error>()?;
    Some((of_io(io), None))
}

fn of_catalog(error: &CatalogError) -> Option<(Exit, Option<String>)> {
    let hint = match error {
        CatalogError::KeyFile { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            "`keys` in the configuration says where the keys are; bring them back from their backup (midmirror init \
             makes keys only for a new store)"
        }
        CatalogError::KeyMode { .. } => {
            "if nobody else has read it: chmod 600 FILE; if in doubt, chmod and then replace it: midmirror keys rotate ROLE, \
             of store.pem midmirror keys rotate-store"
        }
        CatalogError::KeyFormat { .. } => "bring it back from its backup",
        CatalogError::KeyLocked { .. } => {
            "--passphrase-file FILE, MIDMIRROR_KEY_PASSPHRASE, or the systemd credential midmirror-key-passphrase opens it"
        }
        CatalogError::WrongPassphrase { .. } => {
            "give the passphrase of this very key; others may have another one"
        }
        CatalogError::KeyEncryption { .. } => "openssl pkcs8 -topk8 -v2 aes-256-cbc writes it anew",
        CatalogError::TooFewKeys { role: Role::Root, .. } => {
            "bring the root keys here for the moment, or have their holders sign: midmirror keys export-unsigned"
        }
        CatalogError::TooFewKeys { .. } => {
            "bring them back from their backup, or name their folder with `keys` in the configuration; if they are lost, \
             midmirror keys rotate ROLE replaces them with the root keys"
        }
        CatalogError::NoCatalog => "midmirror init makes it",
        CatalogError::NoFirstKey { .. } => {
            "bring back the keys made with this store, or move the folder away and have midmirror init make new ones"
        }
        CatalogError::ForeignKey { .. } => {
            "`keys` in the configuration names the keys of another store; bring back those made with this one"
        }
        CatalogError::NoStoreKey => {
            "bring it back from its backup; if it is lost: midmirror keys rotate-store; if there never was one (the store is \
             of an early version), midmirror init makes it"
        }
        CatalogError::LostEvidence { .. } => {
            let hint = "bring STORE/evidence back from a backup; nothing is published until then";
            return Some((Exit::StoreDamaged, Some(hint.to_owned())));
        }
        CatalogError::LostWithdrawals { .. } => {
            return Some((Exit::StoreDamaged, Some(lost_records("withdrawals"))));
        }
        CatalogError::LostPrunings => return Some((Exit::StoreDamaged, Some(lost_records("prunings")))),
        CatalogError::NoLogKey => "midmirror init makes it and signs a catalog that names it",
        CatalogError::EarlierCheckpoint { .. } => "it is what `midmirror log checkpoint` printed, unchanged",
        CatalogError::Log { source } => return of_log(source),
        CatalogError::KeysExist { .. } => return Some((Exit::Usage, None)),
        // The cause comes next in the chain.
        _ => return None,
    };
    Some((Exit::Usage, Some(hint.to_owned())))
}

fn of_key_change(error: &KeyChangeError) -> Option<(Exit, Option<String>)> {
    let (exit, hint) = match error {
        KeyChangeError::Catalog(error) => return of_catalog(error).or_else(|| known(error.source()?)),
        KeyChangeError::File { source, .. } => return of_key_change(source),
        KeyChangeError::Read { source, .. } => (of_io(source), "it is what the step before this one wrote"),
        KeyChangeError::Malformed { .. } => (
            Exit::Usage,
            "bring it again, unchanged: `keys export-unsigned` and `keys sign` write these files",
        ),
        KeyChangeError::NoSuchKey { .. } | KeyChangeError::Ambiguous { .. } => {
            (Exit::Usage, "midmirror keys status shows the ids; the first 8 digits will do")
        }
        KeyChangeError::WhichKey { .. } => (Exit::Usage, "say which one: --old ID"),
        KeyChangeError::Threshold { .. } => {
            (Exit::Usage, "add a key first, or lower the threshold first: midmirror keys threshold ROLE N")
        }
        KeyChangeError::NoProposal { .. } => {
            (Exit::Usage, "midmirror keys rotate, add-root, remove-root, threshold or renew-root begins one")
        }
        KeyChangeError::Stale { .. } => (
            Exit::Usage,
            "if it was carried out in part: midmirror keys finish; else midmirror keys discard, propose the change anew and have it \
             signed anew",
        ),
        KeyChangeError::Expired { .. } => (
            Exit::Usage,
            "nothing was published, for every host would refuse it; look at the clock, then midmirror keys discard, and propose \
             the change anew",
        ),
        KeyChangeError::Foreign => {
            (Exit::Usage, "`keys` in the configuration must name the keys of this store")
        }
        KeyChangeError::OtherProposal => (
            Exit::Usage,
            "it was signed before the proposal was changed: export it again and have it signed again",
        ),
        KeyChangeError::NoRootKey { .. } => (Exit::Usage, "midmirror keys status shows the root keys"),
        KeyChangeError::BadSignature { .. } => (
            Exit::CatalogNotTrusted,
            "nothing was taken of this file; have it signed again, and ask how it was changed",
        ),
        KeyChangeError::Incomplete { .. } => (
            Exit::Usage,
            "midmirror keys export-unsigned, each holder: keys sign, then keys import-signature; or bring the root keys here \
             for the moment",
        ),
        _ => return Some((Exit::Usage, None)),
    };
    Some((exit, Some(hint.to_owned())))
}

fn of_log(error: &LogError) -> Option<(Exit, Option<String>)> {
    let hint = match error {
        // The cause comes next in the chain.
        LogError::Read { .. } | LogError::Write { .. } | LogError::Sign { .. } => return None,
        LogError::NoEntry { .. } => return Some((Exit::Usage, None)),
        LogError::Checkpoint { .. } => {
            "`keys` in the configuration must name the keys made with this store; else bring STORE/log back from a backup"
        }
        _ => "midmirror log verify names what is wrong; bring STORE/log back from a backup",
    };
    Some((Exit::StoreDamaged, Some(hint.to_owned())))
}

fn of_serve(error: &ServeError) -> Option<(Exit, Option<String>)> {
    let (exit, hint) = match error {
        ServeError::Listen { source, .. } => match source.kind() {
            std::io::ErrorKind::AddrInUse => {
                (Exit::Failed, "another program listens there: end it, or name another address with --listen")
            }
            std::io::ErrorKind::AddrNotAvailable => {
                (Exit::Usage, "this machine has no such address; 0.0.0.0 and [::] stand for all it has")
            }
            std::io::ErrorKind::PermissionDenied => {
                (Exit::Failed, "ports below 1024 need CAP_NET_BIND_SERVICE; the usual 8443 does not")
            }
            _ => return Some((Exit::Failed, None)),
        },
        ServeError::Pem { .. } | ServeError::Tls { .. } => {
            (Exit::Usage, "both are PEM, and the key is that of the first certificate in the file")
        }
        ServeError::Records { .. } => (
            Exit::Storage,
            "serve.records must be a folder that the server's user may write: see midmirror-serve.service",
        ),
        // The cause comes next in the chain.
        ServeError::Catalog { .. } => return None,
        _ => return Some((Exit::Usage, None)),
    };
    Some((exit, Some(hint.to_owned())))
}

fn of_enrol(error: &EnrolError) -> (Exit, Option<String>) {
    match error {
        EnrolError::NotEnrolled { .. } => (
            Exit::NotEnrolled,
            Some(
                "on the mirror: midmirror trust --output trust.json; bring the file here; then: midmirror-import enrol \
                 --trust trust.json (or midmirror host enrol …)"
                    .to_owned(),
            ),
        ),
        EnrolError::OtherRoot { .. } => {
            (Exit::CatalogNotTrusted, Some("if the mirror was set up anew on purpose: enrol --replace".to_owned()))
        }
        EnrolError::RootDigest { .. } => (Exit::CatalogNotTrusted, Some("this is not the mirror you were told of".to_owned())),
        EnrolError::Busy { .. } => (Exit::StoreBusy, Some("wait for the other run to end".to_owned())),
        EnrolError::Io { source, .. } => (of_io(source), None),
        EnrolError::Write { .. } => (io_cause(error).map_or(Exit::Storage, of_io), None),
        EnrolError::Writable { .. } => (Exit::Usage, Some("look who changed it; then: chmod go-w".to_owned())),
        EnrolError::Withdrawn { .. } => {
            (Exit::Usage, Some("remove the file; the next stage with a catalog writes it anew".to_owned()))
        }
        EnrolError::TrustFile { .. } | EnrolError::Policy { .. } => {
            (Exit::Usage, Some("enrol this host again: enrol --replace --trust FILE".to_owned()))
        }
        EnrolError::Foreign { .. } => {
            (Exit::Usage, Some("give it to root (chown), or run this program as the user it belongs to".to_owned()))
        }
        EnrolError::InsideAgent { .. } => (Exit::Usage, Some("name another folder with --state".to_owned())),
        _ => (Exit::Usage, None),
    }
}

/// The exit of a failed store operation.
pub(crate) fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::NotAStore { .. }
        | StoreError::NotEmpty { .. }
        | StoreError::UnknownFormat { .. }
        | StoreError::NothingToAccept { .. } => Exit::Usage,
        StoreError::Busy { .. } => Exit::StoreBusy,
        StoreError::Write { .. } | StoreError::File { .. } | StoreError::Random => Exit::Storage,
        StoreError::Garbled { .. }
        | StoreError::Withdrawals { .. }
        | StoreError::Prunings { .. }
        | StoreError::Misplaced { .. }
        | StoreError::Length { .. }
        | StoreError::DamagedBlob { .. }
        | StoreError::NoBlob { .. } => Exit::StoreDamaged,
        _ => Exit::Failed,
    }
}

pub(crate) fn store_hint(error: &StoreError) -> Option<String> {
    Some(
        match error {
            StoreError::NotAStore { .. } => {
                "create it with midmirror init, or name another with --store or --config"
            }
            StoreError::NothingToAccept { .. } => "midmirror list --history shows all names and digests",
            StoreError::Withdrawals { .. } => return Some(lost_records("withdrawals")),
            StoreError::Prunings { .. } => return Some(lost_records("prunings")),
            StoreError::NotEmpty { .. } => "a store is made in a new or empty folder",
            StoreError::Busy { .. } => "wait for the other run to end; reading commands are not affected",
            StoreError::DamagedBlob { .. } | StoreError::Length { .. } | StoreError::NoBlob { .. } => {
                "midmirror store check --full names all damage; with --repair bad bytes are set aside and fetched anew"
            }
            StoreError::Garbled { .. } | StoreError::Misplaced { .. } => {
                "bring it back from a backup; of evidence the whole numbered folder may be moved away instead, then sync \
                 its package again"
            }
            _ => return None,
        }
        .to_owned(),
    )
}

/// The exit of a failed file operation: a wrong path is the caller's, everything else the system's.
pub(crate) fn of_io(error: &std::io::Error) -> Exit {
    use std::io::ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound};
    match error.kind() {
        NotFound | InvalidInput | InvalidFilename | IsADirectory | NotADirectory => Exit::Usage,
        _ => Exit::Storage,
    }
}

/// What the system said, if that is the cause.
pub(crate) fn io_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a std::io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<std::io::Error>() {
            // `Other` is what our own libraries make up.
            Some(io) if io.kind() != std::io::ErrorKind::Other => return Some(io),
            _ => cause = error.source(),
        }
    }
    None
}

pub(crate) fn fetch_hint(error: &FetchError) -> Option<String> {
    let hint = match error {
        FetchError::Offline { .. } => {
            "leave the switch out, or bring packages by hand: import-file, or stage --from DIR"
        }
        FetchError::Proxy { .. } => {
            "upstream.proxy, upstream.no_proxy and upstream.proxy_credentials_file in the configuration come before \
             HTTPS_PROXY, ALL_PROXY and NO_PROXY of the environment"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The exit of a failed fetch.
pub(crate) fn of_fetch(error: &FetchError) -> Exit {
    match error {
        FetchError::WrongDigest { .. } => Exit::RefusedByVerification,
        FetchError::NoSpace { .. } | FetchError::Write { .. } => Exit::Storage,
        FetchError::Io { source, .. } => of_io(source),
        FetchError::Configuration { .. } | FetchError::Offline { .. } => Exit::Usage,
        // What the caller named; what the upstream redirects to is not the caller's.
        FetchError::Refused {
            refusal: Refusal::PlainHttp | Refusal::Credentials | Refusal::Scheme, ..
        } => Exit::Usage,
        FetchError::Busy { .. } => Exit::StoreBusy,
        _ => Exit::Unreachable,
    }
}
