//! The password of PostgreSQL from a file, so that it shows in no list of processes.

use std::fs;
use std::path::PathBuf;

use super::*;

const FLAG: &str = "--postgres-password-file";

fn file(home: &Home, text: &str) -> PathBuf {
    let path = home.path().join("password");
    fs::write(&path, text).expect("it is written");
    path
}

/// Runs a command on the database with a password file; whether it ended well, and what it said.
fn import(home: &Home, port: u16, more: &[&str]) -> (bool, String) {
    let port = port.to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_tallyflow"))
        .current_dir(home.path())
        .args(["register", "import", "register.json"])
        .args(["--postgres-host", "127.0.0.1", "--postgres-port", &port])
        .args(more)
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains(PASSWORD), "{said}");
    (output.status.success(), said)
}

#[test]
fn a_password_comes_from_a_file() {
    let database = Database::start();
    let home = Home::new();
    let path = file(&home, &format!("{PASSWORD}\n"));
    let path = path.to_str().expect("a path in UTF-8");
    let (done, said) = import(&home, database.port(), &[FLAG, path]);
    assert!(done, "{said}");

    let url = format!(
        "postgresql://postgres@127.0.0.1:{}/postgres",
        database.port()
    );
    let server = Home::new().start(&["--postgres", &url, FLAG, path]);
    let shown = fs::read(format!("/proc/{}/cmdline", server.id())).expect("it runs");
    assert!(!String::from_utf8_lossy(&shown).contains(PASSWORD));

    let twice = ["--postgres-password", "another", FLAG, path];
    let (done, said) = import(&home, database.port(), &twice);
    assert!(!done && said.contains("given twice"), "{said}");
    for (text, part) in [("", "is empty"), ("\n", "is empty"), ("a\nb\n", "one line")] {
        file(&home, text);
        let (done, said) = import(&home, database.port(), &[FLAG, path]);
        assert!(!done && said.contains(part), "{said}");
        assert!(said.contains(FLAG), "{said}");
    }
    let (done, said) = import(&home, database.port(), &[FLAG, "/nowhere/at/all"]);
    assert!(!done && said.contains("/nowhere/at/all"), "{said}");
}
