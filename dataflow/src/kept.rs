//! Events as *accept* keeps them, on their way to a checkpoint and back.
//!
//! A checkpoint is the log without what does not matter any more: every distinct event once, with
//! what its copies decided (whether all were late, the earliest log time). Since the state is a
//! function of that set (law 2), events that are taken again give the same state for any number
//! of workers; their states are written for whoever reads a checkpoint, and not believed.

use crate::directory::{Directory, Names};
use crate::intake::Arrival;

/// An event of the accept state, as it is after a tick.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The event. Numbers are those of the directory; what has none is spelled out.
    pub event: Arrival,
    /// What has become of it.
    pub state: KeptState,
}

/// What has become of a kept event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeptState {
    /// It counts.
    #[default]
    Accepted,
    /// It yields to another cast of its voter.
    Superseded,
    /// A void names it.
    Voided,
    /// The register does not let it count.
    SetAside,
    /// It is a void itself.
    Void,
}

impl KeptState {
    /// All states.
    pub const ALL: [KeptState; 5] = [
        KeptState::Accepted,
        KeptState::Superseded,
        KeptState::Voided,
        KeptState::SetAside,
        KeptState::Void,
    ];

    /// The word for it in files.
    pub fn as_str(self) -> &'static str {
        match self {
            KeptState::Accepted => "accepted",
            KeptState::Superseded => "superseded",
            KeptState::Voided => "voided",
            KeptState::SetAside => "set_aside",
            KeptState::Void => "void",
        }
    }
}

/// Names and the numbers by which events refer to them.
#[derive(Clone, Copy, Debug)]
pub struct Numbering<'a> {
    /// Of contests.
    pub contests: &'a Names,
    /// Of candidates, one space for all contests.
    pub candidates: &'a Names,
    /// Of locations, one space for all elections.
    pub locations: &'a Names,
}

impl Directory {
    /// The numbers that this directory has given; every later one has given them too.
    pub fn numbering(&self) -> Numbering<'_> {
        Numbering {
            contests: &self.contests,
            candidates: &self.candidates,
            locations: &self.locations,
        }
    }
}
