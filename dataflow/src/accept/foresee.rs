//! What the register in force alone says of a cast that has not been counted yet, for whoever
//! sends it. What other casts and voids decide is not asked.

use std::borrow::Cow;

use super::cast::{Aside, Cast, Choices, Name};
use crate::directory::{Directory, Revote};
use crate::log_place::LogPlace;
use crate::vote_id::VoteId;
use crate::wire;

/// What is foreseen of a cast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// The first reason for which the register does not let it count.
    pub aside: Option<Aside>,
    /// Whether every cast of its contest counts, and this one has neither a vote id nor a time of
    /// its own: another one like it would be a copy.
    pub is_alone: bool,
}

/// Foresees a cast that the log takes at a time. `on_roll`: whether the voter is on the roll of an
/// election, by its id; taken as yes where nobody knows.
pub fn foresee(
    cast: &wire::Cast<'_>,
    log_time_ms: i64,
    on_roll: impl Fn(&str) -> bool,
    directory: &Directory,
) -> Foreseen {
    let contest = match &cast.contest_id {
        Some(id) => directory.contests.number(id),
        None => directory.default_contest,
    };
    let Some((contest, rule)) = contest.and_then(|it| Some((it, directory.rule(it)?))) else {
        return Foreseen {
            aside: Some(Aside::UnknownContest),
            is_alone: false,
        };
    };
    let unknown = |text: &Cow<'_, str>| Name::Unknown(Box::from(&**text));
    let mut ours = Cast {
        vote: VoteId::default(),
        choices: match &cast.choices {
            wire::Choices::Blank => Choices::Blank,
            wire::Choices::One(one) => Choices::List([unknown(one)].into()),
            wire::Choices::Many(list) => Choices::List(list.iter().map(unknown).collect()),
        },
        location: cast.location.as_ref().map(unknown),
        time_ms: cast.timestamp_ms.unwrap_or(log_time_ms),
        place: LogPlace::default(),
        untimed: cast.timestamp_ms.is_none(),
        late: false,
    };
    ours.learn(directory);
    let on_roll = |election| on_roll(directory.elections.text(election));
    let has_own_id = cast.vote_id != cast.voter_id;
    Foreseen {
        aside: ours.aside(contest, on_roll, directory),
        is_alone: rule.revote == Revote::All && ours.untimed && !has_own_id,
    }
}
