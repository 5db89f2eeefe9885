//! The agent folder on a MID host: what is installed, assigned, missing and waiting in `package/incoming`.

mod log;

pub use log::{AgentLog, AgentLogError, LogTime, MAX_LOG_BYTES, NameList, PackageBlock};
