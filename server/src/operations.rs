//! How the service is, for `/status`: facts that no snapshot holds, answered from memory.

use std::sync::{Arc, OnceLock};

use crate::count::Keeper;
use crate::demo::DemoState;
use crate::feed::StallState;
use crate::http::{self, Deployment, PartitionExtent, StatusSource};
use crate::plan::{Plan, RegisterFrom};
use crate::postgres::PostgresSettings;
use crate::register::LastError;
use crate::sink::Account;
use crate::source::Log;
use crate::unknown::UnknownCodes;
use crate::warnings::Warnings;

/// Where the facts are. Those that a start brings with it are set once they are there.
pub struct Facts {
    /// Where everything is.
    pub places: Deployment,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Worker threads of each process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// Which codes of votes the register does not know.
    pub unknown: UnknownCodes,
    /// What an operator should know besides.
    pub warnings: Warnings,
    /// Whether results stand still.
    pub stall: StallState,
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
    fn operations(&self) -> http::OperatingFacts {
        let topic = self.log.topic();
        let extents = self.log.last_extents();
        let partitions = extents.into_iter().map(|extent| PartitionExtent {
            topic: topic.to_string(),
            partition: extent.partition,
            first_offset: extent.first_offset,
            end_offset: extent.next_offset,
        });
        http::OperatingFacts {
            places: self.places.clone(),
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
            unknown: self.unknown.clone(),
            warnings: self.warnings.list(),
            stall: self.stall.get(),
            register_error: self.register_error.get(),
            demo: self.demo.get().map(DemoState::get),
        }
    }
}

/// Where everything is, for the operator.
pub fn places(plan: &Plan) -> Deployment {
    let processes = plan.cluster.iter();
    Deployment {
        data: plan.data.display().to_string(),
        kafka: plan.kafka.clone(),
        register: match &plan.register {
            RegisterFrom::File(path) => path.display().to_string(),
            RegisterFrom::Database(settings) => settings.with_user(),
            RegisterFrom::Demo(election) => format!("the demo {}", election.election_id()),
        },
        checkpoints: plan.checkpoints.clone(),
        database: plan.postgres.as_ref().map(PostgresSettings::with_user),
        processes: processes.flat_map(|it| it.addresses.clone()).collect(),
    }
}
