//! `midmirror keys` and `midmirror catalog`.

pub(crate) mod arguments;
mod ceremony;
mod files;
mod offline;
mod refresh;
mod status;
mod store_key;

use midmirror_mirror::catalog::{Role, SigningKeys};

use arguments::{CatalogCommand, KeysCommand};

use crate::context::Context;
use crate::exit::Exit;
use crate::output;

/// Runs one of the `keys` commands. Some need neither configuration nor store.
pub(crate) fn run(
    context: impl FnOnce() -> anyhow::Result<Context>,
    command: &KeysCommand,
) -> anyhow::Result<Exit> {
    match command {
        KeysCommand::Init(wanted) => files::init(&context()?, wanted),
        KeysCommand::New { file, algorithm, encrypt } => {
            files::new(&context()?, file, (*algorithm).into(), *encrypt)
        }
        KeysCommand::Status { json } => status::run(&context()?, *json),
        KeysCommand::Holder { id, name } => status::note_holder(&context()?, id, name),
        KeysCommand::Rotate(arguments) => ceremony::rotate(&context()?, arguments),
        KeysCommand::RotateStore { why } => store_key::rotate(&context()?, why),
        KeysCommand::AddRoot { key, why } => ceremony::add_root(&context()?, key, why),
        KeysCommand::RemoveRoot { id, why } => ceremony::remove_root(&context()?, id, why),
        KeysCommand::Threshold { role, threshold, why } => {
            ceremony::threshold(&context()?, (*role).into(), *threshold, why)
        }
        KeysCommand::RenewRoot => ceremony::renew_root(&context()?),
        KeysCommand::ExportUnsigned { output } => offline::export(&context()?, output),
        KeysCommand::Sign(arguments) => offline::sign(&context()?, arguments),
        KeysCommand::ImportSignature { files } => ceremony::import(&context()?, files),
        KeysCommand::Finish => ceremony::finish(&context()?),
        KeysCommand::Discard => ceremony::discard(&context()?),
        KeysCommand::Encrypt { files } => files::encrypt(&context()?, files),
        KeysCommand::Decrypt { files } => files::decrypt(&context()?, files),
    }
}

/// Runs one of the `catalog` commands.
pub(crate) fn catalog(context: &Context, command: &CatalogCommand) -> anyhow::Result<Exit> {
    match command {
        CatalogCommand::Refresh => refresh::run(context),
    }
}

/// After the first publication: where the root keys belong.
pub(super) fn advise_holders(keys: &SigningKeys) {
    let roots: Vec<_> = keys.public_keys().filter(|(role, ..)| *role == Role::Root).collect();
    let folder = keys.folder().display();
    if roots.len() == 1 {
        output::note(format!(
            "WARNING: there is ONE root key ({folder}/root.pem), and it alone can replace all other keys. If it is lost or \
             stolen, every host must be enrolled again. Keep it offline, with a copy; or make three: midmirror keys add-root"
        ));
        return;
    }
    output::note(format!(
        "{} of {} root keys are needed to change keys, and none for daily work. Now move each of {folder}/root-*.pem \
         to another holder, offline, and away from here; midmirror keys status shows what is left",
        keys.first_root_threshold(),
        roots.len()
    ));
}
