//! Crashes: a process that is killed and a machine that loses power, at any moment.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::*;

const CHILD_DIRECTORY: &str = "LOG_TEST_CHILD_DIRECTORY";
const CHILD_NAME: &str = "LOG_TEST_CHILD_NAME";
const TASKS: usize = 4;

/// The test is its own child: it appends for ever and prints what was acknowledged, until killed.
#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    if let (Some(directory), Ok(name)) = (env::var_os(CHILD_DIRECTORY), env::var(CHILD_NAME)) {
        return append_for_ever(Path::new(&directory), &name);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut numbers = Numbers(2013);
    for round in 0..10 {
        let acknowledgements = 20 + numbers.below(400) as usize;
        let name = format!("round {round}");
        acknowledged.extend(run_and_kill(directory.path(), &name, acknowledgements));
        let log = open(directory.path());
        let rows = read_all(&log);
        let texts = texts(&rows);
        let found: BTreeSet<&str> = texts.iter().copied().collect();
        assert_eq!(found.len(), texts.len(), "something is there twice");
        for append in &acknowledged {
            for part in 0..3 {
                let text = format!("{append}/{part}");
                assert!(found.contains(text.as_str()), "{text} is missing");
            }
        }
        check_whole_and_with_their_fact(&log, &name, &found);
    }
    assert!(acknowledged.len() > 200);
}

/// Every append of three is there whole or not at all, and a task's fact is of its last append.
fn check_whole_and_with_their_fact(log: &EmbeddedLog, name: &str, found: &BTreeSet<&str>) {
    for task in 0..TASKS {
        let parts = |part: usize| {
            let of_this = |text: &&&str| {
                text.starts_with(&format!("{name}/{task}/")) && text.ends_with(&format!("/{part}"))
            };
            found.iter().filter(of_this).count()
        };
        let fact = log.get(&format!("{name}/{task}")).unwrap();
        let appends = fact.map_or(0, |value| {
            String::from_utf8(value).unwrap().parse().unwrap()
        });
        assert_eq!([parts(0), parts(1), parts(2)], [appends; 3]);
    }
}

/// Starts the child and kills it after so many acknowledgements; gives all that it printed.
fn run_and_kill(directory: &Path, name: &str, acknowledgements: usize) -> Vec<String> {
    let (_, test) = module_path!().split_once("::").unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg(format!(
            "{test}::a_killed_process_loses_nothing_acknowledged"
        ))
        .env(CHILD_DIRECTORY, directory)
        .env(CHILD_NAME, name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    // A line that the kill cut short does not end in "stored".
    let append_of = |line: String| line.strip_suffix(" stored").map(str::to_string);
    while acknowledged.len() < acknowledgements {
        let line = lines.next().expect("the child ended by itself").unwrap();
        acknowledged.extend(append_of(line));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(lines.map_while(Result::ok).filter_map(append_of));
    acknowledged
}

fn append_for_ever(directory: &Path, name: &str) {
    let log = Arc::new(open(directory));
    println!();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (log, name) = (Arc::clone(&log), name.to_string());
            std::thread::spawn(move || {
                for number in 1_u64.. {
                    let append = format!("{name}/{task}/{number}");
                    let all = (0..3)
                        .map(|part| message(format!("{part}"), format!("{append}/{part}")))
                        .collect();
                    let (key, value) = (format!("{name}/{task}"), number.to_string());
                    wait(log.append_with_fact(all, 0, &key, value.as_bytes())).unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "{append} stored")
                        .and_then(|()| out.flush())
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
}

/// The power goes in the middle of writing; of what was not synced some sectors are there. The
/// torn tail is cut off: every append is there whole or not at all, and every acknowledged one is.
#[test]
fn a_power_loss_cuts_the_torn_tail_and_nothing_else() {
    let mut numbers = Numbers(404);
    let (mut acknowledged_in_all, mut cut_in_all) = (0, 0);
    for round in 0..300 {
        let mut disk = Disk::with_log();
        let mut acknowledged = Vec::new();
        let mut sent = 0;
        for _ in 0..3 {
            disk.lose_power_after(numbers.below(120));
            if let Ok(log) = open_on(&disk) {
                loop {
                    sent += 1;
                    let name = format!("{sent}");
                    let count = 1 + numbers.below(60) as usize;
                    let (value, all) = (name.as_bytes(), messages(&name, count));
                    match wait(log.append_with_fact(all, 0, "last", value)) {
                        Ok(_) => acknowledged.push((name, count)),
                        Err(_) => break,
                    }
                }
                // Closing fails as all writing does; the error is for the log file.
                assert!(log.close().is_err());
            }
            disk = disk.after_power_loss(&mut numbers);
            let log = open_on(&disk).unwrap_or_else(|error| panic!("round {round}: {error}"));
            let rows = read_all(&log);
            for (name, count) in &acknowledged {
                assert_eq!(count_of(&rows, name), *count, "round {round}");
            }
            let last = log
                .get("last")
                .unwrap()
                .map(|value| String::from_utf8(value).unwrap());
            let whole: usize = acknowledged.iter().map(|(_, count)| count).sum();
            let unacknowledged = rows.len() - whole;
            // The one append without an answer is there with its fact, or neither is.
            match last.filter(|name| acknowledged.last().is_none_or(|(last, _)| name != last)) {
                Some(name) => {
                    let count = count_of(&rows, &name);
                    assert!(count > 0 && count == unacknowledged, "round {round}");
                    acknowledged.push((name, count));
                }
                None => {
                    assert_eq!(unacknowledged, 0, "round {round}");
                    cut_in_all += 1;
                }
            }
        }
        acknowledged_in_all += acknowledged.len();
    }
    println!("{acknowledged_in_all} appends kept, {cut_in_all} torn tails cut");
    assert!(acknowledged_in_all > 500 && cut_in_all > 100);
}

fn count_of(rows: &[Row], name: &str) -> usize {
    let prefix = format!("{name}/");
    rows.iter().filter(|row| row.2.starts_with(&prefix)).count()
}
