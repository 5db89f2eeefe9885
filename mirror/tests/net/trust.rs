//! The signed catalog over HTTPS: our server, our client, our trust.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use midmirror_mirror::catalog::{Lifetimes, SigningKeys, TrustError, TrustInputs, publish, trust};
use midmirror_mirror::fetch::{ClientConfig, HttpClient, RetryPolicy, Roots, UrlSource};
use midmirror_mirror::serve::{LoadedCatalog, ServeError, ServedStore};
use midmirror_mirror::store::Store;
use url::Url;

use crate::mirror::{Mirror, at};

async fn published() -> (Mirror, Vec<u8>, UrlSource) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(&folder.path().join("store"), at(0)).unwrap();
    let keys = SigningKeys::create(&folder.path().join("keys")).unwrap();
    let mut writer = store.write().unwrap();
    publish(&mut writer, &keys, Timestamp::now(), &Lifetimes::CONNECTED).unwrap();
    drop(writer);
    let root = std::fs::read(store.repository_dir().join("1.root.json")).unwrap();
    let served = ServedStore::trusting(&store, root.clone(), Timestamp::now);
    let unused = LoadedCatalog { expires: at(0), ..LoadedCatalog::default() };
    let mirror = Mirror::serve(folder, store, Arc::new(Mutex::new(unused)), served, |_| {}).await;
    let client = HttpClient::new(ClientConfig {
        roots: Roots::Only { pem: mirror.tls.ca_pem.clone().into_bytes() },
        retry: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
        ..ClientConfig::default()
    })
    .unwrap();
    let url = Url::parse(&format!("https://{}/repository", mirror.address)).unwrap();
    let source = UrlSource::new(client, &url);
    (mirror, root, source)
}

#[tokio::test]
async fn catalog_is_trusted_over_https_and_a_tampered_one_is_not() {
    let (mirror, root, source) = published().await;
    let inputs = TrustInputs { root: &root, state: None, now: Timestamp::now(), allow_expired: false };
    let catalog = trust(&source, &inputs).await.unwrap();
    assert_eq!(catalog.versions().timestamp, 1);
    assert_eq!(mirror.get("/healthz").await.status, 200);

    let path = mirror.store.repository_dir().join("timestamp.json");
    let tampered = std::fs::read_to_string(&path).unwrap().replace("\"version\": 1", "\"version\": 2");
    std::fs::write(&path, tampered).unwrap();
    let error = trust(&source, &inputs).await.unwrap_err();
    assert!(matches!(error, TrustError::NotTrusted { .. } | TrustError::Malformed { .. }), "{error:?}");
    assert_eq!(mirror.get("/healthz").await.status, 503);
}

#[tokio::test]
async fn mirror_that_is_away_is_unreachable_and_not_empty() {
    let (mut mirror, root, source) = published().await;
    drop(mirror.stop.take());
    mirror.server.take().unwrap().wait().await;
    let inputs = TrustInputs { root: &root, state: None, now: Timestamp::now(), allow_expired: false };
    let error = trust(&source, &inputs).await.unwrap_err();
    assert!(matches!(error, TrustError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn server_does_not_start_on_a_catalog_that_it_does_not_trust() {
    let (mirror, _, _) = published().await;
    let foreign = tempfile::tempdir().unwrap();
    let store = Store::create(&foreign.path().join("store"), at(0)).unwrap();
    let keys = SigningKeys::create(&foreign.path().join("keys")).unwrap();
    publish(&mut store.write().unwrap(), &keys, Timestamp::now(), &Lifetimes::CONNECTED).unwrap();
    let root = std::fs::read(store.repository_dir().join("1.root.json")).unwrap();
    let served = ServedStore::trusting(&mirror.store, root, Timestamp::now);
    let material = midmirror_mirror::serve::TlsMaterial {
        cert_pem: mirror.tls.server_cert_pem.clone().into_bytes(),
        key_pem: mirror.tls.server_key_pem.clone().into_bytes(),
    };
    let config = midmirror_mirror::serve::ServeConfig::new("127.0.0.1:0".parse().unwrap(), material);
    let error =
        midmirror_mirror::serve::Server::start(config, served, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, ServeError::Catalog { .. }), "{error:?}");
}
