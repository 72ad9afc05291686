//! PostgreSQL beside the count: the register from it, results and votes to it, and its failures.

mod agree;
mod faults;
mod password;
mod queries;
mod register;
mod results;
mod tls;
mod votes;

use std::process::Command;

use serde_json::Value;

use crate::postgres::{Database, PASSWORD};
use crate::support::{Home, Server};

/// A database that has the register of the tests.
fn database() -> Database {
    let database = Database::start();
    let home = Home::new();
    let said = tallyflow(&home, &database, &["register", "import", "register.json"]);
    assert!(said.contains("2 contests"), "{said}");
    database
}

/// Runs a command that ends by itself, and gives what it printed.
fn tallyflow(home: &Home, database: &Database, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tallyflow"))
        .current_dir(home.path())
        .args(arguments)
        .args(["--postgres", &database.url()])
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains(PASSWORD), "{said}");
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("it is text")
}

fn start(database: &Database) -> Server {
    Home::new().start(&["--postgres", &database.url()])
}

fn status(server: &Server) -> Value {
    server.client().get("/api/v1/status").json()
}

/// Why a sink fails, as operators read it.
fn why(server: &Server, name: &str) -> Option<String> {
    let operations = server.client().operations();
    let mut sinks = operations["sinks"].as_array().expect("sinks").iter();
    let sink = sinks.find(|sink| sink["name"] == name)?;
    let error = sink["last_error"].as_str()?.to_string();
    assert!(!error.contains(PASSWORD), "{error}");
    Some(error)
}

/// An entry of `sinks`.
fn sink(server: &Server, name: &str) -> Value {
    let sinks = status(server)["sinks"].clone();
    let sinks = sinks.as_array().expect("sinks").iter();
    let mut named = sinks.filter(|sink| sink["name"] == name);
    named.next().expect("it is a sink").clone()
}
