//! Every kind of place keeps the same promises.
//!
//! Those of S3 run where `TALLYFLOW_TEST_S3_ENDPOINT` names a server that has the bucket `tallyflow`;
//! `server/tests/s3/run` starts one.

use std::fs;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "s3")]
use object_store::memory::InMemory;
use tokio::runtime::Runtime;

use super::directory::Directory;
#[cfg(feature = "s3")]
use super::objects::Objects;
use super::{Place, PlaceError, check_scheme};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[cfg(feature = "s3")]
/// A place of S3, its prefix empty and its own; `None` where no server is named.
fn s3(runtime: &Runtime, prefix: &str) -> Option<Place> {
    std::env::var_os("TALLYFLOW_TEST_S3_ENDPOINT")?;
    let prefix = format!("s3://tallyflow/{prefix}-{}", std::process::id());
    Some(Place::open(&prefix, runtime.handle().clone()).unwrap())
}

fn keeps_its_promises(place: &Place) {
    assert_eq!(place.list("").unwrap(), []);
    assert_eq!(place.get("a-1").unwrap(), None);
    place.delete("a-1").unwrap();

    place.put("a-1", "one".into()).unwrap();
    place.put("a-1", "another".into()).unwrap();
    assert_eq!(place.get("a-1").unwrap().unwrap(), "another");
    place.put("a-0", "".into()).unwrap();
    place.put("b-1", "b".into()).unwrap();
    let names = |prefix: &str| place.list(prefix).unwrap();
    let named = |name: &str, bytes| (name.to_string(), bytes);
    assert_eq!(names("a"), [named("a-0", 0), named("a-1", 7)]);
    assert_eq!(names("").len(), 3);

    let taken = place.put_new("a-1", "third".into()).unwrap_err();
    assert!(
        matches!(&taken, PlaceError::Exists { name, .. } if name == "a-1"),
        "{taken:?}"
    );
    assert_eq!(place.get("a-1").unwrap().unwrap(), "another");
    place.put_new("c", "c".into()).unwrap();
    assert_eq!(place.get("c").unwrap().unwrap(), "c");

    for (name, _) in place.list("").unwrap() {
        place.delete(&name).unwrap();
    }
    assert_eq!(place.list("").unwrap(), []);
}

#[test]
fn a_directory_keeps_its_promises() {
    let (temp, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let path = temp.path().join("not/there/yet");
    keeps_its_promises(&Place::open(path.to_str().unwrap(), runtime.handle().clone()).unwrap());
    // Nothing stays behind, whatever failed.
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
}

#[cfg(feature = "s3")]
#[test]
fn an_object_store_keeps_its_promises() {
    let runtime = runtime();
    let prefix = object_store::path::Path::parse("some/prefix").unwrap();
    let store = Arc::new(InMemory::new());
    let objects = |prefix| Objects::new("memory", store.clone(), prefix, runtime.handle().clone());
    let other = Place::new("memory", Arc::new(objects("some/prefix/below".into())));
    other.put("a-1", "of another".into()).unwrap();
    keeps_its_promises(&Place::new("memory", Arc::new(objects(prefix))));
    assert_eq!(other.get("a-1").unwrap().unwrap(), "of another");
}

#[cfg(feature = "s3")]
#[test]
fn s3_keeps_its_promises() {
    let runtime = runtime();
    if let Some(place) = s3(&runtime, "promises") {
        keeps_its_promises(&place);
    }
}

#[cfg(feature = "s3")]
#[test]
fn s3_keeps_checkpoints() {
    let runtime = runtime();
    if let Some(place) = s3(&runtime, "checkpoints") {
        crate::checkpoint::tests::cycle(&place);
    }
}

#[cfg(feature = "s3")]
#[test]
fn s3_without_its_bucket_says_so() {
    let runtime = runtime();
    if std::env::var_os("TALLYFLOW_TEST_S3_ENDPOINT").is_none() {
        return;
    }
    let error = Place::open("s3://no-such-bucket/x", runtime.handle().clone()).unwrap_err();
    assert!(matches!(error, PlaceError::NoBucket { .. }), "{error:?}");
}

#[test]
fn a_directory_is_locked_against_a_second_server() {
    let temp = tempfile::tempdir().unwrap();
    let open = || Place::new("here", Arc::new(Directory::open(temp.path()).unwrap()));
    let (first, second) = (open(), open());
    let lock = first.lock().unwrap();
    let error = second.lock().unwrap_err().to_string();
    let path = temp.path().to_str().unwrap();
    assert!(
        error.contains(path) && error.contains("stop that one"),
        "{error}"
    );
    drop(lock);
    second.lock().unwrap();
}

#[test]
fn unfinished_files_are_never_listed_and_go_with_the_lock() {
    let temp = tempfile::tempdir().unwrap();
    let place = Place::new("here", Arc::new(Directory::open(temp.path()).unwrap()));
    let unfinished = temp.path().join(".unfinished-a-1-4711-0");
    let others = temp.path().join(".others");
    fs::write(&unfinished, "half").unwrap();
    fs::write(&others, "whole").unwrap();
    assert_eq!(place.list("").unwrap(), []);
    assert!(unfinished.exists());
    let _lock = place.lock().unwrap();
    assert!(!unfinished.exists() && others.exists());
}

#[test]
fn what_is_no_place_says_what_would_be() {
    let runtime = runtime();
    for text in ["", "s3://", "s3:///prefix", "s3://bucket/a//b"] {
        let error = Place::open(text, runtime.handle().clone()).unwrap_err();
        assert!(
            error.to_string().contains("s3://BUCKET/PREFIX"),
            "{error:?}"
        );
    }
}

#[test]
fn a_directory_that_cannot_be_made_says_so() {
    let error = Directory::open(Path::new("/proc/nowhere/checkpoints"))
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .starts_with("could not make the directory in '/proc"),
        "{error}"
    );
}

#[test]
fn a_full_disk_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let directory = Directory::open(temp.path()).unwrap();
    let error = directory.error("write 'x'", std::io::ErrorKind::StorageFull.into());
    assert!(matches!(error, PlaceError::Full { .. }));
}

#[test]
fn an_address_of_another_kind_is_no_directory() {
    for place in [
        "s3://bucket/a",
        "checkpoints",
        "/srv/a:b/c",
        "./gs:x",
        "a b:/c",
        "data/x://y",
    ] {
        assert!(check_scheme(place).is_ok(), "{place}");
    }
    for place in [
        "gs://bucket",
        "S3://bucket",
        "s3:/bucket",
        "file:///srv",
        "https://x/y",
    ] {
        let error = check_scheme(place).expect_err(place).to_string();
        assert!(error.contains("s3://BUCKET/PREFIX"), "{error}");
    }
}
