//! Events as *accept* keeps them, on their way to a checkpoint and back.
//!
//! A checkpoint is the log without what does not matter any more: every distinct event once, with
//! what its copies decided (the first place, whether all were late, the earliest log time). Since the state is a
//! function of that set (law 2), events that are taken again give the same state for any number
//! of workers; their states are written for whoever reads a checkpoint, and not believed.

use crate::directory::{BLANK, Directory, NONE, Names};
use crate::intake::{Arrival, UnknownContest};

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

impl Kept {
    /// The same event under other numbers; what they do not have is spelled out.
    pub fn renumbered(&self, from: Numbering<'_>, to: Numbering<'_>) -> Kept {
        let event = &self.event;
        let mut unusual = event.unusual.as_deref().cloned().unwrap_or_default();
        let contest = match unusual.contest.take() {
            Some(UnknownContest::Named(id)) => Some(id),
            Some(hashed) => {
                unusual.contest = Some(hashed);
                None
            }
            None => text(from.contests, event.contest, NONE),
        };
        let contest = number(contest, to.contests, |text| {
            unusual.contest = Some(UnknownContest::Named(text));
        });
        let location = unusual
            .location
            .take()
            .or_else(|| text(from.locations, event.location, NONE));
        let location = number(location, to.locations, |text| unusual.location = Some(text));
        let candidate = match text(from.candidates, event.candidate, BLANK) {
            None => BLANK,
            one => number(one, to.candidates, |text| {
                unusual.choices = Some(vec![text])
            }),
        };
        let event = Arrival {
            contest,
            candidate,
            location,
            unusual: None,
            ..event.clone()
        };
        Kept {
            event: event.with(unusual),
            state: self.state,
        }
    }
}

fn text(names: &Names, number: u32, none: u32) -> Option<Box<str>> {
    (number != none).then(|| Box::from(&**names.text(number)))
}

fn number(text: Option<Box<str>>, names: &Names, spell_out: impl FnOnce(Box<str>)) -> u32 {
    let Some(text) = text else { return NONE };
    names.number(&text).unwrap_or_else(|| {
        spell_out(text);
        NONE
    })
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
