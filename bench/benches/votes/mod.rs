//! Votes in memory for the micro-benchmarks.

#![allow(dead_code, missing_docs)]

use std::sync::Arc;

use dataflow::harness::{Message, Settings, Step, run};
use dataflow::register::Register;
use dataflow::view::Publication;
use producer::election::Simulation;
use producer::{Batch, Election, Options, Replay, Shares};

// As the service has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub const PARTITIONS: u32 = 8;

/// A made-up election with so many candidates and locations.
pub fn election(voters: u64, candidates: u32, locations: u32) -> Election {
    Election::simulated(Simulation {
        voters,
        candidates,
        locations,
        seed: 1,
    })
    .expect("a simulated election is sound")
}

/// All its messages, over the partitions by voter.
pub fn messages(election: &Election, shares: Shares) -> Vec<Message> {
    let options = Options {
        shares,
        ..Options::default()
    };
    let mut replay = Replay::new(election, &options).expect("the shares fit");
    let mut batch = Batch::new();
    let mut next = [0; PARTITIONS as usize];
    let mut messages = Vec::new();
    while replay.fill(&mut batch, 4096) > 0 {
        for message in batch.messages() {
            let last = message.key.last().copied().unwrap_or_default();
            let partition = u32::from(last) % PARTITIONS;
            let offset = &mut next[partition as usize];
            messages.push((partition, *offset, None, message.bytes.to_vec()));
            *offset += 1;
        }
    }
    messages
}

/// The messages in ticks of so many; the first has the register.
pub fn steps(register: &Arc<Register>, messages: &[Message], tick_messages: usize) -> Vec<Step> {
    let ticks = (1..).zip(messages.chunks(tick_messages));
    ticks
        .map(|(tick, messages)| Step {
            register: (tick == 1).then(|| Arc::clone(register)),
            messages: messages.to_vec(),
            tick,
        })
        .collect()
}

/// What each of these ticks publishes, counted by one worker.
pub fn published(election: &Election, tick_messages: usize) -> Vec<Publication> {
    let register = Arc::new(election.register());
    let messages = messages(election, Shares::default());
    let steps = steps(&register, &messages, tick_messages);
    run(1, PARTITIONS, Settings::default(), steps)
}
