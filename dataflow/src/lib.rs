//! The pure core of tallyflow: messages and registers in, snapshots out.
//!
//! ```text
//!  bytes ── wire ── intake ═══ accept ── graph ═══ view ── Snapshot
//!                     ║          ║                  ║
//!  register ── directory ════════╩══════════════════╝      ═══ crosses workers
//! ```
//!
//! Invariant: nothing here does IO, asks what time it is or reads the environment. Bad input is
//! data (a refusal, a set-aside cast), so the core cannot fail, only be wrong.

#![forbid(unsafe_code)]

pub mod accept;
pub mod answer;
pub mod directory;
pub mod engine;
pub mod graph;
pub mod harness;
pub mod hash;
pub mod intake;
pub mod kept;
pub mod log_place;
pub mod register;
pub mod time;
pub mod view;
pub mod vote_id;
pub mod wire;
