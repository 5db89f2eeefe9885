//! Staging packages into `agent/package/incoming`.
