//! Changes of keys on the mirror: proposed, signed by the root keys that are here, published when enough have signed.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use midmirror_mirror::catalog::{
    KeyChange, KeyChangeError, NewKey, Proposal, PublicKey, Role, SignatureFile, SigningKeys, carry_out,
    read_public_key, short,
};
use midmirror_mirror::store::Store;

use super::arguments::{RotateArguments, Why};
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};
use crate::passphrase;

/// `keys rotate`.
pub(super) fn rotate(context: &Context, arguments: &RotateArguments) -> anyhow::Result<Exit> {
    let role = Role::from(arguments.role);
    let mut site = Site::open(context)?;
    let replace = |key| [KeyChange::Replace { role, key, old: arguments.old.clone() }];
    if let Some(file) = &arguments.new_key {
        let key = brought(context, &site, role, file)?;
        return site.propose(&replace(key), &arguments.why);
    }
    let new = NewKey::generate(arguments.algorithm.into())?;
    // A proposal that cannot be made leaves no key behind.
    let draft = site.draft(&replace(new.public().clone()), &arguments.why)?;
    let passphrase =
        passphrase::for_joining(context.passphrase_file.as_deref(), &site.keys, role == Role::Root)?;
    let file = site.keys.keep(role, new, passphrase.as_ref())?;
    output::data(format!("new key  {}", file.display()));
    site.begin(draft)
}

/// `keys add-root`.
pub(super) fn add_root(context: &Context, file: &Path, why: &Why) -> anyhow::Result<Exit> {
    let passphrase = passphrase::for_file(context.passphrase_file.as_deref(), file)?;
    let key = read_public_key(file, passphrase.as_ref())?;
    Site::open(context)?.propose(&[KeyChange::Add { role: Role::Root, key }], why)
}

/// `keys remove-root`.
pub(super) fn remove_root(context: &Context, id: &str, why: &Why) -> anyhow::Result<Exit> {
    let change = KeyChange::Remove { role: Role::Root, id: id.to_owned() };
    Site::open(context)?.propose(&[change], why)
}

/// `keys threshold`.
pub(super) fn threshold(
    context: &Context,
    role: Role,
    threshold: NonZeroU64,
    why: &Why,
) -> anyhow::Result<Exit> {
    Site::open(context)?.propose(&[KeyChange::Threshold { role, threshold }], why)
}

/// `keys renew-root`.
pub(super) fn renew_root(context: &Context) -> anyhow::Result<Exit> {
    let why = Why { reason: "renewal of the root metadata".to_owned() };
    Site::open(context)?.propose(&[KeyChange::Renew], &why)
}

/// `keys import-signature`.
pub(super) fn import(context: &Context, files: &[PathBuf]) -> anyhow::Result<Exit> {
    let site = Site::open(context)?;
    let mut proposal = site.under_way()?;
    for file in files {
        let unusable = || format!("nothing was taken of {}", file.display());
        let signatures = SignatureFile::read(file)?;
        let signers = signatures.add_to(&mut proposal).with_context(unusable)?;
        // What is said to be signed is kept, whatever the next file is.
        proposal.save(site.keys.folder())?;
        let signers: Vec<String> = signers.iter().map(|id| short(id)).collect();
        output::data(format!("signed   {} ({})", signers.join(", "), file.display()));
    }
    site.publish_if_signed(&proposal)
}

/// `keys finish`.
pub(super) fn finish(context: &Context) -> anyhow::Result<Exit> {
    let site = Site::open(context)?;
    let mut proposal = site.under_way()?;
    site.sign(&mut proposal)?;
    proposal.save(site.keys.folder())?;
    site.carry_out(&proposal)
}

/// `keys discard`.
pub(super) fn discard(context: &Context) -> anyhow::Result<Exit> {
    let folder = context.config.keys_dir();
    Proposal::discard(&folder)?;
    output::note(format!(
        "given up; key files that were made for it are still in {}, and of no effect",
        folder.display()
    ));
    Ok(Exit::Done)
}

/// A change that was not begun yet.
struct Draft {
    proposal: Proposal,
    /// A change was under way that it takes up.
    voids_earlier: bool,
}

/// A mirror whose keys are to change.
struct Site<'a> {
    context: &'a Context,
    store: Store,
    keys: SigningKeys,
}

impl<'a> Site<'a> {
    fn open(context: &'a Context) -> anyhow::Result<Self> {
        Ok(Self { store: context.store()?, keys: context.signing_keys()?, context })
    }

    fn propose(&self, changes: &[KeyChange], why: &Why) -> anyhow::Result<Exit> {
        self.begin(self.draft(changes, why)?)
    }

    /// What is to be proposed, together with what is under way. Nothing is written yet.
    fn draft(&self, changes: &[KeyChange], why: &Why) -> anyhow::Result<Draft> {
        let reason = why.reason.trim();
        if reason.is_empty() {
            return Err(coded(
                Exit::Usage,
                "--reason is empty",
                "say who wants it and why; the log keeps it",
            ));
        }
        let earlier = Proposal::load(self.keys.folder())?;
        let catalog = crate::commands::list::catalog(&self.store)?;
        let proposal = Proposal::new(
            self.store.id(),
            catalog.root_bytes(),
            earlier.as_ref(),
            changes,
            reason,
            context::now(),
            &self.context.lifetimes(&self.store),
        )?;
        Ok(Draft { proposal, voids_earlier: earlier.is_some() })
    }

    fn begin(&self, draft: Draft) -> anyhow::Result<Exit> {
        let Draft { mut proposal, voids_earlier } = draft;
        show(&proposal)?;
        self.sign(&mut proposal)?;
        proposal.save(self.keys.folder())?;
        if voids_earlier {
            output::note("together with the change that was under way; what was signed of that is void");
        }
        self.publish_if_signed(&proposal)
    }

    fn under_way(&self) -> anyhow::Result<Proposal> {
        let folder = self.keys.folder();
        let none = || KeyChangeError::NoProposal { folder: folder.to_owned() };
        Ok(Proposal::load(folder)?.ok_or_else(none)?)
    }

    fn sign(&self, proposal: &mut Proposal) -> anyhow::Result<()> {
        for file in self.keys.locked_of(Role::Root) {
            output::note(format!(
                "{} signs nothing: it is encrypted, and its passphrase was not given",
                file.display()
            ));
        }
        let roots: Vec<_> = self.keys.named(Role::Root).collect();
        for id in proposal.sign(&roots)? {
            output::data(format!("signed   {} (its key is here)", short(&id)));
        }
        Ok(())
    }

    fn publish_if_signed(&self, proposal: &Proposal) -> anyhow::Result<Exit> {
        let missing = proposal.missing();
        if missing.is_empty() {
            return self.carry_out(proposal);
        }
        for missing in &missing {
            let ids: Vec<String> = missing.may_sign.iter().map(|id| short(id)).collect();
            output::data(format!(
                "missing  version {} has {} of {} signatures; still to sign: {}",
                missing.version,
                missing.have,
                missing.needed,
                ids.join(", ")
            ));
        }
        output::note("nothing is published yet; the catalog stays as it is");
        output::note(
            "next: midmirror keys export-unsigned --output FILE; each holder: midmirror keys sign FILE --key KEY --output SIG; \
             then here: midmirror keys import-signature SIG…",
        );
        Ok(Exit::Done)
    }

    fn carry_out(&self, proposal: &Proposal) -> anyhow::Result<Exit> {
        let lifetimes = self.context.lifetimes(&self.store);
        let mut writer = self.store.write()?;
        let done = carry_out(&mut writer, &self.keys, proposal, context::now(), &lifetimes)?;
        Proposal::discard(self.keys.folder())?;
        for change in &done.changes {
            output::data(format!("changed  {}", change.in_words()));
        }
        let names: Vec<&str> = done.renewed.iter().map(|role| role.as_str()).collect();
        if !names.is_empty() {
            output::data(format!("renewed  {}", names.join(", ")));
        }
        output::note(format!(
            "root metadata version {} is published; hosts take it up with their next look",
            done.publication.versions.root
        ));
        let removed: Vec<&String> = done.changes.iter().flat_map(|change| &change.removed).collect();
        for (_, path, key) in self.keys.public_keys().filter(|(_, _, key)| removed.contains(&&key.id())) {
            output::note(format!(
                "{} ({}) is of no effect any more: destroy it",
                path.display(),
                short(&key.id())
            ));
        }
        output::note(
            "next: midmirror keys status; keep a copy of new keys, and move new root keys to their holders",
        );
        Ok(Exit::Done)
    }
}

/// A key that was made elsewhere. Online keys have to come here as a whole.
fn brought(context: &Context, site: &Site<'_>, role: Role, file: &Path) -> anyhow::Result<PublicKey> {
    let passphrase = passphrase::for_file(context.passphrase_file.as_deref(), file)?;
    let key = read_public_key(file, passphrase.as_ref())?;
    let is_here = site.keys.public_keys().any(|(_, _, known)| known.id() == key.id());
    if role != Role::Root && !is_here {
        return Err(coded(
            Exit::Usage,
            format!("{} is not among the keys in {}", file.display(), site.keys.folder().display()),
            format!(
                "put the private key there as {role}-NAME.pem (mode 0600) first: the catalog is signed with it at once"
            ),
        ));
    }
    Ok(key)
}

/// What a proposal is for and what it changes, for people to compare.
pub(super) fn show(proposal: &Proposal) -> anyhow::Result<()> {
    output::data(format!("store    {}", printable(proposal.store_id())));
    output::data(format!("reason   {}", printable(proposal.reason())));
    for (version, expires, changes) in proposal.changes() {
        output::data(format!("version  {version} of the root metadata, valid until {expires}"));
        if changes.is_empty() {
            output::data("         the same keys");
        }
        for change in changes {
            output::data(format!("         {}", change.in_words()));
        }
    }
    output::data("after it");
    for (role, threshold, ids) in proposal.outcome() {
        let short: Vec<String> = ids.iter().map(|id| short(id)).collect();
        output::data(format!("         {role}: {threshold} of {}: {}", ids.len(), short.join(", ")));
    }
    output::data(format!("digest   {}", proposal.digest()?));
    Ok(())
}
