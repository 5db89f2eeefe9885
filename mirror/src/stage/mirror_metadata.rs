//! The metadata files of a mirror, read over HTTPS.

use url::Url;

use crate::catalog::{BoxFuture, MetadataError, MetadataSource};
use crate::fetch::HttpClient;

/// The folder `repository/` of a mirror.
pub(crate) struct UrlSource {
    client: HttpClient,
    folder: Url,
}

impl UrlSource {
    pub(crate) fn new(client: HttpClient, folder: Url) -> Self {
        Self { client, folder }
    }
}

impl MetadataSource for UrlSource {
    fn fetch<'a>(&'a self, name: &'a str, max: u64) -> BoxFuture<'a, Result<Option<Vec<u8>>, MetadataError>> {
        Box::pin(async move {
            let shown = || format!("{}{name}", self.folder);
            let url = self
                .folder
                .join(name)
                .map_err(|e| MetadataError::Network { url: shown(), source: e.into() })?;
            self.client
                .get_small(&url, max)
                .await
                .map_err(|e| MetadataError::Network { url: shown(), source: e.into() })
        })
    }

    fn describe(&self) -> String {
        self.folder.to_string()
    }
}
