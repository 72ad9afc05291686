//! Worlds: random registers, events, partitions, batches and workers, small enough to collide.
//!
//! In come proptest's choices, as plain small numbers that shrink well; out goes a world: the
//! steps that a run takes, with messages as bytes. Shown as a script, so that a failure can be
//! put beside the others in `scripts/`.

use std::fmt;
use std::sync::Arc;

use dataflow::harness;
use dataflow::register::Register;
use proptest::prelude::*;
use serde_json::json;

use crate::judge;
use crate::oracle::{Log, Message, Settings};

mod arrange;
mod edit;
mod event;

/// What a run takes.
#[derive(Clone)]
pub struct World {
    /// Lateness and horizon.
    pub settings: Settings,
    /// How many.
    pub partitions: u32,
    /// How many.
    pub workers: usize,
    /// The first one has a register.
    pub steps: Vec<Step>,
    /// For tests that arrange the world anew.
    pub seed: u64,
}

/// What comes in before a tick closes.
#[derive(Clone)]
pub struct Step {
    /// In force from this tick on.
    pub register: Option<Arc<Register>>,
    /// By partition, in order.
    pub messages: Vec<(u32, Message)>,
    /// The tick.
    pub tick: u64,
}

/// A moment of a world: what is there when a tick closes.
pub struct Moment {
    /// Its register.
    pub register: Arc<Register>,
    /// All messages so far.
    pub log: Log,
    /// The tick.
    pub tick: u64,
}

/// What messages a world is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Mostly votes.
    Votes,
    /// Mostly what is hard to read.
    Odd,
    /// Many votes of one voter.
    Crowded,
    /// Few of everything, so that votes come, go and come back within one tick.
    Few,
    /// Votes of few voters at few times, and copies anywhere: the place in the log decides.
    Ties,
}

/// Worlds of up to eight ticks.
pub fn worlds(mix: Mix) -> impl Strategy<Value = World> {
    let lateness_ms = prop::sample::select(vec![0, 1000, 5000, 10_000, 60_000]);
    let horizon_ms = prop::sample::select(vec![0, 5000, 20_000, 86_400_000]);
    let settings = (lateness_ms, horizon_ms);
    let first = (any::<bool>(), prop::collection::vec(edit::edits(), 0..8));
    let quiet = Just(Vec::new()).boxed();
    let changes = prop::collection::vec(edit::edits(), 1..5).boxed();
    let edits = prop_oneof![3 => quiet, 2 => changes];
    let events_max = if mix == Mix::Crowded { 64 } else { 24 };
    let events = prop::collection::vec((0..4u32, event::events(mix)), 0..events_max);
    let steps = prop::collection::vec((edits, events, 1..4u64), 1..9);
    // More workers than cores only wait for each other: fewer worlds of that kind a second.
    let workers = prop_oneof![3 => Just(1usize), 3 => Just(2), 1 => Just(3), 1 => Just(4)];
    (settings, 1..5u32, workers, first, steps, any::<u64>()).prop_map(
        |((lateness_ms, horizon_ms), partitions, workers, (long, edits), steps, seed)| {
            let base = edit::apply(&edit::base(long), &[edit::revote(seed as usize % 3)], None);
            let first = edit::apply(&base, &edits, None);
            let settings = Settings {
                lateness_ms,
                horizon_ms,
            };
            World {
                settings,
                partitions,
                workers,
                steps: plan(first, steps, partitions),
                seed,
            }
        },
    )
}

/// As many votes of as many voters as tables must grow for, in a few ticks.
pub fn many_voters(voters: usize, workers: usize) -> World {
    let cast = |number: usize| {
        let voter = number * 7919 % voters;
        let event = json!({
            "vote_id": format!("{:08x}-0000-4000-8000-{:012x}", number / 5, voter),
            "voter_id": format!("voter {voter}"),
            "candidate_id": if number.is_multiple_of(3) { "a" } else { "b" },
            "timestamp": (number % 1000) as i64 * 97,
        });
        (number as u32 % 4, message(event))
    };
    let void = |number: usize| {
        let voter = number * 7919 % voters;
        let event = json!({
            "type": "void",
            "vote_id": format!("{:08x}-0000-4000-8000-{:012x}", number / 5, voter),
            "voter_id": format!("voter {voter}"),
        });
        (number as u32 % 3, message(event))
    };
    // Some vote twice, one in twenty is voided, before or after; the last ticks bring copies.
    let casts = voters + voters / 10;
    let tick_of = |part: usize| part * casts / 4..(part + 1) * casts / 4;
    let steps = (0..5).map(|part| {
        let casts = match part {
            4 => tick_of(1).step_by(50),
            part => tick_of(part).step_by(1),
        };
        let voids = tick_of((part + 2) % 4).step_by(20).filter(|_| part < 4);
        Step {
            register: (part == 0).then(|| Arc::new(edit::base(false))),
            messages: casts.map(cast).chain(voids.map(void)).collect(),
            tick: part as u64 + 1,
        }
    });
    World {
        settings: Settings::default(),
        partitions: 4,
        workers,
        steps: steps.collect(),
        seed: 0,
    }
}

/// More windows than the stream shows, that go and come back.
pub fn many_windows() -> World {
    let cast = |vote: &str, at: i64| {
        let event = json!({
            "vote_id": vote, "voter_id": vote, "candidate_id": "a", "timestamp": at,
        });
        (0, message(event))
    };
    let void = |vote: &str| {
        let event = json!({ "type": "void", "vote_id": vote, "voter_id": vote });
        (0, message(event))
    };
    // Each ballot is in 60 windows of its own.
    let batches = [
        vec![cast("1", 100_000), cast("2", 300_000), cast("3", 500_000)],
        vec![void("3")],
        vec![void("2")],
        vec![cast("4", 400_000)],
    ];
    let steps = (1..).zip(batches).map(|(tick, messages)| Step {
        register: (tick == 1).then(|| Arc::new(edit::base(true))),
        messages,
        tick,
    });
    World {
        settings: Settings::default(),
        partitions: 1,
        workers: 2,
        steps: steps.collect(),
        seed: 0,
    }
}

fn message(event: serde_json::Value) -> Message {
    Message {
        log_time_ms: None,
        bytes: event.to_string().into_bytes(),
    }
}

type Planned = (Vec<edit::Edit>, Vec<(u32, event::Written)>, u64);

fn plan(first: Register, planned: Vec<Planned>, partitions: u32) -> Vec<Step> {
    let mut register = first;
    let mut written: Vec<Message> = Vec::new();
    let mut tick = 1_383_508_800_000;
    let mut steps = Vec::new();
    for (edits, events, ticks) in planned {
        let next = edit::apply(&register, &edits, Some(&register));
        let changes = steps.is_empty() || next != register;
        register = next;
        let mut messages = Vec::new();
        for (partition, event) in events {
            let message = event.message(&written);
            written.push(message.clone());
            messages.push((partition % partitions, message));
        }
        tick += ticks;
        steps.push(Step {
            register: changes.then(|| Arc::new(register.clone())),
            messages,
            tick,
        });
    }
    steps
}

impl World {
    /// Runs it through the core.
    pub fn run(&self) -> Vec<dataflow::view::Publication> {
        let settings = judge::settings(self.settings);
        harness::run(self.workers, self.partitions, settings, self.core_steps())
    }

    /// What the core publishes where everything but a checkpoint is lost after one to three ticks
    /// again and again, and the number of workers is another each time. Up to two ticks come
    /// between the checkpoint's and the crash; the next part takes them again.
    pub fn run_with_restarts(&self) -> Vec<dataflow::view::Publication> {
        let settings = judge::settings(self.settings);
        let steps = self.core_steps();
        let mut parts = Vec::new();
        let mut from = 0;
        while from < steps.len() {
            let part = parts.len();
            let cut = (from + (self.steps.len() + part) % 3 + 1).min(steps.len());
            let crash = (cut + (self.workers + part) % 3).min(steps.len());
            parts.push(harness::Part {
                workers: (self.workers + part) % 4 + 1,
                steps: steps[from..cut].to_vec(),
                lost: steps[cut..crash].to_vec(),
            });
            from = cut;
        }
        harness::run_in_parts(self.partitions, settings, parts)
    }

    fn core_steps(&self) -> Vec<harness::Step> {
        let mut log = self.empty_log();
        let steps = self.steps.iter().map(|step| harness::Step {
            register: step.register.clone(),
            messages: judge::append(&mut log, &step.messages),
            tick: step.tick,
        });
        steps.collect()
    }

    /// What is there at each tick.
    pub fn moments(&self) -> Vec<Moment> {
        let mut log = self.empty_log();
        let mut register = None;
        let mut moments = Vec::new();
        for step in &self.steps {
            judge::append(&mut log, &step.messages);
            register = step.register.clone().or(register);
            moments.push(Moment {
                register: register.clone().expect("the first step has a register"),
                log: log.clone(),
                tick: step.tick,
            });
        }
        moments
    }

    fn empty_log(&self) -> Log {
        vec![Vec::new(); self.partitions as usize]
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n# {} workers, seed {}", self.workers, self.seed)?;
        writeln!(f, "lateness {}", self.settings.lateness_ms)?;
        writeln!(f, "horizon {}", self.settings.horizon_ms)?;
        writeln!(f, "partitions {}\n== found", self.partitions)?;
        for step in &self.steps {
            if let Some(register) = &step.register {
                let json = serde_json::to_string(&**register).map_err(|_| fmt::Error)?;
                writeln!(f, "register {json}")?;
            }
            writeln!(f, "tick {}", step.tick)?;
            for (partition, message) in &step.messages {
                let log_time = message.log_time_ms;
                let log_time = log_time.map_or("-".to_string(), |ms| ms.to_string());
                writeln!(f, "{partition} @{log_time} {}", shown(&message.bytes))?;
            }
        }
        Ok(())
    }
}

/// Bytes as a script writes them.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with('{') && !text.contains(['\n', '\r', '«']) => text.to_string(),
        _ => {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("«x {}»", hex.join(" "))
        }
    }
}
