//! Serving the store over HTTPS under the vendor's own paths.
