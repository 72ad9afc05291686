//! The log that is counted, whichever it is: flags in, an open log out.

use std::sync::Arc;

use anyhow::Context;

use crate::cli::Args;
use crate::demo;
use crate::plan::{Plan, RegisterFrom};
use crate::source::embedded::EmbeddedLog;
use crate::source::kafka::{KafkaLog, KafkaSettings};
use crate::source::{Log, Writer};
use crate::warnings::Warnings;

/// The log that is counted.
#[derive(Clone)]
pub(super) enum AnyLog {
    Embedded(Arc<EmbeddedLog>),
    Kafka(Arc<KafkaLog>),
}

impl AnyLog {
    pub(super) fn log(&self) -> Arc<dyn Log> {
        match self {
            AnyLog::Embedded(log) => Arc::clone(log) as _,
            AnyLog::Kafka(log) => Arc::clone(log) as _,
        }
    }

    pub(super) fn writer(&self) -> Arc<dyn Writer> {
        match self {
            AnyLog::Embedded(log) => Arc::clone(log) as _,
            AnyLog::Kafka(log) => Arc::clone(log) as _,
        }
    }

    /// The one in the data directory, if it is.
    pub(super) fn embedded(&self) -> Option<Arc<EmbeddedLog>> {
        match self {
            AnyLog::Embedded(log) => Some(Arc::clone(log)),
            AnyLog::Kafka(_) => None,
        }
    }

    pub(super) fn close(&self) -> anyhow::Result<()> {
        match self {
            AnyLog::Embedded(log) => log.close().context("could not close the log"),
            AnyLog::Kafka(_) => Ok(()),
        }
    }
}

/// Opens it.
pub(super) fn open_log(args: &Args, plan: &Plan, warnings: &Warnings) -> anyhow::Result<AnyLog> {
    match &plan.register {
        RegisterFrom::File(_) | RegisterFrom::Database(_) => demo::refuse_demo(&plan.data)?,
        RegisterFrom::Demo(election) => {
            demo::prepare(&plan.data, election.election_id(), &args.topic, args.fresh)?;
        }
    }
    if let Some(bootstrap) = &plan.kafka {
        let log = KafkaLog::connect(KafkaSettings {
            bootstrap: bootstrap.clone(),
            topic: args.topic.clone(),
            options: args.kafka_options.clone(),
            create_topic: !args.no_create_topics,
            partitions_new: args.partitions.into(),
            accept_truncated: args.accept_truncated,
            accept_compacted: args.accept_compacted,
            warnings: warnings.clone(),
        })?;
        return Ok(AnyLog::Kafka(Arc::new(log)));
    }
    let directory = plan.data.join(demo::LOG);
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("could not make the directory '{}'", directory.display()))?;
    let log = EmbeddedLog::open(&directory, &args.topic)?;
    log.warn_by(warnings.clone());
    Ok(AnyLog::Embedded(Arc::new(log)))
}
