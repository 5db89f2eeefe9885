//! `midmirror keys rotate-store`: another key for the store.

use midmirror_mirror::catalog::{SigningKeys, change_store_key};

use super::arguments::Why;
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;
use crate::passphrase;

/// Makes the key and lets log and catalog go on with it.
pub(super) fn rotate(context: &Context, why: &Why) -> anyhow::Result<Exit> {
    let reason = why.reason.trim();
    if reason.is_empty() {
        return Err(coded(Exit::Usage, "--reason is empty", "say who wants it and why; the log keeps it"));
    }
    let store = context.store()?;
    let folder = context.config.keys_dir();
    // Before anything is replaced: the catalog has to be signed with it at once.
    let keys = context.keys_to_publish(&store)?;
    let catalog = crate::commands::list::catalog(&store)?;
    let lifetimes = context.lifetimes(&store);
    let mut writer = store.write()?;
    let named = catalog.store().map(|store| store.key);
    // A key that the catalog does not name yet is one whose change was interrupted.
    let is_new = keys.store().is_some_and(|key| Some(*key.public()) != named);
    if !is_new {
        let passphrase = passphrase::for_joining(context.passphrase_file.as_deref(), &keys, false)?;
        SigningKeys::renew_store_key(&folder, passphrase.as_ref())?;
    }
    let keys = context.signing_keys()?;
    let publication = change_store_key(&mut writer, &keys, reason, context::now(), &lifetimes)?;
    let id = keys.store().map(|key| key.id().to_hex()).unwrap_or_default();
    output::data(format!("store key  {id}"));
    output::data(format!("catalog    version {}", publication.versions.targets));
    output::note(
        "the log goes on under its name; keep its new checkpoint elsewhere: midmirror log checkpoint. Who verifies SHA256SUMS \
         needs the new midmirror.pub",
    );
    Ok(Exit::Done)
}
