//! Everything of `midmirror-import`, also there as `midmirror host …`.

pub(crate) mod arguments;
mod enrol;
mod stage;
mod status;

use crate::exit::Exit;

use arguments::HostCommand;
pub(crate) use enrol::read_trust_file;
pub(crate) use stage::{client_of, of_trust};

/// Runs one command; `offline` forbids every access to a mirror.
pub(crate) fn run(command: HostCommand, offline: bool) -> anyhow::Result<Exit> {
    match command {
        HostCommand::Enrol(arguments) => enrol::run(&arguments),
        HostCommand::Status(arguments) => status::run(&arguments),
        HostCommand::Stage(arguments) => stage::run(&arguments, offline),
    }
}
