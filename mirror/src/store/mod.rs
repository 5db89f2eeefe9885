//! The store on disk (format 1).
