//! Where the passphrase of encrypted keys comes from: a file, the environment, the service manager, or the terminal.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use midmirror_mirror::catalog::{Keeping, Passphrase, SigningKeys, is_encrypted_key};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::failure::coded;
use crate::private_file::refuse_open_mode;

/// The passphrase for a folder of keys; none if no key in it is encrypted, or if nobody can be asked.
pub(crate) fn for_folder(file: Option<&Path>, folder: &Path) -> anyhow::Result<Option<Passphrase>> {
    if let Some(given) = given(file)? {
        return Ok(Some(given));
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_encrypted = entries.map(|entry| entry.path()).any(|path| is_encrypted_key(&path));
    if !is_encrypted || !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let prompt = format!("Passphrase of the keys in {} (Enter: go on without): ", folder.display());
    Ok(Passphrase::new(ask(&prompt)?.as_bytes()))
}

/// The passphrase for one key file; none if it is not encrypted, or if nobody can be asked.
pub(crate) fn for_file(file: Option<&Path>, key: &Path) -> anyhow::Result<Option<Passphrase>> {
    if !is_encrypted_key(key) {
        return Ok(None);
    }
    if let Some(given) = given(file)? {
        return Ok(Some(given));
    }
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    Ok(Passphrase::new(ask(&format!("Passphrase of {}: ", key.display()))?.as_bytes()))
}

/// The passphrase for a new key that joins those of a folder; none if those are not encrypted either.
pub(crate) fn for_joining(
    file: Option<&Path>,
    keys: &SigningKeys,
    is_root: bool,
) -> anyhow::Result<Option<Passphrase>> {
    match keys.keeping(is_root)? {
        Keeping::Plain => Ok(None),
        Keeping::Encrypted => for_new_keys(file).map(Some),
        Keeping::Under(passphrase) => Ok(Some(passphrase.clone())),
    }
}

/// The passphrase under which keys are to be encrypted.
pub(crate) fn for_new_keys(file: Option<&Path>) -> anyhow::Result<Passphrase> {
    if let Some(given) = given(file)? {
        return Ok(given);
    }
    if !std::io::stdin().is_terminal() {
        return Err(coded(
            Exit::Usage,
            "no passphrase was given for new keys",
            format!("--passphrase-file FILE, or {VARIABLE} in the environment, or a terminal"),
        ));
    }
    let first = ask("New passphrase for the keys: ")?;
    if first != ask("Once more: ")? {
        return Err(coded(Exit::Usage, "the two passphrases differ", "nothing was written; try again"));
    }
    Passphrase::new(first.as_bytes()).ok_or_else(empty)
}

/// What was given without asking.
fn given(file: Option<&Path>) -> anyhow::Result<Option<Passphrase>> {
    if let Some(file) = file {
        return read(file).map(Some);
    }
    if let Some(text) = std::env::var_os(VARIABLE) {
        return Passphrase::new(text.as_encoded_bytes()).map(Some).ok_or_else(empty);
    }
    let credential =
        std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(CREDENTIAL));
    credential.filter(|file| file.exists()).map(|file| read(&file)).transpose()
}

fn read(file: &Path) -> anyhow::Result<Passphrase> {
    let failed = || format!("failed to read the passphrase file {}", file.display());
    let opened = std::fs::File::open(file).with_context(failed)?;
    refuse_open_mode("passphrase file", file, &opened)?;
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST));
    opened.take(4096).read_to_end(&mut text).with_context(failed)?;
    Passphrase::new(&text).ok_or_else(empty)
}

fn ask(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).context("failed to ask for the passphrase")
}

fn empty() -> anyhow::Error {
    coded(
        Exit::Usage,
        "the passphrase is empty, longer than 1,024 bytes, or has more than one line",
        format!("one line of text, in the file of --passphrase-file, in {VARIABLE}, or typed"),
    )
}

/// Room for what is read at once: what grows leaves copies of itself behind.
const LONGEST: usize = 4096 + 1;
const VARIABLE: &str = "MIDMIRROR_KEY_PASSPHRASE";
/// `LoadCredential=midmirror-key-passphrase:…` or `LoadCredentialEncrypted=` in a unit.
const CREDENTIAL: &str = "midmirror-key-passphrase";
