//! How the service is, for `/status`: facts that no snapshot holds, answered from memory.

use std::sync::{Arc, OnceLock};

use crate::count::Keeper;
use crate::demo::DemoState;
use crate::http::{Operations, PartitionExtent, StatusSource};
use crate::register::LastError;
use crate::sink::Account;
use crate::source::Log;
use crate::warnings::Warnings;

/// Where the facts are. Those that a start brings with it are set once they are there.
pub struct Facts {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Worker threads of each process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// What an operator should know besides.
    pub warnings: Warnings,
    /// Why the register that was seen last is not in force.
    pub register_error: LastError,
    /// What checkpoints are made by.
    pub keeper: OnceLock<Keeper>,
    /// Where results are written besides here.
    pub sinks: OnceLock<Vec<Account>>,
    /// The demo, where this is one.
    pub demo: OnceLock<DemoState>,
}

impl StatusSource for Facts {
    fn operations(&self) -> Operations {
        let topic = self.log.topic();
        let extents = self.log.last_extents();
        let partitions = extents.into_iter().map(|extent| PartitionExtent {
            topic: topic.to_string(),
            partition: extent.partition,
            first_offset: extent.first_offset,
            end_offset: extent.next_offset,
        });
        Operations {
            workers: self.workers,
            processes: self.processes,
            partitions: partitions.collect(),
            log: self.log.health(),
            checkpoint: self.keeper.get().map(Keeper::status),
            sinks: self
                .sinks
                .get()
                .map(|sinks| sinks.iter().map(Account::status).collect())
                .unwrap_or_default(),
            warnings: self.warnings.list(),
            register_error: self.register_error.get().map(|told| told.public),
            demo: self.demo.get().map(DemoState::get),
        }
    }
}
