//! Elections as messages: real ones from their sums, and simulated ones, one event a vote.
//!
//! ```text
//!  sums (embedded, CSV, JSON, simulated)
//!    │ election/   checked; with the register that a server needs
//!  Election
//!    │ replay/     when each ballot comes, what goes wrong with it, its bytes
//!  Batch           messages with their keys
//!    │ target/     http, kafka, a file, or whatever implements Target
//!  a server
//! ```
//!
//! What comes out is known beforehand: [`expected::Expected`]. The same seed gives the same bytes
//! on every machine. Nothing here prints, ends the process or asks for the time of day, but
//! [`deliver()`] for its pace, and the HTTP and Kafka targets for their patience.

#![forbid(unsafe_code)]

pub mod batch;
pub mod deliver;
pub mod election;
pub mod expected;
pub mod replay;
pub mod target;

pub use batch::{Batch, Message};
pub use deliver::{Rate, deliver};
pub use election::{Election, ElectionError};
pub use expected::Expected;
pub use replay::{Options, OptionsError, Replay, Shares};
pub use target::{Delivery, Target, TargetError};
