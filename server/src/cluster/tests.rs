//! Processes that find each other, and those that do not fit.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

fn addresses(count: usize) -> Vec<String> {
    // All at once, so that no two are the same.
    let listeners: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let each = listeners.iter();
    each.map(|listener| listener.local_addr().unwrap().to_string())
        .collect()
}

fn hello(process: usize, processes: usize) -> Hello {
    Hello {
        version: "1".to_string(),
        process,
        processes,
        workers: 2,
        topic: "votes".to_string(),
        lateness_ms: 60_000,
        horizon_ms: 86_400_000,
        disclose_min: 0,
    }
}

fn connect(addresses: &[String], hello: &Hello) -> Result<Links, ClusterError> {
    let cluster = Cluster {
        process: hello.process,
        addresses: addresses.to_vec(),
    };
    cluster.connect(hello, &|_| {}, &AtomicBool::new(false))
}

#[test]
fn three_processes_find_each_other_and_hear_how_it_starts() {
    let addresses = addresses(3);
    let start = Start {
        run: "r".to_string(),
        checkpoint: Some(7),
        key_fingerprint: "00".to_string(),
        topic_id: "t".to_string(),
    };
    let heard = thread::scope(|scope| {
        let others: Vec<_> = [2, 1]
            .map(|process| {
                let addresses = &addresses;
                scope.spawn(move || {
                    let mut links = connect(addresses, &hello(process, 3))?;
                    let start: Start = links.hear()?;
                    Ok::<_, ClusterError>((start, links.share("mine".to_string())?))
                })
            })
            .into_iter()
            .collect();
        let mut links = connect(&addresses, &hello(0, 3)).unwrap();
        links.tell(&start).unwrap();
        assert_eq!(links.share("register".to_string()).unwrap(), "register");
        let heard = others
            .into_iter()
            .map(|other| other.join().unwrap().unwrap());
        heard.collect::<Vec<_>>()
    });
    let expected = (start, "register".to_string());
    assert_eq!(heard, [expected.clone(), expected]);
}

#[test]
fn processes_that_were_started_otherwise_say_what_differs() {
    let addresses = addresses(2);
    let errors = thread::scope(|scope| {
        let other = scope.spawn(|| {
            let hello = Hello {
                workers: 3,
                ..hello(1, 2)
            };
            connect(&addresses, &hello).err().unwrap().to_string()
        });
        let mine = connect(&addresses, &hello(0, 2)).err().unwrap().to_string();
        [mine, other.join().unwrap()]
    });
    assert!(
        errors[0].contains("its -w is 3, here it is 2"),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].contains("its -w is 2, here it is 3"),
        "{}",
        errors[1]
    );
}

#[test]
fn a_stray_caller_is_turned_away() {
    let addresses = addresses(2);
    thread::scope(|scope| {
        let first = scope.spawn(|| connect(&addresses, &hello(0, 2)));
        loop {
            if let Ok(mut stray) = std::net::TcpStream::connect(&addresses[0]) {
                stray.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                break;
            }
            thread::yield_now();
        }
        assert!(connect(&addresses, &hello(1, 2)).is_ok());
        assert!(first.join().unwrap().is_ok());
    });
}

#[test]
fn silent_callers_keep_no_process_waiting() {
    let addresses = addresses(2);
    thread::scope(|scope| {
        let started_at = Instant::now();
        let first = scope.spawn(|| connect(&addresses, &hello(0, 2)));
        let mut silent = Vec::new();
        // More than are waited for; some begin like a process.
        while silent.len() < 100 {
            let Ok(mut stranger) = std::net::TcpStream::connect(&addresses[0]) else {
                thread::yield_now();
                continue;
            };
            if silent.len().is_multiple_of(2) {
                stranger.write_all(b"tallyfl1\0\0\x01\0{").unwrap();
            }
            silent.push(stranger);
        }
        assert!(connect(&addresses, &hello(1, 2)).is_ok());
        assert!(first.join().unwrap().is_ok());
        // One of them alone may be waited for as long.
        assert!(started_at.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn waiting_ends_when_it_is_told_to() {
    let cluster = Cluster {
        process: 1,
        addresses: addresses(2),
    };
    let stop = AtomicBool::new(true);
    let said = std::sync::Mutex::new(None);
    let waiting = |what| *said.lock().unwrap() = what;
    let ended = cluster.connect(&hello(1, 2), &waiting, &stop);
    assert!(matches!(ended, Err(ClusterError::Ended)));
    let told = said.lock().unwrap().clone().unwrap();
    assert!(told.full.contains("process 0 at 127.0.0.1:"), "{told:?}");
    assert_eq!(told.public, "waiting for 1 of 2 processes");
}

#[test]
fn a_host_file_has_an_address_for_each_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hosts");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Cluster::read(&path, 1, 2)
    };
    let cluster = read("# two\nlocalhost:2101\n\n127.0.0.1:2102\n127.0.0.1:2103\n").unwrap();
    assert_eq!(cluster.addresses, ["localhost:2101", "127.0.0.1:2102"]);
    for (text, what) in [
        ("a:1\n", "has 1 addresses"),
        ("a:1\nb\n", "has 'b', which is no HOST:PORT"),
        ("a:1\nb:x\n", "has 'b:x'"),
        ("a:0\nb:1\n", "has 'a:0'"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}
