//! The part of a ceremony that happens with the holders of root keys: no store, no network.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use midmirror_mirror::catalog::{KeyChangeError, Proposal, RoleKey, SignatureFile, read_private_key, short};
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
    let bytes = read(&arguments.file)?;
    let proposal = Proposal::parse(&bytes)?;
    show(&proposal)?;
    confirm(&proposal.digest()?.to_hex(), arguments.digest.as_deref())?;
    let mut keys = Vec::new();
    for file in &arguments.keys {
        let passphrase = passphrase::for_file(context.passphrase_file.as_deref(), file)?;
        keys.push(read_private_key(file, passphrase.as_ref())?);
    }
    let keys: Vec<&RoleKey> = keys.iter().collect();
    let signatures = SignatureFile::sign(&proposal, &keys)?;
    write_new(&arguments.output, &signatures.to_json()?)?;
    for key in keys {
        output::data(format!("signed   {}", short(&key.public().id())));
    }
    output::data(format!("file     {}", arguments.output.display()));
    output::note("it holds no secret; on the mirror: midmirror keys import-signature FILE");
    Ok(Exit::Done)
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

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let failed = |source| KeyChangeError::Read { path: file.to_owned(), source };
    let length = std::fs::metadata(file).map_err(failed)?.len();
    if length > 1024 * 1024 {
        return Err(coded(
            Exit::Usage,
            format!("{} is too long for a proposal", file.display()),
            "it is what `midmirror keys export-unsigned` wrote",
        ));
    }
    Ok(std::fs::read(file).map_err(failed)?)
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
