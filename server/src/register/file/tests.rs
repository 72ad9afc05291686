//! Files that are no files, and files that somebody still writes.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;

use super::*;

const REGISTER: &str = r#"{"elections":[{"election_id":"e"}],
    "contests":[{"contest_id":"m","election_id":"e"}]}"#;

fn read_now(path: &Path) -> Result<Register, String> {
    let reading = Reading::new(KeyedHash::new([1; 16]));
    let read = read(path, reading).map(|read| read.register);
    read.map_err(|error| error.to_string())
}

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo runs").success());
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    make_pipe(&at("pipe.json"));
    let _socket = UnixListener::bind(at("socket.json")).expect("a socket");
    std::fs::create_dir(at("directory.json")).expect("a directory");
    std::os::unix::fs::symlink("/dev/zero", at("device.json")).expect("a link");
    std::os::unix::fs::symlink(at("pipe.json"), at("link.json")).expect("a link");
    for (name, words) in [
        ("pipe.json", "a named pipe"),
        ("link.json", "a named pipe"),
        ("socket.json", "a socket"),
        ("directory.json", "a directory"),
        ("device.json", "a device"),
        ("none.json", "No such file"),
    ] {
        let error = read_now(&at(name)).expect_err("it is no file");
        assert!(
            error.contains(words) && error.contains(name),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_link_to_a_file_is_read() {
    let home = tempfile::tempdir().expect("a directory");
    let (file, link) = (home.path().join("r.json"), home.path().join("link.json"));
    std::fs::write(&file, REGISTER).expect("it is written");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    assert_eq!(read_now(&link), read_now(&file));
    assert!(read_now(&link).is_ok());
}

#[test]
fn a_file_that_grows_is_read_once_it_rests() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("r.json");
    let mut file = File::create(&path).expect("a file");
    let (first, rest) = REGISTER.split_at(40);
    file.write_all(first.as_bytes()).expect("it is written");
    let (read_path, began) = (path.clone(), Arc::new(AtomicBool::new(false)));
    let beginning = Arc::clone(&began);
    let reader = thread::spawn(move || {
        beginning.store(true, Ordering::Release);
        read_now(&read_path)
    });
    while !began.load(Ordering::Acquire) {
        thread::yield_now();
    }
    // Well within the time between two looks; a reader that does not look twice has read by then,
    // or takes what is there for the whole.
    for part in rest.as_bytes().chunks(20) {
        thread::park_timeout(LOOK_EVERY / 8);
        file.write_all(part).expect("it is written");
    }
    drop(file);
    let read = reader.join().expect("it reads");
    assert_eq!(read.map(|register| register.contests.len()), Ok(1));
}

#[test]
fn what_takes_the_place_of_the_file_is_seen_and_refused_if_it_is_a_pipe() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("r.json");
    std::fs::write(&path, REGISTER).expect("it is written");
    let mut source = RegisterFile::new(&path, KeyedHash::new([1; 16]));
    assert!(source.read(&Register::default()).is_ok());
    let pipe = home.path().join("pipe");
    make_pipe(&pipe);
    std::fs::rename(&pipe, &path).expect("it takes its place");
    let stop = AtomicBool::new(false);
    source.wait(&stop);
    let error = source.read(&Register::default()).expect_err("it is a pipe");
    assert!(error.to_string().contains("named pipe"), "{error}");
    // Another file is seen, too, though it is as old and as long.
    std::fs::remove_file(&path).expect("it goes");
    std::fs::write(&path, REGISTER).expect("it is written");
    source.wait(&stop);
    assert!(source.read(&Register::default()).is_ok());
}

#[test]
fn a_file_is_not_read_beyond_its_bound() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("r.json");
    let file = File::create(&path).expect("a file");
    file.set_len(FILE_BYTES_MAX + 1).expect("it is sparse");
    let error = read_now(&path).expect_err("it is too large");
    assert!(error.contains("more than 2,147,483,648 bytes"), "{error}");
}
