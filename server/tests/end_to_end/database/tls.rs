//! TLS to the database.

use std::fs;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::agree::agrees;
use super::{database, start};
use crate::postgres::PASSWORD;
use crate::support::{Home, votes};

/// An authority.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).expect("it has no names");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(parameters, key).expect("it signs itself")
}

#[test]
fn connections_are_encrypted_and_a_server_is_verified_where_that_is_asked_for() {
    let mut database = database();
    let (ours, another) = (authority(), authority());
    let key = KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_string()];
    let certificate = CertificateParams::new(names)
        .and_then(|parameters| parameters.signed_by(&key, &ours))
        .expect("it is signed");
    database.stop();
    database.offer_tls(&certificate.pem(), &key.serialize_pem());
    database.start_again();
    let home = Home::new();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::write(&path, text).expect("it can be written");
        path.display().to_string()
    };
    let (right, wrong) = (
        file("right.pem", &ours.pem()),
        file("wrong.pem", &another.pem()),
    );
    let empty = file("empty.pem", "");

    let mut sql = database.client();
    let mut encrypted = || -> Vec<bool> {
        let rows = sql.query(
            "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE application_name = 'tallyflow'",
            &[],
        );
        let rows = rows.expect("it can be asked");
        rows.iter().map(|row| row.get(0)).collect()
    };
    // As it comes: encrypted where the server can.
    let server = start(&database);
    assert_eq!(encrypted(), [true]);
    drop(server);
    let plain = format!("{}?sslmode=disable", database.url());
    let server = Home::new().start(&["--postgres", &plain]);
    assert_eq!(encrypted(), [false]);
    drop(server);
    let flags = ["--postgres", &database.url(), "--postgres-ca", &right];
    let server = Home::new().start(&flags);
    assert_eq!(encrypted(), [true]);
    assert_eq!(server.client().vote(&votes::vote("v")).status, 202);
    agrees(&server, &mut database.client());

    let renamed = database.url().replace("127.0.0.1", "localhost");
    let required = format!("{}?sslmode=require", database.url());
    for (arguments, part) in [
        (
            &["--postgres", &database.url(), "--postgres-ca", &wrong][..],
            "certificate",
        ),
        (
            &["--postgres", &renamed, "--postgres-ca", &right],
            "certificate",
        ),
        (&["--postgres", &required], "certificate"),
        (
            &["--postgres", &database.url(), "--postgres-ca", &empty],
            "no certificate in it",
        ),
        (
            &["--postgres", &database.url(), "--postgres-ca", "none.pem"],
            "none.pem",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tallyflow"))
            .current_dir(home.path())
            .arg("migrate")
            .args(arguments)
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(said.contains(part) && !said.contains(PASSWORD), "{said}");
    }
}
