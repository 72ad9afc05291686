//! The casts and voids of one voter in one contest, where they are more than one plain ballot.
//!
//! An event comes in, changes of counts and cells go out through the [`Round`]. The state of every
//! cast is kept, so that an event costs what it changes and not what is there.
//!
//! Invariant: at most one cast is accepted under `first` and `last`, and it is the first or last
//! of those neither voided nor set aside; under `all` every such cast is.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::cast::{Aside, Cast, Order, State};
use super::outcome::{Count, Why};
use super::round::{Round, Seat};
use crate::directory::{Directory, Revote};
use crate::vote_id::VoteId;

/// From this many casts or voids on, they are found by index instead of one after the other.
const INDEX_FROM: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ballots {
    casts: Vec<Held>,
    voids: Vec<VoteId>,
    accepted: Option<u32>,
    index: Option<Box<Index>>,
    /// The hash of the contest, where it had no number when the first event came.
    stray: u128,
}

#[derive(Debug)]
struct Held {
    cast: Cast,
    state: State,
    voided: bool,
    aside: Option<Aside>,
}

#[derive(Debug, Default)]
struct Index {
    by_vote: FxHashMap<VoteId, Vec<u32>>,
    remaining: BTreeMap<Order, u32>,
    voids: FxHashSet<VoteId>,
}

impl Held {
    /// Whether it may count, if no other cast is before it.
    fn remains(&self) -> bool {
        !self.voided && self.aside.is_none()
    }

    fn state(&self, accepted: bool) -> State {
        match (self.voided, self.aside) {
            (true, _) => State::Voided,
            (false, Some(aside)) => State::SetAside(aside),
            (false, None) if accepted => State::Accepted,
            (false, None) => State::Superseded,
        }
    }
}

impl Ballots {
    /// No ballots yet, in a contest of a hash that has no number.
    pub(super) fn of_stray(contest_hash: u128) -> Ballots {
        Ballots {
            stray: contest_hash,
            ..Ballots::default()
        }
    }

    /// The hash of the contest, where it had no number when the first event came.
    pub(super) fn stray(&self) -> u128 {
        self.stray
    }

    /// Ballots that hold one accepted cast, already counted.
    pub(super) fn of_plain(cast: Cast) -> Ballots {
        let held = Held {
            cast,
            state: State::Accepted,
            voided: false,
            aside: None,
        };
        Ballots {
            casts: vec![held],
            accepted: Some(0),
            ..Ballots::default()
        }
    }

    /// Takes a cast.
    pub(super) fn cast(&mut self, cast: Cast, seat: &Seat, round: &mut Round<'_>) {
        let same_vote = self.with_vote_id(&cast.vote);
        let copy = same_vote
            .iter()
            .find(|&&at| self.casts[at as usize].cast.is_copy_of(&cast));
        if let Some(&at) = copy {
            round.sums.count(Count::Duplicates, 1);
            self.copy(at, &cast, seat, round);
            return;
        }
        if same_vote.len() == 1 && !cast.vote.is_voters() {
            round.sums.count(Count::Conflicts(seat.row()), 1);
        }
        let aside = round.aside(&cast, seat);
        let voided = self.is_voided(&cast.vote);
        let held = Held {
            state: State::Superseded,
            voided,
            aside,
            cast,
        };
        let at = self.casts.len() as u32;
        push(&mut self.casts, held);
        let state = self.casts[at as usize].state(false);
        self.casts[at as usize].state = state;
        round.touched(seat, at);
        let cast = &self.casts[at as usize].cast;
        round.counted((state, 1), cast, seat, self.stray);
        self.index_cast(at);
        self.settle(at, seat, round);
    }

    /// Takes a void.
    pub(super) fn void(&mut self, vote_id: VoteId, seat: &Seat, round: &mut Round<'_>) {
        if self.is_voided(&vote_id) {
            round.sums.count(Count::Duplicates, 1);
            return;
        }
        round.sums.count(Count::Voids, 1);
        for at in self.with_vote_id(&vote_id) {
            self.unindex(at);
            self.casts[at as usize].voided = true;
            self.settle(at, seat, round);
        }
        if let Some(index) = &mut self.index {
            index.voids.insert(vote_id);
        }
        round.void_added(seat, self.voids.len() as u32);
        push(&mut self.voids, vote_id);
        self.index_if_many();
    }

    /// Looks at every cast again after the register changed; `seat` is where it was, `to` the
    /// number that its contest has now.
    pub(super) fn review(&mut self, seat: &Seat, to: u32, round: &mut Round<'_>) {
        let now = Seat {
            contest: to,
            ..*seat
        };
        let conflicts = self.conflicts();
        round.sums.count(Count::Conflicts(seat.row()), -conflicts);
        round.sums.count(Count::Conflicts(now.row()), conflicts);
        for held in &self.casts {
            round.counted((held.state, -1), &held.cast, seat, self.stray);
        }
        let was: Vec<(u32, u32)> = self
            .accepted_casts()
            .map(|at| {
                let cast = &self.casts[at as usize].cast;
                round.cell(cast, seat, -1);
                (at, cast.candidate())
            })
            .collect();
        for held in &mut self.casts {
            held.cast.learn(round.directory);
            held.aside = round.aside(&held.cast, &now);
        }
        if self.index.take().is_some() {
            self.index_if_many();
        }
        self.accepted = self.best(&now, round.directory);
        let all = round.revote(&now) == Some(Revote::All);
        for at in 0..self.casts.len() {
            let accepted = all || self.accepted == Some(at as u32);
            let held = &mut self.casts[at];
            let state = held.state(accepted);
            if std::mem::replace(&mut held.state, state) != state {
                round.touched(&now, at as u32);
            }
            round.counted((held.state, 1), &held.cast, &now, self.stray);
            if held.state == State::Accepted {
                round.cell(&held.cast, &now, 1);
            }
        }
        for &(at, candidate) in &was {
            if self.casts[at as usize].state != State::Accepted {
                round.left(&now, at, candidate, Why::Register);
            }
        }
        for at in self.accepted_casts() {
            if was.binary_search_by_key(&at, |(at, _)| *at).is_err() {
                round.entered(&now, at);
            }
        }
    }

    /// Whether a register that adds something may change a state here.
    pub(super) fn has_set_aside(&self) -> bool {
        self.casts.iter().any(|held| held.aside.is_some())
    }

    /// A cast and its state.
    pub(super) fn kept_cast(&self, at: u32) -> (&Cast, State) {
        let held = &self.casts[at as usize];
        (&held.cast, held.state)
    }

    /// The vote id that a void names.
    pub(super) fn kept_void(&self, at: u32) -> VoteId {
        self.voids[at as usize]
    }

    fn accepted_casts(&self) -> impl Iterator<Item = u32> {
        let casts = (0..).zip(&self.casts);
        casts.filter_map(|(at, held)| (held.state == State::Accepted).then_some(at))
    }

    /// Notes that another copy of a cast came.
    fn copy(&mut self, at: u32, copy: &Cast, seat: &Seat, round: &mut Round<'_>) {
        let held = &self.casts[at as usize];
        let on_time = held.cast.late && !copy.late;
        let earlier = held.cast.untimed && copy.time_ms < held.cast.time_ms;
        // A message that is sent again may come to a partition before the first one's.
        let before = copy.place < held.cast.place;
        if !on_time && !earlier && !before {
            return;
        }
        self.unindex(at);
        round.touched(seat, at);
        let held = &mut self.casts[at as usize];
        let accepted = held.state == State::Accepted;
        if accepted {
            round.cell(&held.cast, seat, -1);
        }
        let before_ms = held.cast.time_ms;
        held.cast.late &= copy.late;
        held.cast.place = held.cast.place.min(copy.place);
        if earlier {
            held.cast.time_ms = copy.time_ms;
        }
        held.aside = round.aside(&held.cast, seat);
        if accepted {
            round.cell(&held.cast, seat, 1);
            if round.in_other_cell(before_ms, held.cast.time_ms, seat) {
                round.moved(seat, at, held.cast.candidate());
            }
        }
        self.index_order(at);
        self.settle(at, seat, round);
    }

    /// Puts one cast, and the one that it makes way for or takes the place of, into the right
    /// state.
    fn settle(&mut self, at: u32, seat: &Seat, round: &mut Round<'_>) {
        let remains = self.casts[at as usize].remains();
        match round.revote(seat) {
            None => self.set_state(at, false, seat, round),
            Some(Revote::All) => self.set_state(at, remains, seat, round),
            Some(Revote::First | Revote::Last) => {
                let next = match self.accepted {
                    // The one that counts changed itself: any other may be the best now.
                    Some(accepted) if accepted == at => self.best(seat, round.directory),
                    Some(accepted) if remains && self.is_before(at, accepted, seat, round) => {
                        Some(at)
                    }
                    Some(accepted) => Some(accepted),
                    None => remains.then_some(at),
                };
                let last = std::mem::replace(&mut self.accepted, next);
                if let Some(last) = last.filter(|_| last != next) {
                    self.set_state(last, false, seat, round);
                }
                self.set_state(at, next == Some(at), seat, round);
                if let Some(next) = next {
                    self.set_state(next, true, seat, round);
                }
            }
        }
    }

    fn set_state(&mut self, at: u32, accepted: bool, seat: &Seat, round: &mut Round<'_>) {
        let held = &mut self.casts[at as usize];
        let (was, is) = (held.state, held.state(accepted));
        if was == is {
            return;
        }
        held.state = is;
        round.touched(seat, at);
        round.counted((was, -1), &held.cast, seat, self.stray);
        round.counted((is, 1), &held.cast, seat, self.stray);
        if was == State::Accepted {
            round.cell(&held.cast, seat, -1);
            let why = match is {
                State::Voided => Why::Voided,
                // Only an earlier copy's time can bring an event outside the hours.
                State::SetAside(_) => Why::Moved,
                State::Superseded | State::Accepted => Why::Superseded,
            };
            round.left(seat, at, held.cast.candidate(), why);
        }
        if is == State::Accepted {
            round.cell(&held.cast, seat, 1);
            round.entered(seat, at);
        }
    }

    /// The cast that counts under `first` or `last`.
    fn best(&self, seat: &Seat, directory: &Directory) -> Option<u32> {
        let revote = directory.rule(seat.contest)?.revote;
        if let Some(index) = &self.index {
            return match revote {
                Revote::First => index.remaining.values().next().copied(),
                Revote::Last => index.remaining.values().next_back().copied(),
                Revote::All => None,
            };
        }
        let remaining = (0..).zip(&self.casts).filter(|(_, held)| held.remains());
        let order = |(_, held): &(u32, &Held)| held.cast.order();
        let best = match revote {
            Revote::First => remaining.min_by_key(order),
            Revote::Last => remaining.max_by_key(order),
            Revote::All => None,
        };
        best.map(|(at, _)| at)
    }

    /// Whether one cast counts rather than another.
    fn is_before(&self, at: u32, other: u32, seat: &Seat, round: &Round<'_>) -> bool {
        let (cast, other) = (
            &self.casts[at as usize].cast,
            &self.casts[other as usize].cast,
        );
        let order = cast.order().cmp(&other.order());
        match round.revote(seat) {
            Some(Revote::Last) => order.is_gt(),
            _ => order.is_lt(),
        }
    }

    fn is_voided(&self, vote_id: &VoteId) -> bool {
        match &self.index {
            Some(index) => index.voids.contains(vote_id),
            None => self.voids.contains(vote_id),
        }
    }

    fn with_vote_id(&self, vote_id: &VoteId) -> Vec<u32> {
        match &self.index {
            Some(index) => index.by_vote.get(vote_id).cloned().unwrap_or_default(),
            None => (0..)
                .zip(&self.casts)
                .filter(|(_, held)| held.cast.vote == *vote_id)
                .map(|(at, _)| at)
                .collect(),
        }
    }

    fn conflicts(&self) -> i64 {
        let mut casts: FxHashMap<VoteId, u32> = FxHashMap::default();
        let own = self.casts.iter().map(|held| held.cast.vote);
        for vote in own.filter(|vote| !vote.is_voters()) {
            *casts.entry(vote).or_default() += 1;
        }
        casts.values().filter(|&&count| count > 1).count() as i64
    }
}

/// Keeping the index.
impl Ballots {
    fn index_if_many(&mut self) {
        if self.index.is_some() || self.casts.len().max(self.voids.len()) < INDEX_FROM {
            return;
        }
        self.index = Some(Box::new(Index {
            voids: self.voids.iter().copied().collect(),
            ..Index::default()
        }));
        for at in 0..self.casts.len() as u32 {
            self.index_vote(at);
            self.index_order(at);
        }
    }

    fn index_cast(&mut self, at: u32) {
        if self.index.is_some() {
            self.index_vote(at);
            self.index_order(at);
        } else {
            self.index_if_many();
        }
    }

    fn index_vote(&mut self, at: u32) {
        if let Some(index) = &mut self.index {
            let vote = self.casts[at as usize].cast.vote;
            index.by_vote.entry(vote).or_default().push(at);
        }
    }

    fn index_order(&mut self, at: u32) {
        let held = &self.casts[at as usize];
        if let Some(index) = self.index.as_mut().filter(|_| held.remains()) {
            index.remaining.insert(held.cast.order(), at);
        }
    }

    /// Takes a cast out of the order, before what it is ordered by or whether it remains changes.
    fn unindex(&mut self, at: u32) {
        if let Some(index) = &mut self.index {
            let order = self.casts[at as usize].cast.order();
            index.remaining.remove(&order);
        }
    }
}

/// Adds one to a list that mostly has one only, which a vector would reserve four for.
fn push<T>(list: &mut Vec<T>, one: T) {
    if list.capacity() == 0 {
        list.reserve_exact(1);
    }
    list.push(one);
}
