//! The whole way from a source into an agent's `package/incoming`, with a store made for the test.

mod site;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Mutex;

use super::error::PackageError as Problem;
use super::incoming::Incoming;
use super::{
    AgentHome, Label, PackageName, Sha256Digest, Source, SourceError, StageError, StageInputs, check_space,
    judge, stage,
};
use crate::agent::{inventory, wanted};
use crate::fetch::{ClientConfig, HttpClient};
use crate::package::{PackagePath, Tree};
use crate::store::testing::at;
use site::{
    CORE, Site, UPGRADE, content, copy_folder, outcomes, overwrite, package, reads_the_copy, serve_files,
};

#[tokio::test]
async fn wanted_packages_land_in_incoming_and_a_second_run_changes_nothing() {
    let site = Site::new();
    fs::set_permissions(site.incoming(), fs::Permissions::from_mode(0o750)).unwrap();
    let report = site.stage().await;
    assert_eq!(outcomes(&report), ["staged", "staged"]);
    assert!(report.is_complete() && report.catalog);
    assert_eq!(report.items.first().unwrap().name, package(UPGRADE), "in the order of the agent's list");
    let files = site.files();
    assert_eq!(
        files.keys().map(String::as_str).collect::<Vec<_>>(),
        [format!("{CORE}.zip"), format!("{UPGRADE}.zip")]
    );
    assert_eq!(files.get(&format!("{CORE}.zip")).unwrap().0, content(CORE));
    let metadata = fs::metadata(site.incoming().join(package(CORE).as_str())).unwrap();
    let folder = fs::metadata(site.incoming()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
    assert_eq!((metadata.uid(), metadata.gid()), (folder.uid(), folder.gid()));
    assert_eq!(site.private_copies(), 0);

    let again = site.stage().await;
    assert_eq!(outcomes(&again), ["already-there", "already-there"]);
    assert!(again.is_complete());
    assert_eq!(site.files(), files);
}

#[tokio::test]
async fn changed_bytes_of_the_store_are_refused() {
    let site = Site::new();
    let mut bytes = content(CORE);
    *bytes.first_mut().unwrap() ^= 1;
    overwrite(&site.blob(CORE), &bytes);
    overwrite(&site.blob(UPGRADE), b"short");
    let report = site.stage().await;
    assert_eq!(outcomes(&report), ["refused", "refused"]);
    let errors: Vec<_> = report.items.iter().filter_map(|item| item.outcome.error()).collect();
    assert!(
        matches!(errors.as_slice(), [Problem::Length { found: 5, .. }, Problem::Digest { .. }]),
        "{errors:?}"
    );
    assert!(!report.is_complete() && site.files().is_empty());
    assert_eq!(site.private_copies(), 0);
}

#[tokio::test]
async fn package_that_fails_its_check_is_not_staged_and_the_other_one_is() {
    let site = Site::new();
    let source = site.source(site.store.store.root_dir()).await;
    let verify = |_: &Path, name: &PackageName, _| {
        if *name == package(CORE) { Err("the signature does not hold".into()) } else { Ok(()) }
    };
    let report = site.stage_from(&source, &verify).await.unwrap();
    assert_eq!(outcomes(&report), ["staged", "refused"]);
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains("its check failed: the signature does not hold"), "{json}");
    assert_eq!(site.files().len(), 1);
}

#[tokio::test]
async fn copy_that_is_changed_after_its_check_is_not_staged() {
    let site = Site::new();
    let source = site.source(site.store.store.root_dir()).await;
    let verify = |copy: &Path, _: &PackageName, _| {
        fs::write(copy, b"evil").unwrap();
        Ok(())
    };
    let report = site.stage_from(&source, &verify).await.unwrap();
    assert_eq!(outcomes(&report), ["refused", "refused"]);
    assert!(site.files().is_empty());
}

#[tokio::test]
async fn file_with_other_bytes_is_never_overwritten() {
    for bytes in [b"other".to_vec(), content(UPGRADE).into_iter().take(content(CORE).len()).collect()] {
        let site = Site::new();
        site.agent.incoming(package(CORE).as_str(), &bytes);
        let before = site.files();
        let report = site.stage().await;
        assert_eq!(outcomes(&report), ["staged", "refused"]);
        let error = report.items.last().unwrap().outcome.error();
        assert!(matches!(error, Some(Problem::Conflict { .. })), "{error:?}");
        let key = format!("{CORE}.zip");
        assert_eq!(site.files().get(&key), before.get(&key));
    }
}

#[tokio::test]
async fn links_in_incoming_lead_nowhere() {
    let site = Site::new();
    let victim = site.store.beside("victim");
    fs::write(&victim, b"precious").unwrap();
    symlink(&victim, site.incoming().join(package(CORE).as_str())).unwrap();
    let digest: String = Sha256Digest::of(&content(UPGRADE)).to_hex().chars().take(16).collect();
    symlink(&victim, site.incoming().join(format!(".midmirror-{digest}.part"))).unwrap();
    let report = site.stage().await;
    assert_eq!(outcomes(&report), ["staged", "refused"]);
    assert_eq!(report.leftovers_removed, 1);
    assert!(matches!(report.items.last().unwrap().outcome.error(), Some(Problem::NotAFile { .. })));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

#[tokio::test]
async fn folder_exchanged_for_a_link_after_it_was_opened_is_refused() {
    let site = Site::new();
    let home = AgentHome::open(site.agent.path()).unwrap();
    let wanted = wanted(&inventory(&home).unwrap()).unwrap();
    fs::remove_dir(site.incoming()).unwrap();
    symlink(site.store.beside(""), site.incoming()).unwrap();
    let source = &site.source(site.store.store.root_dir()).await;
    let enrolment = &site.enrolment;
    let inputs = StageInputs {
        home: &home,
        wanted: &wanted,
        enrolment,
        source,
        verify: &reads_the_copy,
        progress: &|_, _| {},
    };
    assert!(matches!(stage(&inputs).await, Err(StageError::NotAFolder { .. })));
}

#[tokio::test]
async fn files_belong_to_the_owner_of_the_folder() {
    let site = Site::new();
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    std::os::unix::fs::chown(site.incoming(), Some(4711), Some(4712)).unwrap();
    assert!(site.stage().await.is_complete());
    let metadata = fs::metadata(site.incoming().join(package(CORE).as_str())).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (4711, 4712));
}

#[tokio::test]
async fn missing_incoming_is_made_like_its_parent() {
    let site = Site::new();
    fs::remove_dir(site.incoming()).unwrap();
    let package_folder = site.agent.path().join("package");
    fs::set_permissions(&package_folder, fs::Permissions::from_mode(0o770)).unwrap();
    assert!(site.stage().await.is_complete());
    assert_eq!(fs::metadata(site.incoming()).unwrap().permissions().mode() & 0o777, 0o770);
}

#[tokio::test]
async fn leftovers_of_a_killed_run_are_removed() {
    let site = Site::new();
    site.agent.incoming(".midmirror-0123456789abcdef.part", b"half");
    site.agent.incoming(".midmirror-notes.txt", b"somebody's");
    let staging = site.enrolment.staging_dir();
    fs::create_dir_all(&staging).unwrap();
    fs::write(staging.join("old.part"), b"half").unwrap();
    let report = site.stage().await;
    assert!(report.is_complete());
    assert_eq!(report.leftovers_removed, 1);
    assert!(site.files().contains_key(".midmirror-notes.txt"));
    assert_eq!(site.private_copies(), 0);
}

#[tokio::test]
async fn what_the_catalog_does_not_list_is_reported() {
    let site = Site::new();
    site.agent.log(&[CORE, "mid-jre.NEW.linux.x86-64", "mid-jre.NEW.windows.x86-64", "bad name"]);
    let report = site.stage().await;
    assert_eq!(outcomes(&report), ["staged", "not-in-catalog"]);
    assert_eq!(report.refused_for_host.len(), 1, "the other platform's Java");
    assert_eq!(report.unreadable, ["bad name.zip"]);
    assert!(!report.is_complete());
}

#[tokio::test]
async fn unchecked_and_too_large_offers_do_not_get_in() {
    let site = Site::new();
    let incoming = Incoming::open(&AgentHome::open(site.agent.path()).unwrap()).unwrap();
    let source = site.source(site.store.store.root_dir()).await;
    let mut offer = source.find(&package(CORE)).unwrap().unwrap();
    assert!(!judge(&incoming, &offer).unwrap());
    offer.label = Some(Label::SignatureNotChecked);
    assert!(matches!(judge(&incoming, &offer), Err(Problem::NotChecked)));
    offer.length = 1 << 60;
    let error = check_space(&incoming, site.enrolment.state_dir(), &[offer]).unwrap_err();
    assert!(matches!(error, StageError::NoSpace { .. }), "{error}");
}

#[tokio::test]
async fn plain_folder_works_without_catalog_and_says_so() {
    let site = Site::new();
    let folder = site.store.beside("packages");
    let path = PackagePath::new(Tree::Signed, &package(CORE)).unwrap();
    let deep = folder.join(path.as_str());
    fs::create_dir_all(deep.parent().unwrap()).unwrap();
    fs::write(&deep, content(CORE)).unwrap();
    fs::write(folder.join(package(UPGRADE).as_str()), content(UPGRADE)).unwrap();
    let checked = Mutex::new(0);
    let verify = |copy: &Path, name: &PackageName, sha256| {
        *checked.lock().unwrap() += 1;
        reads_the_copy(copy, name, sha256)
    };
    let source = site.source(&folder).await;
    let report = site.stage_from(&source, &verify).await.unwrap();
    assert_eq!(outcomes(&report), ["staged", "staged"]);
    assert!(!report.catalog);
    assert_eq!(*checked.lock().unwrap(), 2);
    let again = site.stage_from(&site.source(&folder).await, &verify).await.unwrap();
    assert_eq!(outcomes(&again), ["already-there", "already-there"]);
    fs::write(&deep, b"other bytes").unwrap();
    let report = site.stage_from(&site.source(&folder).await, &verify).await.unwrap();
    assert_eq!(outcomes(&report), ["already-there", "refused"]);
}

#[tokio::test]
async fn folder_with_a_repository_needs_its_catalog_to_be_trusted() {
    let site = Site::new();
    let folder = site.store.beside("export");
    copy_folder(&site.store.store.repository_dir(), &folder.join("repository"));
    fs::write(folder.join(package(CORE).as_str()), content(CORE)).unwrap();
    let source = site.source(&folder).await;
    let report = site.stage_from(&source, &reads_the_copy).await.unwrap();
    assert_eq!(outcomes(&report), ["failed", "staged"]);
    assert!(matches!(report.items.first().unwrap().outcome.error(), Some(Problem::Absent { .. })));
    let timestamp = folder.join("repository/timestamp.json");
    let text = fs::read_to_string(&timestamp).unwrap().replace("\"version\"", "\"version\" ");
    fs::write(&timestamp, text.replacen("2026", "2036", 1)).unwrap();
    let refused = Source::folder(&folder, &site.enrolment, at(5)).await;
    assert!(matches!(refused.err(), Some(SourceError::Catalog { .. })));
    fs::remove_file(&timestamp).unwrap();
    assert!(Source::folder(&folder, &site.enrolment, at(5)).await.is_err(), "no way around a catalog");
}

#[tokio::test]
async fn another_stores_catalog_is_refused() {
    let (site, other) = (Site::new(), Site::new());
    let refused = Source::folder(other.store.store.root_dir(), &site.enrolment, at(5)).await;
    assert!(matches!(refused.err(), Some(SourceError::Catalog { .. })));
    let old = Source::folder(site.store.store.root_dir(), &site.enrolment, at(5)).await;
    assert!(old.is_ok());
}

#[tokio::test]
async fn packages_come_from_a_mirror_too() {
    let site = Site::new();
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(site.store.store.repository_dir()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        files.insert(format!("/m/repository/{name}"), fs::read(entry.path()).unwrap());
    }
    for name in [CORE, UPGRADE] {
        let path = PackagePath::new(Tree::Signed, &package(name)).unwrap();
        let mut bytes = content(name);
        if name == UPGRADE {
            *bytes.last_mut().unwrap() ^= 1;
        }
        files.insert(format!("/m/{path}"), bytes);
    }
    let address = serve_files(files);
    let config = ClientConfig { plain_http_hosts: vec![address.clone()], ..ClientConfig::default() };
    let client = HttpClient::new(config).unwrap();
    let base = format!("http://{address}/m").parse().unwrap();
    let source = Source::mirror(client, &base, &site.enrolment, at(4)).await.unwrap();
    let report = site.stage_from(&source, &reads_the_copy).await.unwrap();
    assert_eq!(outcomes(&report), ["refused", "staged"], "{:?}", report.items);
    assert_eq!(site.files().len(), 1);
}
