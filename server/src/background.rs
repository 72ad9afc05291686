//! Threads whose work can wait: checkpoints, merges, copies of what is counted.
//!
//! Beside threads that count and serve, one that writes a checkpoint for a second would let each
//! step of a vote wait for its turn. With a lower priority it takes what they leave.

/// How much lower the priority is, of at most 19: a tenth of the processor's time where all of it
/// is wanted.
const NICE: i32 = 10;

/// Lowers the priority of this thread, and of those that it starts.
pub fn let_others_go_first() {
    // On Linux it is the thread's own; elsewhere, or where it is forbidden, all are equal.
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::nice(NICE)
    {
        tracing::debug!(%error, "the priority of a thread could not be lowered");
    }
}
