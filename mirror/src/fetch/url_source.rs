//! A catalog on a web server: that of another mirror, or the one this host was enrolled with.

use url::Url;

use super::client::HttpClient;
use super::error::FetchError;
use crate::catalog::{BoxFuture, MetadataError, MetadataSource};

/// Reads the metadata files below a URL, for instance `https://mirror.example/repository/`.
#[derive(Debug, Clone)]
pub struct UrlSource {
    client: HttpClient,
    folder: Url,
}

impl UrlSource {
    /// Takes the URL of the folder; a missing slash at its end is added.
    pub fn new(client: HttpClient, folder: &Url) -> Self {
        let mut folder = folder.clone();
        if !folder.path().ends_with('/') {
            let path = format!("{}/", folder.path());
            folder.set_path(&path);
        }
        Self { client, folder }
    }
}

impl MetadataSource for UrlSource {
    fn fetch<'a>(&'a self, name: &'a str, max: u64) -> BoxFuture<'a, Result<Option<Vec<u8>>, MetadataError>> {
        Box::pin(async move {
            let url = self.folder.join(name).map_err(|error| MetadataError::Network {
                url: format!("{}{name}", self.folder),
                source: Box::new(error),
            })?;
            match self.client.get_small(&url, max).await {
                Ok(document) => Ok(document),
                Err(FetchError::TooLarge { limit, .. }) => {
                    Err(MetadataError::TooLong { name: name.to_owned(), max: limit })
                }
                Err(error) => Err(MetadataError::Network { url: url.to_string(), source: Box::new(error) }),
            }
        })
    }

    fn describe(&self) -> String {
        self.folder.to_string()
    }
}
