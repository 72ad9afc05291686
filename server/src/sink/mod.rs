//! Where results go besides HTTP: each sink follows the published ticks on a thread of its own.
//!
//! Comes in: the [`Publisher`](crate::publish::Publisher), which never waits for a sink and knows
//! none. Goes out: rows as they are now, never differences, so that a sink that was away has only
//! the latest of each row to catch up with.

pub mod aggregates;
mod ending;
mod follow;
pub mod results;
#[cfg(test)]
pub(crate) mod scene;
mod status;
pub mod votes;

pub use follow::Follower;
pub use status::{Account, SinkState, SinkStatus};
