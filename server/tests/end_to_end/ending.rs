//! What ends the service, and what it is started with besides flags.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Home, Server, until, votes};

/// No checkpoint but the last one.
const SELDOM: [&str; 2] = ["--checkpoint-every", "1h"];

/// Waits for the checkpoint that a first start makes, before anything is counted.
fn checkpointed(server: &Server) {
    until("there is a first checkpoint", || {
        let status = server.client().get("/api/v1/status").json();
        (!status["checkpoint"]["newest"].is_null()).then_some(())
    });
    assert_eq!(kept(server.home()), 0);
}

/// How many messages the newest checkpoint has counted.
fn kept(home: &Home) -> u64 {
    let files = fs::read_dir(home.path().join("data/checkpoints")).expect("a directory");
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let newest = names.filter(|name| name.starts_with("manifest-")).max();
    let path = home
        .path()
        .join("data/checkpoints")
        .join(newest.expect("there is one"));
    let manifest = fs::read(path).expect("it can be read");
    let manifest: Value = serde_json::from_slice(&manifest).expect("it is JSON");
    let messages = manifest["manifest"]["counts"]["messages"].as_u64();
    messages.expect("it says how many messages")
}

/// A server that is started by another program.
fn start_by(program: &[&str]) -> Server {
    let home = Home::new();
    let command = home.command_by(program, &SELDOM);
    home.start_by(command)
}

#[test]
fn signals_to_end_end_with_a_last_checkpoint() {
    for signal in ["TERM", "INT"] {
        let server = start_by(&["env"]);
        checkpointed(&server);
        assert_eq!(server.client().vote(&votes::vote("ann")).status, 202);
        server.settled();
        let (ended, home) = server.end_by(signal);
        assert!(ended.success(), "{signal}: {ended}");
        assert_eq!(kept(&home), 1, "{signal}");
    }
}

#[test]
fn a_hangup_ends_nothing() {
    // The tests may run under `nohup` themselves.
    for program in [&["nohup"][..], &["env", "--default-signal=HUP"]] {
        let server = start_by(program);
        checkpointed(&server);
        server.signal("HUP");
        // Were it told to end, it would answer 503 or not at all.
        for voter in ["ann", "bob", "cyd"] {
            assert_eq!(server.client().vote(&votes::vote(voter)).status, 202);
        }
        assert_eq!(server.settled()["messages"], 3);
        let (ended, home) = server.terminate();
        assert!(ended.success(), "{ended}");
        assert_eq!(kept(&home), 3);
    }
}

#[test]
fn a_hangup_lets_the_token_be_read_again() {
    let home = Home::new();
    let file = home.path().join("writer");
    let (old, new) = ("the-first-token-of-two", "the-second-token-of-two");
    fs::write(&file, old).expect("it is written");
    let flags = ["--token-file", file.to_str().expect("a path")];
    let command = home.command_by(&["env", "--default-signal=HUP"], &flags);
    let server = home.start_by(command);
    let status = |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Authorization", &*bearer),
            ("Content-Type", "application/x-ndjson"),
        ];
        let vote = votes::vote(token);
        let client = server.client();
        client
            .send("POST", "/api/v1/votes", &headers, vote.as_bytes())
            .status
    };
    assert_eq!((status(old), status(new)), (202, 401));
    fs::write(&file, new).expect("it is written");
    server.signal("HUP");
    until("the new token is taken", || {
        (status(new) == 202).then_some(())
    });
    assert_eq!(status(old), 401);
}

/// Starts a server that refuses in a directory, and gives what it said.
fn refused_in(home: &Home, directory: &Path) -> String {
    let mut command = home.command(&["--topic", "a/b"]);
    let output = command.current_dir(directory).output();
    let output = output.expect("the server runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_env_file_of_the_working_directory_is_read_and_no_other() {
    let home = Home::new();
    let below = home.path().join("below/further");
    fs::create_dir_all(&below).expect("a directory is made");
    fs::write(home.path().join(".env"), "TALLYFLOW_WORKERS=many\n").expect("it is written");
    let said = refused_in(&home, home.path());
    assert!(said.contains("many"), "{said}");
    let said = refused_in(&home, &below);
    assert!(said.contains("no name for a topic"), "{said}");

    // A file that is wrong is said, without what is in it, and a directory is another thing.
    fs::write(below.join(".env"), "POSTGRES_PASSWORD=ok\ns3cret line\n").expect("it is written");
    let said = refused_in(&home, &below);
    assert!(
        said.contains("line 2") && !said.contains("s3cret"),
        "{said}"
    );
    // A name that does not exist would else be passed over in silence.
    fs::write(below.join(".env"), "TALLYFLOW_WORKER=2\n").expect("it is written");
    let said = refused_in(&home, &below);
    assert!(said.contains("TALLYFLOW_WORKERS meant"), "{said}");
    fs::remove_file(below.join(".env")).expect("it is removed");
    fs::create_dir(below.join(".env")).expect("a directory is made");
    let said = refused_in(&home, &below);
    assert!(said.contains("no name for a topic"), "{said}");
}
