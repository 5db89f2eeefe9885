//! Says of a signed ZIP what `jarsigner -verify` would say.
