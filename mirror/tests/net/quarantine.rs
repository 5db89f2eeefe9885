//! Packages on their way into quarantine.

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::fetch::{FetchError, FetchOptions, fetch, import_file};
use midmirror_mirror::package::PackagePath;
use midmirror_mirror::plan::PlannedPackage;

use crate::fetch::{body, client};
use crate::mirror::CORE;
use crate::upstream::{Reply, Upstream};

#[tokio::test]
async fn package_goes_to_quarantine_once_and_is_fetched_again_when_it_changed() {
    let upstream = Upstream::start("127.0.0.1", |request, number| {
        let (bytes, tag) = if number < 2 { (body(), "\"one\"") } else { (b"replaced".to_vec(), "\"two\"") };
        match request.header("if-none-match") {
            Some(known) if known == tag => Reply::head("304 Not Modified", &[("ETag", tag)]),
            _ if request.method == "HEAD" => Reply::head("200 OK", &[("ETag", tag)]),
            _ => Reply::full(&bytes, &[("ETag", tag)]),
        }
    });
    let quarantine = tempfile::tempdir().unwrap();
    let planned = PlannedPackage::below(&upstream.base, PackagePath::parse(CORE).unwrap()).unwrap();
    let options = FetchOptions::new(jiff::Timestamp::UNIX_EPOCH);
    let client = client(&upstream);
    let first = fetch(&client, &planned, quarantine.path(), &options);
    let first: std::pin::Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(first);
    let first = first.await.unwrap();
    assert_eq!(first.sha256(), Sha256Digest::of(&body()));
    assert_eq!(std::fs::read(first.file()).unwrap(), body());
    assert!(first.file().ends_with("package.zip"));
    assert_eq!(first.record().source, planned.url().as_str());
    let again = fetch(&client, &planned, quarantine.path(), &options).await.unwrap();
    assert_eq!((again.sha256(), again.file()), (first.sha256(), first.file()));
    assert_eq!(upstream.requests()[1].method, "HEAD");
    let changed = fetch(&client, &planned, quarantine.path(), &options).await.unwrap();
    assert_eq!(changed.sha256(), Sha256Digest::of(b"replaced"));
    assert_eq!(std::fs::read_dir(quarantine.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn file_brought_by_hand_is_copied_and_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("brought.zip");
    std::fs::write(&file, body()).unwrap();
    let path = PackagePath::parse(CORE).unwrap();
    let quarantine = folder.path().join("quarantine");
    let mut options = FetchOptions::new(jiff::Timestamp::UNIX_EPOCH);
    let package = import_file(&file, path.clone(), &quarantine, &options).await.unwrap();
    std::fs::write(&file, b"changed afterwards").unwrap();
    assert_eq!((package.sha256(), package.length()), (Sha256Digest::of(&body()), 3_000_000));
    assert_eq!(std::fs::read(package.file()).unwrap(), body());
    assert!(package.record().source.starts_with("file:/"));

    options.expectation.sha256 = Some(Sha256Digest::of(b"other"));
    let error = import_file(&file, path.clone(), &quarantine, &options).await.unwrap_err();
    assert!(matches!(error, FetchError::WrongDigest { .. }), "{error:?}");
    for bad in [folder.path().to_owned(), folder.path().join("missing.zip")] {
        let error = import_file(&bad, path.clone(), &quarantine, &options).await.unwrap_err();
        assert!(matches!(error, FetchError::Io { .. }), "{error:?}");
    }
}
