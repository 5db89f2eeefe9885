//! The agent folder on a MID host: what is installed, assigned, missing and waiting in `package/incoming`.
//!
//! ```text
//! AgentHome::open → inventory → AgentState → wanted → (stage)
//! ```

mod config;
mod error;
mod file;
mod home;
mod inventory;
mod log;
mod properties;
#[cfg(test)]
pub(crate) mod sample;
mod wanted;
mod withdrawn;

pub use config::{AgentConfig, ConfigError};
pub use error::AgentError;
pub use home::AgentHome;
pub use inventory::{AgentNote, AgentState, IncomingFile, inventory};
pub use log::{AgentLog, AgentLogError, LogTime, MAX_LOG_BYTES, NameList, PackageBlock};
pub use wanted::{
    NotForHost, RefusedName, Wanted, WantedError, WantedPackage, fits_host, needed, wanted, wanted_for_build,
};
