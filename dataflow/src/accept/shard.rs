//! One of the many small maps that hold the accept state: (contest, voter) → ballots.
//!
//! The entries lie in a vector that grows by an eighth, the map holds their places only. So
//! growing is cheap and never stalls, and a voter takes 52 bytes, up to an eighth of them in
//! reserve, and 6 to 11 bytes of map.

use hashbrown::HashTable;

use super::ballots::Ballots;
use super::cast::{Cast, State};
use super::entry::Entry;
use super::outcome::Count;
use super::round::{Moves, Round, Seat};
use super::scribe::Scribe;
use crate::intake::Arrival;
use crate::kept::Kept;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Shard {
    places: HashTable<u32>,
    entries: Vec<Entry>,
    ballots: Vec<Ballots>,
}

impl Shard {
    /// Takes one event. `fresh_from` is how many entries there were when the tick began.
    pub(super) fn take(
        &mut self,
        arrival: Arrival,
        contest: u32,
        contest_hash: u128,
        fresh_from: u32,
        round: &mut Round<'_>,
    ) {
        let key = arrival.voter ^ contest_hash;
        let place = self.find(key);
        let seat = Seat {
            contest,
            voter: arrival.voter,
            entry: place.unwrap_or(self.entries.len() as u32),
        };
        let void = arrival.void;
        let cast = Cast::new(arrival, round.directory);
        if place.is_none() && !void && self.add_plain(key, &cast, &seat, round) {
            return;
        }
        if let Some(place) = place
            && !void
            && self.is_plain_copy(place, &cast)
        {
            round.sums.count(Count::Duplicates, 1);
            return;
        }
        let ballots = match place {
            Some(place) => self.open(place, fresh_from, &seat, round),
            None => self.add(key, contest),
        };
        if void {
            ballots.void(cast.vote_id, &seat, round);
        } else {
            ballots.cast(cast, &seat, round);
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Looks at entries again after the register changed: all, or those that `only` wants of the
    /// ones kept apart. `contest_hash` and `renumber` tell of a contest's number.
    pub(super) fn review(
        &mut self,
        all: bool,
        contest_hash: impl Fn(u32) -> u128,
        renumber: impl Fn(u32) -> u32,
        round: &mut Round<'_>,
    ) {
        for place in 0..self.len() {
            let entry = self.entries[place as usize];
            let apart = entry.ballots();
            if all || apart.is_some_and(|at| self.ballots[at as usize].has_set_aside()) {
                let hash = contest_hash(entry.contest());
                self.review_entry(place, entry.key() ^ hash, &renumber, round);
            }
        }
        // Ballots with nothing but voids have no state, but belong to a contest all the same.
        if !all {
            for entry in &mut self.entries {
                entry.set_contest(renumber(entry.contest()));
            }
        }
    }

    /// Looks at one voter's ballots in one contest again, if there are any.
    pub(super) fn review_key(&mut self, voter: u128, contest_hash: u128, round: &mut Round<'_>) {
        if let Some(place) = self.find(voter ^ contest_hash) {
            self.review_entry(place, voter, &|contest| contest, round);
        }
    }

    fn review_entry(
        &mut self,
        place: u32,
        voter: u128,
        renumber: &impl Fn(u32) -> u32,
        round: &mut Round<'_>,
    ) {
        let entry = &mut self.entries[place as usize];
        let seat = Seat {
            contest: entry.contest(),
            voter,
            entry: place,
        };
        let to = renumber(seat.contest);
        entry.set_contest(to);
        if entry.ballots().is_none() && round.aside(&entry.cast(), &seat).is_none() {
            return;
        }
        let ballots = self.apart(place);
        ballots.review(&seat, to, round);
    }

    /// What a tick has changed of what is kept: plain entries from `fresh_from` on, and the casts
    /// and voids that `moves` names.
    pub(super) fn changed(
        &self,
        fresh_from: u32,
        moves: &mut Moves,
        scribe: &Scribe<'_>,
        kept: &mut Vec<Kept>,
    ) {
        let fresh = &self.entries[fresh_from as usize..];
        let plain = fresh.iter().filter(|entry| entry.ballots().is_none());
        kept.extend(plain.map(|entry| scribe.plain(entry)));
        for (place, at) in moves.casts.drain() {
            let entry = &self.entries[place as usize];
            if let Some(ballots) = entry.ballots() {
                let (cast, state) = self.ballots[ballots as usize].kept_cast(at);
                kept.push(scribe.cast(entry, cast, state));
            }
        }
        for (place, at) in moves.voids.drain(..) {
            let entry = &self.entries[place as usize];
            if let Some(ballots) = entry.ballots() {
                kept.push(scribe.void(entry, self.ballots[ballots as usize].kept_void(at)));
            }
        }
    }

    fn find(&self, key: u128) -> Option<u32> {
        let same = |&place: &u32| self.entries[place as usize].key() == key;
        self.places.find(map_hash(key), same).copied()
    }

    /// Adds a cast of a voter who had none, if it is accepted and plain.
    fn add_plain(&mut self, key: u128, cast: &Cast, seat: &Seat, round: &mut Round<'_>) -> bool {
        if round.aside(cast, seat).is_some() {
            return false;
        }
        let Some(entry) = Entry::plain(key, seat.contest, cast) else {
            return false;
        };
        self.push(entry);
        let accepted = Count::Casts(seat.row(), State::Accepted);
        round.sums.count(accepted, 1);
        round.cell(cast, seat, 1);
        true
    }

    /// Whether a cast is a copy of a plain one and changes nothing of it.
    fn is_plain_copy(&self, place: u32, cast: &Cast) -> bool {
        let entry = &self.entries[place as usize];
        if entry.ballots().is_some() {
            return false;
        }
        let held = entry.cast();
        held.is_copy_of(cast)
            && (cast.late || !held.late)
            && (!held.untimed || cast.time_ms >= held.time_ms)
    }

    fn add(&mut self, key: u128, contest: u32) -> &mut Ballots {
        let at = self.ballots.len() as u32;
        self.push(Entry::reference(key, contest, at));
        self.ballots.push(Ballots::default());
        &mut self.ballots[at as usize]
    }

    /// The ballots of an entry, to be changed in this tick.
    fn open(
        &mut self,
        place: u32,
        fresh_from: u32,
        seat: &Seat,
        round: &mut Round<'_>,
    ) -> &mut Ballots {
        if place >= fresh_from && self.entries[place as usize].ballots().is_none() {
            // It came plain in this very tick, and nobody has seen it count or kept it yet.
            round.entered(seat, 0);
            round.touched(seat, 0);
        }
        self.apart(place)
    }

    /// The ballots of an entry, kept apart from now on.
    fn apart(&mut self, place: u32) -> &mut Ballots {
        let entry = self.entries[place as usize];
        let at = entry.ballots().unwrap_or_else(|| {
            let at = self.ballots.len() as u32;
            self.ballots.push(Ballots::of_plain(entry.cast()));
            self.entries[place as usize] = Entry::reference(entry.key(), entry.contest(), at);
            at
        });
        &mut self.ballots[at as usize]
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact((self.entries.len() / 8).max(4));
        }
        let place = self.entries.len() as u32;
        self.entries.push(entry);
        let entries = &self.entries;
        let hash = |place: &u32| map_hash(entries[*place as usize].key());
        self.places
            .insert_unique(map_hash(entry.key()), place, hash);
    }
}

/// The half of a key that the map uses; the other half chooses worker and shard.
fn map_hash(key: u128) -> u64 {
    key as u64
}
