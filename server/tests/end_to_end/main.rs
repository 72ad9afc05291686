//! The real binary over real sockets: what its users meet.
//!
//! Every test starts a server of its own on a free port with a data directory of its own, and
//! waits on conditions with a deadline. The counting itself is judged by the core's tests; here
//! it is what is published, that it agrees with itself, and that nothing is lost on the way.

mod conditional;
mod crash;
mod crowds;
mod damaged;
mod damaged_starts;
mod database;
mod demo;
mod disclose;
mod ending;
mod feeds;
mod full_disk;
mod limits;
mod memory;
mod output;
mod place;
#[path = "../postgres/mod.rs"]
mod postgres;
mod private;
mod register;
mod resume;
mod routes;
mod secrets;
mod slow;
mod streaming;
mod support;
mod voting;
