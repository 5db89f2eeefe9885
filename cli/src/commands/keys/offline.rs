//! The part of a ceremony that happens with the holders of root keys: no store, no network.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use midmirror_mirror::catalog::{
    CatalogError, KeyChangeError, Proposal, RoleKey, SignatureFile, read_private_key, short,
};
use midmirror_mirror::store::durable::{self, FileMode};

use super::arguments::SignArguments;
use super::ceremony::show;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;
use crate::passphrase;

/// `keys export-unsigned`.
pub(super) fn export(context: &Context, file: &Path) -> anyhow::Result<Exit> {
    let folder = context.config.keys_dir();
    let none = || KeyChangeError::NoProposal { folder: folder.clone() };
    let proposal = Proposal::load(&folder)?.ok_or_else(none)?;
    write_new(file, &proposal.to_json()?)?;
    show(&proposal)?;
    output::data(format!("file     {}", file.display()));
    output::note(
        "bring the file to the holders of root keys, and read the digest out over another channel; each of them: \
         midmirror keys sign FILE --key KEY --output SIG",
    );
    Ok(Exit::Done)
}

/// `keys sign`.
pub(super) fn sign(context: &Context, arguments: &SignArguments) -> anyhow::Result<Exit> {
    let proposal = Proposal::read(&arguments.file)?;
    show(&proposal)?;
    confirm(&proposal.digest()?.to_hex(), arguments.digest.as_deref())?;
    let mut keys = Vec::new();
    for file in &arguments.keys {
        let passphrase = passphrase::for_file(context.passphrase_file.as_deref(), file)?;
        keys.push(read_private_key(file, passphrase.as_ref()).map_err(|error| not_there(error, file))?);
    }
    let keys: Vec<&RoleKey> = keys.iter().collect();
    let signatures = SignatureFile::sign(&proposal, &keys)?;
    write_new(&arguments.output, &signatures.to_json()?)?;
    let signers: BTreeSet<String> = keys.iter().map(|key| short(&key.public().id())).collect();
    for signer in signers {
        output::data(format!("signed   {signer}"));
    }
    output::data(format!("file     {}", arguments.output.display()));
    output::note("it holds no secret; on the mirror: midmirror keys import-signature FILE");
    Ok(Exit::Done)
}

/// The holder of a root key has no folder of keys to be told of.
fn not_there(error: CatalogError, file: &Path) -> anyhow::Error {
    match &error {
        CatalogError::KeyFile { source, .. } if source.kind() == std::io::ErrorKind::NotFound => coded(
            Exit::Usage,
            format!("{} is not there", file.display()),
            "nothing was signed; --key names the private root key of who signs",
        ),
        _ => error.into(),
    }
}

fn write_new(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    match durable::write_new(file, bytes, FileMode::Shared) {
        Err(error) if error.is_already_there() => Err(coded(
            Exit::Usage,
            format!("{} is there already", file.display()),
            "name another file with --output: nothing is overwritten in a ceremony",
        )),
        written => Ok(written?),
    }
}

/// Whoever signs has to know what, from another channel than the file.
fn confirm(digest: &str, expected: Option<&str>) -> anyhow::Result<()> {
    if let Some(expected) = expected {
        let expected = expected.to_ascii_lowercase();
        if expected.len() >= 16 && digest.starts_with(&expected) {
            return Ok(());
        }
        return Err(coded(
            Exit::CatalogNotTrusted,
            format!("the digest of the proposal is {digest}, not {expected}"),
            "nothing was signed; ask on the mirror what `midmirror keys export-unsigned` printed (16 digits or more)",
        ));
    }
    if std::io::stdin().is_terminal() {
        output::note("Is this what was agreed on, and the digest the one you were told? Type yes to sign:");
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if answer.trim() == "yes" {
            return Ok(());
        }
        return Err(coded(Exit::Usage, "nothing was signed", "type yes, in full, to sign"));
    }
    Err(coded(
        Exit::Usage,
        "nobody has confirmed what is to be signed",
        "--digest HEX, as `midmirror keys export-unsigned` printed it and as it was read out to you",
    ))
}
