//! A full disk is an error, not a loss, and over once there is space.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

#[test]
fn a_full_disk_refuses_and_later_takes_appends_again() {
    let disk = Disk::with_log();
    let log = open_on(&disk).unwrap();
    disk.set_bytes_max(Some(disk.size() + 3_000_000));
    fill_then_free(&log, &mut || disk.set_bytes_max(None));
}

#[test]
fn a_failing_disk_stops_appends_and_keeps_what_was_acknowledged() {
    let disk = Disk::with_log();
    let log = open_on(&disk).unwrap();
    append(&log, messages("before", 500)).unwrap();
    disk.lose_power_after(0);
    for _ in 0..2 {
        let error = append(&log, messages("after", 1)).unwrap_err();
        assert!(
            !error.is_transient() && error.to_string().contains("restart"),
            "{error}"
        );
    }
    drop(log);
    let disk = disk.after_power_loss(&mut Numbers(1));
    let log = open_on(&disk).unwrap();
    assert_eq!(read_all(&log).len(), 500);
}

/// The store refuses to read after a failed write; nobody who reads may notice.
#[test]
fn reading_goes_on_after_a_failed_write() {
    let disk = Disk::with_log();
    let log = open_on(&disk).unwrap();
    append(&log, noise(&mut Numbers(5), "before")).unwrap();
    drop(log);
    // Opened again, so that nothing of it is in memory.
    let log = open_on(&disk).unwrap();
    let wakes = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&wakes);
    let wake = move || {
        theirs.fetch_add(1, Ordering::Relaxed);
    };
    let mut reader = log.reader(&from_start(), Box::new(wake)).unwrap();
    disk.set_bytes_max(Some(disk.size()));
    let mut acknowledged = 200;
    let woken = loop {
        let woken = wakes.load(Ordering::Relaxed);
        match append(&log, noise(&mut Numbers(6), "until full")) {
            Ok(appended) => acknowledged += appended.stored,
            Err(_) => break woken,
        }
    };
    assert_eq!(
        wakes.load(Ordering::Relaxed),
        woken + 1,
        "woken to look again"
    );
    let rows = drain(reader.as_mut()).unwrap();
    assert_eq!(rows.len() as u64, acknowledged);
}

/// A full disk on a real file system: a small one in memory, where the system lets us mount it.
#[test]
fn a_full_file_system_refuses_and_later_takes_appends_again() {
    let directory = tempfile::tempdir().unwrap();
    let mounted = match Mounted::new(directory.path()) {
        Ok(mounted) => mounted,
        Err(reason) => {
            println!("not run on a real file system: {reason}");
            return;
        }
    };
    let ballast = mounted.0.join("ballast");
    fs::write(&ballast, vec![1; 5_000_000]).unwrap();
    let log = open(&mounted.0);
    fill_then_free(&log, &mut || fs::remove_file(&ballast).unwrap());
    let rows = read_all(&log);
    drop(log);
    assert_eq!(read_all(&open(&mounted.0)), rows);
}

/// Appends until the disk is full, goes on reading, frees it and appends again.
fn fill_then_free(log: &EmbeddedLog, free: &mut dyn FnMut()) {
    let mut numbers = Numbers(31);
    let mut reader = reader(log, &from_start());
    let mut read = Vec::new();
    let mut acknowledged = 0;
    let full = loop {
        match append(log, noise(&mut numbers, "before")) {
            Ok(appended) => acknowledged += appended.stored,
            Err(error) => break error,
        }
        assert!(acknowledged < 50_000, "the disk never gets full");
    };
    assert!(matches!(full, LogError::Full { .. }), "{full}");
    assert!(acknowledged > 1000);
    for _ in 0..5 {
        let full = append(log, noise(&mut numbers, "while full")).unwrap_err();
        assert!(matches!(full, LogError::Full { .. }), "{full}");
    }
    read.extend(drain(reader.as_mut()).unwrap());
    assert_eq!(read.len() as u64, acknowledged, "reading goes on");
    free();
    append(log, noise(&mut numbers, "after")).unwrap();
    read.extend(drain(reader.as_mut()).unwrap());
    assert_eq!(read.len() as u64, acknowledged + 200);
    assert!(!read.iter().any(|row| row.2.starts_with("while full")));
}

/// Two hundred messages of a kilobyte that does not compress.
fn noise(numbers: &mut Numbers, name: &str) -> Vec<Message> {
    (0..200)
        .map(|number| {
            let noise: String = (0..1000)
                .map(|_| char::from(b'0' + numbers.below(75) as u8))
                .collect();
            message(format!("{number}"), format!("{name}/{number}/{noise}"))
        })
        .collect()
}

/// A file system of 8 MiB, gone with the value.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn new(directory: &Path) -> Result<Mounted, String> {
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(directory)
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(Mounted(directory.to_path_buf()))
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
