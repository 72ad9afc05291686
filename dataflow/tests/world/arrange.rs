//! The same world arranged anew: other batches, other orders, other partitions, other workers.
//!
//! In comes a world; out goes one with the same set of messages and log times under the same
//! last register. What law 2 says must not matter is what changes here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Step, World};
use crate::oracle::Message;
use crate::oracle::message::{self, Event};

impl World {
    /// Each partition as it is; other ticks, other workers, the last register from the start.
    pub fn batched_anew(&self) -> World {
        let mut dice = Dice(self.seed);
        let mut queues: Vec<VecDeque<Message>> = vec![VecDeque::new(); self.partitions as usize];
        for (partition, message) in self.steps.iter().flat_map(|step| &step.messages) {
            queues[*partition as usize].push_back(message.clone());
        }
        let mut messages = Vec::new();
        while queues.iter().any(|queue| !queue.is_empty()) {
            let partition = dice.below(self.partitions as usize);
            if let Some(message) = queues[partition].pop_front() {
                messages.push((partition as u32, message));
            }
        }
        self.with(messages, self.partitions, &mut dice)
    }

    /// Each partition as it is, and at its end some of its events once more.
    pub fn with_later_copies(&self) -> World {
        let mut dice = Dice(self.seed.rotate_left(32));
        let all = self.steps.iter().flat_map(|step| &step.messages);
        let is_event = |message: &Message| message::read(&message.bytes, message.log_time_ms);
        let copies: Vec<(u32, Message)> = all
            .filter(|(_, message)| is_event(message).is_ok() && dice.below(2) == 0)
            .cloned()
            .collect();
        let mut world = self.clone();
        let last = world.steps.last_mut().expect("a world has steps");
        last.messages.extend(copies);
        world
    }

    /// Without casts of a voter that have the time of another one.
    pub fn without_ties(&self) -> World {
        let mut casts = HashMap::new();
        let mut world = self.clone();
        for step in &mut world.steps {
            step.messages.retain(|(_, message)| {
                let Ok(Event::Cast(cast)) = message::read(&message.bytes, message.log_time_ms)
                else {
                    return true;
                };
                let time_ms = cast.timestamp.or(message.log_time_ms);
                let first = casts.entry((cast.voter.clone(), time_ms));
                *first.or_insert_with(|| cast.clone()) == cast
            });
        }
        world
    }

    /// Any order, any partitions.
    pub fn arranged_anew(&self) -> World {
        let mut dice = Dice(!self.seed);
        let partitions = 1 + dice.below(5) as u32;
        let mut messages: Vec<(u32, Message)> = Vec::new();
        for (_, message) in self.steps.iter().flat_map(|step| &step.messages) {
            let place = dice.below(messages.len() + 1);
            let partition = dice.below(partitions as usize) as u32;
            messages.insert(place, (partition, message.clone()));
        }
        self.with(messages, partitions, &mut dice)
    }

    fn with(&self, messages: Vec<(u32, Message)>, partitions: u32, dice: &mut Dice) -> World {
        let mut latest = self.steps.iter().rev();
        let mut register = latest.find_map(|step| step.register.as_ref().map(Arc::clone));
        let mut messages = VecDeque::from(messages);
        let mut steps = Vec::new();
        let batch_max = 1 + dice.below(24);
        while !messages.is_empty() || steps.is_empty() {
            let batch = dice.below(batch_max + 1).min(messages.len());
            steps.push(Step {
                register: register.take(),
                messages: messages.drain(..batch).collect(),
                tick: steps.len() as u64 + 1,
            });
        }
        World {
            settings: self.settings,
            partitions,
            workers: 1 + dice.below(4),
            steps,
            seed: self.seed,
        }
    }
}

/// Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators": SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % bound as u64) as usize
    }
}
