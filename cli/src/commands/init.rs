//! `midmirror init`: the store, its keys, and a first, empty catalog.

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::catalog::{NewKeys, Profile, SigningKeys, publish};
use midmirror_mirror::store::{MARKER_FILE, Store};

use super::keys::arguments::{InitArguments, NewKeysArguments};
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;
use crate::passphrase;

/// Creates what is not there yet; an existing store is left alone.
pub(crate) fn run(context: &Context, arguments: &InitArguments) -> anyhow::Result<Exit> {
    let config = &context.config;
    let now = context::now();
    let profile = profile(context, arguments)?;
    threshold_fits(&arguments.keys)?;
    let folder = &config.store;
    let store =
        if folder.join(MARKER_FILE).exists() { Store::open(folder)? } else { Store::create(folder, now)? };
    let has_catalog = store.repository_dir().join("1.root.json").exists();
    let keys = keys(context, &arguments.keys, has_catalog)?;
    let lifetimes = match profile {
        Some(profile) => profile.lifetimes(),
        None => context.lifetimes(&store),
    };
    let mut writer = store.write()?;
    let publication = publish(&mut writer, &keys, now, &lifetimes)?;
    output::data(format!("store    {} ({})", folder.display(), store.id()));
    output::data(format!("keys     {}", keys.folder().display()));
    output::data(format!(
        "catalog  version {}, root sha256 {}",
        publication.versions.targets,
        Sha256Digest::of(super::list::catalog(&store)?.root_bytes())
    ));
    output::data(format!("profile  {}, valid until {}", lifetimes.profile.as_str(), publication.expires));
    output::note(
        "next: midmirror sync STAMP; then midmirror serve --init-tls --host NAME and midmirror serve",
    );
    if !has_catalog {
        super::keys::advise_holders(&keys);
    }
    Ok(Exit::Done)
}

/// Keys that are there, or new ones for a store that never had any.
fn keys(context: &Context, wanted: &NewKeysArguments, has_catalog: bool) -> anyhow::Result<SigningKeys> {
    let folder = context.config.keys_dir();
    let has_keys =
        ["targets.pem", "snapshot.pem", "timestamp.pem"].iter().any(|name| folder.join(name).exists());
    if has_keys {
        // Folders of early versions lack the key of the log.
        let passphrase = passphrase::for_folder(context.passphrase_file.as_deref(), &folder)?;
        let keys = SigningKeys::complete(&folder, passphrase.as_ref())?;
        return Ok(match wanted.root_threshold {
            Some(threshold) => keys.with_first_root_threshold(threshold.into()),
            None => keys,
        });
    }
    if has_catalog {
        return Err(coded(
            Exit::Usage,
            format!("the store has a catalog, but its signing keys are not in {}", folder.display()),
            "bring them back from their backup, or name their folder with `keys` in the configuration; enrolled hosts \
             would refuse a catalog with new keys. Only if they are lost and the root keys are not: midmirror keys rotate",
        ));
    }
    create(context, wanted)
}

/// `keys init`, and what `init` does for a new store.
pub(super) fn create(context: &Context, wanted: &NewKeysArguments) -> anyhow::Result<SigningKeys> {
    threshold_fits(wanted)?;
    let passphrase = match wanted.encrypt_keys {
        true => Some(passphrase::for_new_keys(context.passphrase_file.as_deref())?),
        false => None,
    };
    let new = NewKeys {
        root_keys: wanted.root_keys,
        algorithm: wanted.algorithm.into(),
        passphrase: passphrase.as_ref(),
    };
    let keys = SigningKeys::create_with(&context.config.keys_dir(), &new)?;
    Ok(match wanted.root_threshold {
        Some(threshold) => keys.with_first_root_threshold(threshold.into()),
        None => keys,
    })
}

fn threshold_fits(wanted: &NewKeysArguments) -> anyhow::Result<()> {
    match wanted.root_threshold {
        Some(threshold) if threshold > wanted.root_keys => Err(coded(
            Exit::Usage,
            format!("{threshold} of {} root keys can never sign", wanted.root_keys),
            "--root-threshold is at most --root-keys",
        )),
        _ => Ok(()),
    }
}

/// What the command line says, which the configuration must not contradict.
fn profile(context: &Context, arguments: &InitArguments) -> anyhow::Result<Option<Profile>> {
    match (arguments.profile.map(Profile::from), context.config.profile) {
        (Some(asked), Some(configured)) if asked != configured => Err(coded(
            Exit::Usage,
            format!(
                "--profile {} contradicts the configuration (profile = {:?})",
                asked.as_str(),
                configured.as_str()
            ),
            "later publications follow the configuration: take the key `profile` out of it, or change it",
        )),
        (asked, configured) => Ok(asked.or(configured)),
    }
}
