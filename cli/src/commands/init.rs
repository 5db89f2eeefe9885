//! `midmirror init`: the store, its keys, and a first, empty catalog.

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::catalog::{SigningKeys, publish};
use midmirror_mirror::store::{MARKER_FILE, Store};

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;

/// Creates what is not there yet; an existing store is left alone.
pub(crate) fn run(context: &Context) -> anyhow::Result<Exit> {
    let config = &context.config;
    let now = context::now();
    let folder = &config.store;
    let store =
        if folder.join(MARKER_FILE).exists() { Store::open(folder)? } else { Store::create(folder, now)? };
    let keys_dir = config.keys_dir();
    let keys = if keys_dir.join("targets.pem").exists() {
        // Folders of early versions lack the key of the log.
        SigningKeys::complete(&keys_dir)?
    } else if store.repository_dir().join("1.root.json").exists() {
        return Err(coded(
            Exit::Usage,
            format!("the store has a catalog, but its signing keys are not in {}", keys_dir.display()),
            "bring them back from their backup, or name their folder with `keys` in the configuration; enrolled hosts \
             would refuse a catalog with new keys",
        ));
    } else {
        SigningKeys::create(&keys_dir)?
    };
    let mut writer = store.write()?;
    let publication = publish(&mut writer, &keys, now, &super::sync::lifetimes(config.profile))?;
    output::data(format!("store    {} ({})", folder.display(), store.id()));
    output::data(format!("keys     {}", keys_dir.display()));
    output::data(format!(
        "catalog  version {}, root sha256 {}",
        publication.versions.targets,
        Sha256Digest::of(super::list::catalog(&store)?.root_bytes())
    ));
    output::note(
        "next: midmirror sync STAMP; then midmirror serve --init-tls --host NAME and midmirror serve",
    );
    output::note(format!(
        "keep a copy of {} offline: who has it can sign a new catalog",
        keys_dir.join("root.pem").display()
    ));
    Ok(Exit::Done)
}
