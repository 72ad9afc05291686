//! What the public has seen, by ids: to be kept where the service is restarted.
//!
//! Out of it comes the same state, but for what changed since it was last renewed, which is then
//! counted from the restart on. What is not in the register any more is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::places::{Places, Row, Table};
use super::suppress::Children;
use super::times::{Block, Times};
use super::{Contest, Snapshot};
use crate::directory::{BLANK, Directory};
use crate::view::contest::SpanVotes;
use crate::view::votes::Votes;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    contests: BTreeMap<String, RememberedContest>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RememberedContest {
    locations: BTreeMap<String, RememberedRow>,
    blocks: Vec<RememberedBlock>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RememberedRow {
    is_shown: bool,
    is_newest: bool,
    votes: RememberedVotes,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RememberedBlock {
    start_ms: i64,
    end_ms: i64,
    late: i64,
    votes: RememberedVotes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RememberedVotes {
    blank: i64,
    votes: BTreeMap<String, i64>,
}

impl Remembered {
    pub(super) fn of(snapshot: &Snapshot, contests: &BTreeMap<u32, Contest>) -> Remembered {
        let directory = &snapshot.directory;
        let rows = contests.iter().map(|(number, contest)| {
            let newest = contest.places.newest();
            let locations = contest.places.rows().map(|(location, row)| {
                let row = RememberedRow {
                    is_shown: row.is_shown,
                    is_newest: newest.contains(&location),
                    votes: RememberedVotes::of(&row.votes, directory),
                };
                (directory.locations.text(location).to_string(), row)
            });
            let blocks = contest.times.blocks().iter().map(|block| RememberedBlock {
                start_ms: block.start_ms,
                end_ms: block.end_ms,
                late: block.shown.late,
                votes: RememberedVotes::of(&block.shown.votes, directory),
            });
            let contest = RememberedContest {
                locations: locations.collect(),
                blocks: blocks.collect(),
            };
            (directory.contests.text(*number).to_string(), contest)
        });
        Remembered {
            contests: rows.collect(),
        }
    }

    pub(super) fn contests(
        self,
        snapshot: &Snapshot,
        trees: &BTreeMap<u32, Children>,
    ) -> BTreeMap<u32, Contest> {
        let directory = &snapshot.directory;
        let known = self.contests.into_iter().filter_map(|(id, contest)| {
            let number = directory.contests.number(&id)?;
            let view = snapshot.contests.get(&number)?;
            let children = trees.get(&directory.place(number).election);
            let contest = contest.known(directory, children, &view.locations);
            Some((number, contest))
        });
        known.collect()
    }
}

impl RememberedContest {
    fn known(self, directory: &Directory, children: Option<&Children>, table: &Table) -> Contest {
        let (mut rows, mut newest) = (BTreeMap::new(), BTreeSet::new());
        for (id, row) in self.locations {
            let Some(location) = directory.locations.number(&id) else {
                continue;
            };
            if row.is_newest {
                newest.insert(location);
            }
            let known = Row {
                is_shown: row.is_shown,
                votes: Arc::new(row.votes.known(directory)),
            };
            rows.insert(location, known);
        }
        let blocks = self.blocks.into_iter().map(|block| Block {
            start_ms: block.start_ms,
            end_ms: block.end_ms,
            shown: SpanVotes {
                votes: block.votes.known(directory),
                late: block.late,
            },
        });
        let none = Children::new();
        Contest {
            places: Places::restore(rows, &newest, children.unwrap_or(&none), table),
            times: Times::restore(blocks.collect()),
            ..Contest::default()
        }
    }
}

impl RememberedVotes {
    fn of(votes: &Votes, directory: &Directory) -> RememberedVotes {
        let mut remembered = RememberedVotes::default();
        for (candidate, votes) in votes.iter() {
            if candidate == BLANK {
                remembered.blank = votes;
            } else {
                let id = directory.candidates.text(candidate).to_string();
                remembered.votes.insert(id, votes);
            }
        }
        remembered
    }

    fn known(self, directory: &Directory) -> Votes {
        let mut votes = Votes::default();
        votes.add(BLANK, self.blank);
        for (id, of_candidate) in self.votes {
            if let Some(number) = directory.candidates.number(&id) {
                votes.add(number, of_candidate);
            }
        }
        votes
    }
}
