//! Processes that find each other, and those that do not fit.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::secret::{Nonces, Opening, Proof, Role};
use super::*;
use crate::told::Told;

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
        format: Default::default(),
        disclose_min: 0,
    }
}

fn secret() -> ClusterSecret {
    ClusterSecret::of("the secret of the tests").unwrap()
}

fn connect(addresses: &[String], hello: &Hello) -> Result<Links, ClusterError> {
    let cluster = Cluster {
        process: hello.process,
        addresses: addresses.to_vec(),
        secret: secret(),
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
                stranger.write_all(b"tallyfl2\0\0\x01\0{").unwrap();
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
        secret: secret(),
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
        Cluster::read(&path, 1, 2, secret())
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

/// Reads until the other end hangs up; what it said, as text.
fn heard(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // An end that was reset has said what it said.
    let _ = socket.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_stranger_hears_a_nonce_and_then_nothing_and_keeps_nobody_waiting() {
    let addresses = addresses(2);
    thread::scope(|scope| {
        let first = scope.spawn(|| connect(&addresses, &hello(0, 2)));
        let mut stranger = loop {
            match TcpStream::connect(&addresses[0]) {
                Ok(stranger) => break stranger,
                Err(_) => thread::yield_now(),
            }
        };
        let (caller, opening) = Opening::fresh().unwrap();
        hello::send(&mut stranger, &opening).unwrap();
        let called = hello::receive::<Opening>(&mut stranger).unwrap();
        let nonces = Nonces {
            caller,
            called: called.nonce().unwrap(),
        };
        let guess = ClusterSecret::of("a secret that is guessed").unwrap();
        let proof = guess.prove(Role::Caller, &nonces, 1, 0);
        hello::send(&mut stranger, &proof).unwrap();
        assert_eq!(heard(&mut stranger), "");
        assert!(connect(&addresses, &hello(1, 2)).is_ok());
        assert!(first.join().unwrap().is_ok());
    });
}

#[test]
fn one_that_only_listens_hears_neither_topic_nor_key() {
    let listeners = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let addresses = [address(&listeners[0]), address(&listeners[1])];
    let [stranger, own] = listeners;
    drop(own);
    let cluster = Cluster {
        process: 1,
        addresses: addresses.to_vec(),
        secret: secret(),
    };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let caller = scope.spawn(|| cluster.connect(&hello(1, 2), &|_| {}, &stop));
        let (mut socket, _) = stranger.accept().unwrap();
        let theirs: Opening = hello::receive(&mut socket).unwrap();
        let (called, opening) = Opening::fresh().unwrap();
        hello::send(&mut socket, &opening).unwrap();
        let proof: Proof = hello::receive(&mut socket).unwrap();
        let nonces = Nonces {
            caller: theirs.nonce().unwrap(),
            called,
        };
        assert!(secret().holds(&proof, Role::Caller, &nonces));
        // Its own proof, sent back, proves nothing.
        hello::send(&mut socket, &proof).unwrap();
        assert_eq!(heard(&mut socket), "");
        stop.store(true, Ordering::Relaxed);
        // It may have called again meanwhile.
        drop(stranger);
        drop(socket);
        assert!(matches!(caller.join().unwrap(), Err(ClusterError::Ended)));
    });
}

#[test]
fn processes_with_different_secrets_do_not_come_together() {
    let addresses = addresses(2);
    let stop = AtomicBool::new(false);
    let others = Cluster {
        process: 1,
        addresses: addresses.clone(),
        secret: ClusterSecret::of("another secret of the tests").unwrap(),
    };
    thread::scope(|scope| {
        let (stop, theirs) = (&stop, &others);
        let other = scope.spawn(move || theirs.connect(&hello(1, 2), &|_| {}, stop));
        let mine = Cluster {
            process: 0,
            secret: secret(),
            ..others.clone()
        };
        let deadline = Instant::now() + Duration::from_secs(3);
        let waiting = |what: Option<Told>| {
            assert_eq!(what.unwrap().public, "waiting for 1 of 2 processes");
            stop.store(Instant::now() > deadline, Ordering::Relaxed);
        };
        assert!(matches!(
            mine.connect(&hello(0, 2), &waiting, stop),
            Err(ClusterError::Ended)
        ));
        assert!(matches!(other.join().unwrap(), Err(ClusterError::Ended)));
    });
}
