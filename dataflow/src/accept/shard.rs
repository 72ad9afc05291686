//! One of the many small maps that hold the accept state: (contest, voter) → ballots.
//!
//! The entries lie in chunks, the map holds their places only. So growing is cheap and never
//! stalls, and a voter takes 56 bytes and 12 to 14 bytes of map.

use super::ballots::Ballots;
use super::cast::{Cast, State};
use super::entries::Entries;
use super::entry::Entry;
use super::outcome::Count;
use super::places::Places;
use super::round::{Round, STRAY, Seat};
use super::scribe::Scribe;
use crate::directory::{Directory, NONE};
use crate::intake::{Arrival, NO_CONTEST_HASH};
use crate::kept::Kept;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Shard {
    places: Places,
    entries: Entries,
    ballots: Vec<Ballots>,
    /// Entries before it that are plain have been handed over to whoever keeps them.
    kept_to: u32,
}

impl Shard {
    /// Brings the memory that a key's event needs first, see [`Places::touch`].
    pub(super) fn touch(&self, key: u128) -> u64 {
        self.places.touch(key)
    }

    /// Takes one event; the seat is all but its entry. `fresh_from` is how many entries there were
    /// when the tick began.
    pub(super) fn take(
        &mut self,
        arrival: Arrival,
        key: u128,
        seat: Seat,
        fresh_from: u32,
        round: &mut Round<'_>,
    ) {
        let place = self.find(key);
        let seat = Seat {
            entry: place.unwrap_or_else(|| self.len()),
            ..seat
        };
        let void = arrival.void;
        if place.is_none()
            && !void
            && let Some(entry) = Entry::of(key, seat.contest, &arrival)
            && round.plain(&arrival, seat.contest)
        {
            self.push(entry);
            return;
        }
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
            None => self.add(key, &seat),
        };
        if void {
            ballots.void(cast.vote, &seat, round);
        } else {
            ballots.cast(cast, &seat, round);
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> u32 {
        self.entries.len()
    }

    /// Looks at entries again after the register changed: all, or those with a cast that is set
    /// aside.
    pub(super) fn review(&mut self, (at, all): (u32, bool), round: &mut Round<'_>) {
        for place in 0..self.len() {
            let entry = self.entries[place];
            let apart = entry.ballots();
            if all || apart.is_some_and(|at| self.ballots[at as usize].has_set_aside()) {
                let voter = entry.key() ^ self.contest_hash(&entry, round.directory);
                self.review_entry((at, place), voter, round);
            } else if entry.contest() == STRAY {
                // Nothing but voids has no state, but belongs to a contest all the same.
                self.renumber(place, round.directory);
            }
        }
    }

    /// The hash of an entry's contest.
    fn contest_hash(&self, entry: &Entry, directory: &Directory) -> u128 {
        match (entry.contest(), entry.ballots()) {
            (NONE, _) => NO_CONTEST_HASH,
            (STRAY, Some(at)) => self.ballots[at as usize].stray(),
            (known, _) => directory.contest_hash(known),
        }
    }

    /// Gives an entry the number of its contest, if there is one by now; says what it has then.
    fn renumber(&mut self, place: u32, directory: &Directory) -> u32 {
        let entry = self.entries[place];
        if entry.contest() == STRAY
            && let Some(at) = entry.ballots()
            && let Some(number) = directory.contest_of_hash(self.ballots[at as usize].stray())
        {
            self.entries[place] = Entry::reference(entry.key(), number, at);
            return number;
        }
        entry.contest()
    }

    /// Looks at one voter's ballots in one contest again, if there are any.
    pub(super) fn review_key(
        &mut self,
        at: u32,
        voter: u128,
        contest_hash: u128,
        round: &mut Round<'_>,
    ) {
        if let Some(place) = self.find(voter ^ contest_hash) {
            self.review_entry((at, place), voter, round);
        }
    }

    fn review_entry(&mut self, (shard, place): (u32, u32), voter: u128, round: &mut Round<'_>) {
        let entry = self.entries[place];
        let seat = Seat {
            contest: entry.contest(),
            voter,
            shard,
            entry: place,
        };
        let to = self.renumber(place, round.directory);
        if entry.ballots().is_none() && round.aside(&entry.cast(), &seat).is_none() {
            return;
        }
        let ballots = self.apart(&seat, round);
        ballots.review(&seat, to, round);
    }

    /// A cast of ballots that are kept apart, as it is kept.
    pub(super) fn kept_cast(&self, place: u32, at: u32, scribe: &Scribe<'_>) -> Option<Kept> {
        let entry = &self.entries[place];
        let (cast, state) = self.ballots[entry.ballots()? as usize].kept_cast(at);
        let contest_hash = self.contest_hash(entry, scribe.directory);
        Some(scribe.cast(entry, contest_hash, cast, state))
    }

    /// A void, as it is kept.
    pub(super) fn kept_void(&self, place: u32, at: u32, scribe: &Scribe<'_>) -> Option<Kept> {
        let entry = &self.entries[place];
        let vote_id = self.ballots[entry.ballots()? as usize].kept_void(at);
        let contest_hash = self.contest_hash(entry, scribe.directory);
        Some(scribe.void(entry, contest_hash, vote_id))
    }

    /// Hands over the plain entries before a place that have not been handed over yet, at most
    /// `rows_max`; whether there are no more.
    pub(super) fn hand_over(
        &mut self,
        upto: u32,
        rows_max: usize,
        scribe: &Scribe<'_>,
        kept: &mut Vec<Kept>,
    ) -> bool {
        let end = upto.min(self.kept_to.saturating_add(rows_max as u32));
        if self.kept_to < end {
            let entries = self.entries.range(self.kept_to..end);
            let plain = entries.filter(|entry| entry.ballots().is_none());
            kept.extend(plain.map(|entry| scribe.plain(entry)));
            self.kept_to = end;
        }
        end >= upto
    }

    /// Notes that all entries are kept by whoever wants them.
    pub(super) fn is_kept(&mut self) {
        self.kept_to = self.len();
    }

    fn find(&self, key: u128) -> Option<u32> {
        self.places
            .find(key, |place| self.entries[place].key() == key)
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
        let entry = &self.entries[place];
        if entry.ballots().is_some() {
            return false;
        }
        let held = entry.cast();
        held.is_copy_of(cast)
            && (cast.late || !held.late)
            && (!held.untimed || cast.time_ms >= held.time_ms)
            && cast.place >= held.place
    }

    fn add(&mut self, key: u128, seat: &Seat) -> &mut Ballots {
        let at = self.ballots.len() as u32;
        self.push(Entry::reference(key, seat.contest, at));
        self.ballots.push(match seat.contest {
            STRAY => Ballots::of_stray(key ^ seat.voter),
            _ => Ballots::default(),
        });
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
        if place >= fresh_from && self.entries[place].ballots().is_none() {
            // It came plain in this very tick, and nobody has seen it count or kept it yet.
            round.entered(seat, 0);
            round.touched(seat, 0);
            return self.set_apart(place);
        }
        self.apart(seat, round)
    }

    /// The ballots of an entry of an earlier tick, kept apart from now on.
    fn apart(&mut self, seat: &Seat, round: &mut Round<'_>) -> &mut Ballots {
        let entry = self.entries[seat.entry];
        if entry.ballots().is_none() && seat.entry >= self.kept_to {
            round.moves.opened.push((seat.shard, seat.entry, entry));
        }
        self.set_apart(seat.entry)
    }

    fn set_apart(&mut self, place: u32) -> &mut Ballots {
        let entry = self.entries[place];
        let at = entry.ballots().unwrap_or_else(|| {
            let at = self.ballots.len() as u32;
            self.ballots.push(Ballots::of_plain(entry.cast()));
            self.entries[place] = Entry::reference(entry.key(), entry.contest(), at);
            at
        });
        &mut self.ballots[at as usize]
    }

    fn push(&mut self, entry: Entry) {
        let place = self.entries.push(entry);
        self.places.insert(entry.key(), place);
    }
}
