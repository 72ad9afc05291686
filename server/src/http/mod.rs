//! HTTP: what is published goes out as JSON and as a stream of events, votes come in.
//!
//! ```text
//! socket → server (accept) → places → gate (paths, methods, headers) → routes ─┬→ answers, status → one tick's JSON
//!                                                                     ├→ stream → frames, shared
//!                                                                     └→ votes → the log
//! ```
//!
//! It never counts and never waits for the engine. A request sees one tick.

pub use error::HttpError;
pub use operations::Deployment;
pub use server::{Parts, serve};
pub use settings::{Limits, Origins, Settings, networks};
pub use status::{Demo, OperatingFacts, PartitionExtent, StatusSource, lag};

mod answers;
mod body;
mod cors;
mod error;
mod etag;
mod failures;
mod files;
mod forwarded;
mod front;
mod gate;
mod held;
mod lines;
mod metrics;
mod network;
mod open_files;
mod openapi;
mod operations;
mod own_files;
mod places;
mod problem;
mod query;
mod routes;
mod rules;
mod server;
mod settings;
mod shares;
mod socket;
mod status;
mod stream;
mod votes;
