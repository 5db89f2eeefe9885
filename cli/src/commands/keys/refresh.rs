//! `midmirror catalog refresh`: signs anew what is half over, so that an idle site never stops its fleet.

use midmirror_mirror::catalog::{Role, refresh};

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::output;

/// Renews what is due and says what is not renewed. Ends 9 if that should not wait.
pub(super) fn run(context: &Context) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let keys = context.signing_keys()?;
    let lifetimes = context.lifetimes(&store);
    let mut writer = store.write()?;
    let done = refresh(&mut writer, &keys, context::now(), &lifetimes)?;
    let names: Vec<&str> = done.renewed.iter().map(|role| role.as_str()).collect();
    output::data(match names.as_slice() {
        [] => "renewed  nothing: no metadata whose keys are here is due".to_owned(),
        names => format!("renewed  {}", names.join(", ")),
    });
    for blocked in &done.blocked {
        let word = if blocked.is_urgent { "URGENT" } else { "due" };
        output::data(format!(
            "{word:<8} {} metadata, expires {}: {}",
            blocked.role, blocked.expires, blocked.reason
        ));
    }
    output::note(format!("the catalog is valid until {}", done.publication.expires));
    if done.blocked.iter().any(|blocked| blocked.role == Role::Root) {
        output::note("next: midmirror keys renew-root begins a ceremony; deploy/README.md, Keys");
    }
    if done.blocked.iter().any(|blocked| blocked.role != Role::Root) {
        output::note(
            "next: run this where the missing keys are, or replace lost ones with the root keys: midmirror keys rotate ROLE",
        );
    }
    Ok(if done.blocked.iter().any(|blocked| blocked.is_urgent) { Exit::SomeFailed } else { Exit::Done })
}
