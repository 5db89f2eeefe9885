//! Key files: made, encrypted, decrypted.

use std::path::{Path, PathBuf};

use midmirror_mirror::catalog::{KeyAlgorithm, is_encrypted_key, rewrite_key, write_new_key};

use super::arguments::NewKeysArguments;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;
use crate::passphrase;

/// `keys init`.
pub(super) fn init(context: &Context, wanted: &NewKeysArguments) -> anyhow::Result<Exit> {
    let keys = crate::commands::init::create(context, wanted)?;
    output::data(format!("keys     {}", keys.folder().display()));
    for (role, _, key) in keys.public_keys() {
        output::data(format!("{role:<9}{}", key.id()));
    }
    output::note("next: midmirror init, with the same --root-threshold if one was given");
    Ok(Exit::Done)
}

/// `keys new`.
pub(super) fn new(
    context: &Context,
    file: &Path,
    algorithm: KeyAlgorithm,
    encrypt: bool,
) -> anyhow::Result<Exit> {
    let passphrase = match encrypt {
        true => Some(passphrase::for_new_keys(context.passphrase_file.as_deref())?),
        false => None,
    };
    let key = write_new_key(file, algorithm, passphrase.as_ref())?;
    output::data(format!("key      {} ({algorithm})", key.id()));
    output::data(format!("private  {}", file.display()));
    output::data(format!("public   {}.pub", file.display()));
    output::note(format!(
        "the private key stays with its holder; {}.pub goes to the mirror: midmirror keys add-root",
        file.display()
    ));
    Ok(Exit::Done)
}

/// `keys encrypt`.
pub(super) fn encrypt(context: &Context, files: &[PathBuf]) -> anyhow::Result<Exit> {
    let files = match files {
        [] => all(&context.config.keys_dir())?,
        files => files.to_vec(),
    };
    let plain: Vec<&PathBuf> = files.iter().filter(|file| !is_encrypted_key(file)).collect();
    if plain.is_empty() {
        output::note("all of them are encrypted already");
        return Ok(Exit::Done);
    }
    let passphrase = passphrase::for_new_keys(context.passphrase_file.as_deref())?;
    for file in plain {
        rewrite_key(file, None, Some(&passphrase))?;
        output::data(format!("encrypted  {}", file.display()));
    }
    output::note("copies in backups are still plain: replace them");
    Ok(Exit::Done)
}

/// `keys decrypt`.
pub(super) fn decrypt(context: &Context, files: &[PathBuf]) -> anyhow::Result<Exit> {
    for file in files {
        let passphrase = passphrase::for_file(context.passphrase_file.as_deref(), file)?;
        rewrite_key(file, passphrase.as_ref(), None)?;
        output::data(format!("plain      {}", file.display()));
    }
    Ok(Exit::Done)
}

fn all(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "pem")).collect();
    files.sort();
    if files.is_empty() {
        return Err(coded(
            Exit::Usage,
            format!("there are no keys in {}", folder.display()),
            "name the files, or the folder with `keys` in the configuration",
        ));
    }
    Ok(files)
}
