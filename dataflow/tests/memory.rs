//! What a voter takes in memory, by what the ballot is: the figures of docs/operator.md, and bounds
//! that hostile votes must keep to.
//!
//! Votes of many voters go in, one kind after the other; the process's resident memory is read
//! from Linux between them.

use std::sync::Arc;
use std::time::Duration;

use dataflow::engine::{Engine, Mark, Settings};
use dataflow::register::Register;
use serde_json::json;
use timely::worker::Worker;

/// As many as make the first chunk of each of the 1,024 maps nearly full.
const VOTERS: usize = 260_000;

/// Votes of one tick: few enough that what is on its way is little.
const IN_TICK: usize = 20_000;

struct Count<'a> {
    worker: &'a Worker,
    engine: Engine,
    offset: i64,
    tick: u64,
}

impl Count<'_> {
    /// Votes of all voters; how many bytes each takes.
    fn bytes_a_voter(&mut self, vote: impl Fn(usize) -> String) -> f64 {
        let before = resident_bytes();
        for first in (0..VOTERS).step_by(IN_TICK) {
            for number in first..(first + IN_TICK).min(VOTERS) {
                let taken = self
                    .engine
                    .take(0, self.offset, Some(1), vote(number).as_bytes());
                taken.expect("it is a vote");
                self.offset += 1;
            }
            self.close();
        }
        (resident_bytes() - before) / VOTERS as f64
    }

    fn close(&mut self) {
        self.tick += 1;
        self.engine.close_at(self.tick, Mark::None);
        while self.engine.ticks_in_flight() > 0 {
            self.engine.step(Some(Duration::from_millis(1)));
        }
        assert_eq!(self.worker.peers(), 1);
    }
}

fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says what is resident");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .expect("it is said in kB")
        * 1024.0
}

fn register() -> Register {
    let contest = |id: &str| json!({"contest_id": id, "election_id": "e"});
    let candidate = |contest: &str, id: &str| json!({"contest_id": contest, "candidate_id": id});
    let contests = ["warm", "uuid", "text", "own", "ranked"];
    let candidates = contests.iter();
    let candidates =
        candidates.flat_map(|contest| ["a", "b", "c", "d", "e"].map(|id| candidate(contest, id)));
    let register = json!({
        "elections": [{"election_id": "e"}],
        "contests": contests.map(contest),
        "candidates": candidates.collect::<Vec<_>>(),
    });
    serde_json::from_value(register).expect("it is a register")
}

#[test]
fn a_voter_takes_as_little_as_is_said() {
    let register = Arc::new(register());
    timely::execute_directly(move |worker| {
        let settings = Settings {
            hash_key: *b"a key for tests.",
            lateness_ms: 60_000,
            format: Arc::default(),
            workers_per_process: 1,
            restores: false,
            keeps: false,
        };
        let mut count = Count {
            engine: Engine::new(worker, settings),
            worker,
            offset: 0,
            tick: 0,
        };
        count.engine.begin(0, 0);
        count.engine.adopt(&register);
        count.close();
        let plain = |contest: &str, vote: &str, number: usize| {
            format!(
                r#"{{"contest_id":"{contest}","vote_id":"{vote}","voter_id":"voter {number}","candidate_id":"a"}}"#
            )
        };
        let uuid = |number: usize| format!("{number:08x}-0000-4000-8000-0123456789ab");
        count.bytes_a_voter(|number| plain("warm", &uuid(number), number % IN_TICK));
        let mut found = |what: &str, bytes_max: f64, vote: &dyn Fn(usize) -> String| {
            let bytes = count.bytes_a_voter(vote);
            println!("{what}: {bytes:.0} bytes a voter");
            assert!(bytes <= bytes_max, "{what}: {bytes:.0} bytes a voter");
        };
        found("a UUID", 100.0, &|n| plain("uuid", &uuid(n), n));
        found("a text of 24 bytes", 120.0, &|n| {
            plain("text", &format!("vote {n:019}"), n)
        });
        found("the voter's id", 120.0, &|n| {
            plain("own", &format!("voter {n}"), n)
        });
        found("five choices", 500.0, &|n| {
            let vote = uuid(n);
            format!(
                r#"{{"contest_id":"ranked","vote_id":"{vote}","voter_id":"voter {n}","choices":["a","b","c","d","e"]}}"#
            )
        });
        found("an unknown contest of its own", 500.0, &|n| {
            plain(&format!("an invented contest, number {n:064}"), &uuid(n), n)
        });
    });
}
