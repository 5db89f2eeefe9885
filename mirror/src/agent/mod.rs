//! The agent folder on a MID host: what is installed, assigned, missing and waiting in `package/incoming`.
