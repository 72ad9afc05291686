//! What lies on the disk: nobody else may read it, and a checkpoint alone names nobody.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::{Home, Server, until, votes};

/// Everything below a directory, itself too.
fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_path_buf()];
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// What others may read, write or enter.
fn open_to_others(directory: &Path) -> Vec<PathBuf> {
    let mut found = tree(directory);
    found.retain(|path| {
        let metadata = fs::metadata(path).expect("a file");
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        metadata.permissions().mode() & 0o777 != expected
    });
    found
}

/// A server that has counted votes and has a checkpoint of them.
fn with_checkpoint(home: Home, voters: &[&str]) -> Server {
    let server = home.start(&["--checkpoint-every", "100ms"]);
    for voter in voters {
        assert_eq!(server.client().vote(&votes::vote(voter)).status, 202);
    }
    let messages = server.settled()["messages"].clone();
    until("all is in a checkpoint", || {
        let status = server.client().get("/api/v1/status").json();
        (status["checkpoint"]["newest"]["rows"] == messages).then_some(())
    });
    server
}

#[test]
fn nobody_else_may_read_what_is_written_whatever_the_mask() {
    let server = with_checkpoint(Home::new(), &["ann", "bob"]);
    let data = server.home().path().join("data");
    assert!(tree(&data).len() > 8, "{:?}", tree(&data));
    assert_eq!(open_to_others(&data), Vec::<PathBuf>::new());

    // As an earlier version left it.
    let (ended, home) = server.terminate();
    assert!(ended.success());
    for path in tree(&data) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("the mode is set");
    }
    let server = home.start(&[]);
    assert_eq!(open_to_others(&data), Vec::<PathBuf>::new());
    assert_eq!(server.settled()["counts"]["accepted"], 2);
}

#[test]
fn the_checkpoints_have_neither_the_key_nor_a_voter() {
    let voter = "somebody-whose-name-is-found-at-once";
    let server = with_checkpoint(Home::new(), &[voter]);
    let data = server.home().path().join("data");
    let key = fs::read_to_string(data.join("key")).expect("a key was made");
    assert!(key.trim().len() >= 32, "a key of 16 bytes or more");
    for path in tree(&data.join("checkpoints")) {
        let bytes = fs::read(&path).unwrap_or_default();
        for secret in [key.trim(), voter] {
            let found = bytes
                .windows(secret.len())
                .any(|it| it == secret.as_bytes());
            assert!(!found, "{} holds {secret}", path.display());
        }
    }
}

#[test]
fn a_start_with_another_key_or_none_is_refused_and_a_recount_helps() {
    let server = with_checkpoint(Home::new(), &["ann", "bob"]);
    let (ended, home) = server.terminate();
    assert!(ended.success());
    let data = home.path().join("data");
    let (key, away) = (data.join("key"), home.path().join("away"));
    let refused = |home: &Home, flags: &[&str]| {
        let output = home.refused(flags);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains("--recount"),
            "{said}"
        );
        said
    };
    fs::rename(&key, &away).expect("the key is moved");
    let named = ["--key", key.to_str().expect("a path in UTF-8")];
    assert!(refused(&home, &named).contains("put it back"));
    assert!(
        !key.exists(),
        "no other key is made in the place of one that was named"
    );
    fs::write(&key, "another key, of more than 16 bytes").expect("a key is written");
    assert!(refused(&home, &[]).contains("fingerprint"));

    // The right one, from elsewhere.
    let elsewhere = away.to_str().expect("a path in UTF-8");
    let (ended, home) = home.start(&["--key", elsewhere]).terminate();
    assert!(ended.success());
    let server = home.start(&["--recount"]);
    assert_eq!(server.settled()["counts"]["accepted"], 2);
    // The same voters are known again under the new key.
    assert_eq!(server.client().vote(&votes::vote("ann")).status, 202);
    assert_eq!(server.settled()["duplicates"], 1);
}

#[test]
fn several_processes_and_checkpoints_in_s3_want_a_key() {
    let home = Home::new();
    let several = [
        &["--kafka", "127.0.0.1:9", "-n", "2", "--hostfile", "hosts"][..],
        &["--cluster-secret", "secret"],
    ]
    .concat();
    fs::write(home.path().join("secret"), "the secret of the tests").expect("a secret");
    fs::write(home.path().join("hosts"), "127.0.0.1:1\n127.0.0.1:2\n").expect("hosts");
    for flags in [several.as_slice(), &["--checkpoints", "s3://bucket/here"]] {
        let said = String::from_utf8_lossy(&home.refused(flags).stderr).into_owned();
        assert!(
            said.contains("--key FILE") && said.contains("openssl"),
            "{said}"
        );
    }
}
