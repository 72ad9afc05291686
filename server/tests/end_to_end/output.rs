//! Log lines that cannot be written: the service goes on as if they could.

use std::fs::File;
use std::io::{PipeReader, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use serde_json::{Value, json};

use crate::support::{Home, Server, until, votes};

/// A pipe that is full, and stays so as long as its reader is kept.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut filling = writer.try_clone().expect("another end");
    // Writes until nothing fits any more, and then waits for ever, or until the reader is gone.
    thread::spawn(move || while filling.write_all(&[b'x'; 512]).is_ok() {});
    (reader, writer.into())
}

fn gone_pipe() -> Stdio {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer.into()
}

fn full_disk() -> Stdio {
    let full = File::options().write(true).open("/dev/full");
    full.expect("it can be opened").into()
}

fn registers(server: &Server, name: &str) -> bool {
    let elections: Value = server.client().get("/api/v1/elections").json();
    elections["elections"][0]["name"] == name
}

/// Has the service say something, and then count, serve, and end well.
fn goes_on(server: Server, how: &str) {
    // What is said of a register is said before it is in force.
    for (round, name) in ["Village", "Town", "City"].into_iter().enumerate() {
        let mut register = votes::register();
        register["elections"][0]["name"] = json!(name);
        server.home().write_register(&register);
        until(how, || registers(&server, name).then_some(()));
        let vote = votes::vote(&format!("voter-{round}"));
        assert_eq!(server.client().vote(&vote).status, 202, "{how}");
        assert_eq!(server.settled()["messages"], round + 1, "{how}");
    }
    let (ended, home) = server.terminate();
    assert!(ended.success(), "{how}: {ended}");
    let server = home.start(&[]);
    assert_eq!(server.settled()["counts"]["accepted"], 3, "{how}");
}

#[test]
fn a_standard_error_that_cannot_be_written_ends_nothing() {
    let (_unread, full) = full_pipe();
    for (how, stderr) in [
        ("a reader that is gone", gone_pipe()),
        ("a reader that does not read", full),
        ("a full disk", full_disk()),
    ] {
        let home = Home::new();
        let mut command = home.command(&[]);
        // More lines, so that more is lost.
        command.env("TALLYFLOW_LOG", "debug").stderr(stderr);
        goes_on(home.start_by(command), how);
    }
}

#[test]
fn a_standard_error_that_is_closed_ends_nothing() {
    let home = Home::new();
    let command = home.command_by(&["sh", "-c", "exec \"$0\" \"$@\" 2>&-"], &[]);
    goes_on(home.start_by(command), "it is closed");
}

#[test]
fn a_standard_output_that_cannot_be_written_ends_nothing() {
    let (_unread, full) = full_pipe();
    for (how, stdout) in [
        ("a reader that is gone", gone_pipe()),
        ("a reader that does not read", full),
        ("a full disk", full_disk()),
    ] {
        let home = Home::new();
        // What it listens on cannot be read, so it is chosen here.
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let listen = address.to_string();
        let mut command = home.command(&["--listen", &listen]);
        command.stdout(stdout).stderr(Stdio::inherit());
        goes_on(home.start_at(command, address), how);
    }
}

#[test]
fn what_is_said_in_the_end_reaches_a_pipe() {
    let output = Home::new().refused(&["--topic", "a/b"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no name for a topic"), "{said}");
}
