//! A restart on a disk without space serves what was counted, and takes votes once there is space.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Home, Server, until, votes};

/// A file system of a few megabytes, gone with the value.
struct Mounted(PathBuf);

impl Mounted {
    /// Says why, where the system does not let us mount one.
    fn new(directory: PathBuf) -> Result<Mounted, String> {
        fs::create_dir_all(&directory).expect("the directory is made");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(&directory)
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(Mounted(directory))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily, since a failed test may still hold files there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Takes all space that is left.
fn fill(file: &Path) {
    let mut file = File::create(file).expect("a file is made");
    for size in [1 << 16, 1 << 10, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

fn accepted(server: &Server) -> u64 {
    let results = server.client().get("/api/v1/results");
    assert_eq!(results.status, 200, "{results:?}");
    results.json()["counts"]["accepted"]
        .as_u64()
        .expect("a count")
}

/// A restart after an end of some kind.
fn restart_on_a_full_disk(end: impl Fn(Server) -> Home) {
    let home = Home::new();
    let mounted = match Mounted::new(home.path().join("data")) {
        Ok(mounted) => mounted,
        Err(reason) => return println!("not run on a file system of its own: {reason}"),
    };
    let server = home.start(&["--checkpoint-every", "200ms"]);
    for voter in 0..50 {
        let answer = server.client().vote(&votes::vote(&format!("{voter}")));
        assert_eq!(answer.status, 202);
    }
    server.settled();
    until("a checkpoint is there", || {
        let status = server.client().get("/api/v1/status").json();
        (status["checkpoint"]["newest"]["rows"] == 50).then_some(())
    });
    // What is in the log only, too.
    assert_eq!(server.client().vote(&votes::vote("the last")).status, 202);
    server.settled();
    let ballast = mounted.0.join("ballast");
    fill(&ballast);
    let home = end(server);
    fill(&mounted.0.join("more-ballast"));

    let server = home.start(&["--checkpoint-every", "200ms"]);
    assert_eq!(accepted(&server), 51);
    let full = until("the disk is full", || {
        let answer = server.client().vote(&votes::vote("refused"));
        (answer.status != 202).then_some(answer)
    });
    assert!([503, 507].contains(&full.status), "{full:?}");
    let counted = accepted(&server);
    fs::remove_file(&ballast).expect("there is space again");
    until("votes are taken again", || {
        (server.client().vote(&votes::vote("taken")).status == 202).then_some(())
    });
    server.settled();
    assert!(accepted(&server) > counted);
    let server = server.kill().start(&[]);
    assert!(accepted(&server) > counted);
}

#[test]
fn a_restart_on_a_full_disk_after_a_crash_serves_and_later_writes() {
    restart_on_a_full_disk(Server::kill);
}

#[test]
fn a_restart_on_a_full_disk_after_a_good_end_serves_and_later_writes() {
    restart_on_a_full_disk(|server| server.terminate().1);
}
