//! Withdrawn packages that a host has already.

use super::file::open_regular;
use super::home::AgentHome;
use super::inventory::{AgentNote, AgentState};
use crate::Sha256Digest;
use crate::withdraw::{WithdrawnPackage, withdrawn_name};

impl AgentState {
    /// Adds a note for every package that is installed or waits in incoming although it was withdrawn.
    ///
    /// What waits is told by its bytes, each file being read for that. Of what is installed only the name is known.
    pub fn note_withdrawn(&mut self, home: &AgentHome, withdrawn: &[WithdrawnPackage]) {
        if withdrawn.is_empty() {
            return;
        }
        let mut notes = Vec::new();
        for name in &self.installed {
            notes.extend(withdrawn_name(withdrawn, name).map(|package| AgentNote::InstalledWithdrawn {
                package: name.clone(),
                at: package.at,
                reason: package.reason.clone(),
            }));
        }
        for file in self.incoming.iter().filter(|file| file.is_file) {
            // What is gone by now, or cannot be read, is no longer waiting, or stage says so.
            let Ok(Some((opened, _))) = open_regular(&home.incoming().join(&file.name)) else { continue };
            let Ok(digest) = Sha256Digest::of_reader(opened) else { continue };
            let package = withdrawn.iter().find(|package| package.sha256 == digest);
            notes.extend(package.map(|package| AgentNote::WaitingWithdrawn {
                file: file.name.clone(),
                at: package.at,
                reason: package.reason.clone(),
            }));
        }
        self.notes.extend(notes);
    }
}
