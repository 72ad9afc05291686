//! How the service is, for `/status`: facts that no snapshot holds, answered from memory.

use std::sync::Arc;

use crate::demo::DemoState;
use crate::http::{Operations, PartitionExtent, StatusSource};
use crate::register::LastError;
use crate::source::Log;

/// Where the facts are.
pub struct Facts {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Worker threads.
    pub workers: usize,
    /// Why the register file is not in force.
    pub register_error: Option<LastError>,
    /// The demo, where this is one.
    pub demo: Option<DemoState>,
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
            processes: 1,
            partitions: partitions.collect(),
            register_error: self.register_error.as_ref().and_then(LastError::get),
            demo: self.demo.as_ref().map(DemoState::get),
        }
    }
}
