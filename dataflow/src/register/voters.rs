//! The voters of a register: a list that may be millions long.
//!
//! So it is shared and never copied for a change of something else, and what is found out about
//! it (how many an election has, its hash) is found out once.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Voter;

/// A list of voters; clones share it.
#[derive(Clone, Default)]
pub struct Voters(Arc<List>);

#[derive(Default)]
struct List {
    rows: Vec<Voter>,
    by_election: OnceLock<BTreeMap<String, u64>>,
    hash: OnceLock<blake3::Hash>,
}

impl Voters {
    /// Whether both are the same list, not only equal ones: then nothing needs to be compared.
    pub fn is_same(&self, other: &Voters) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many voters each election has; those without any are not in it.
    pub fn by_election(&self) -> &BTreeMap<String, u64> {
        self.0.by_election.get_or_init(|| {
            let mut found: BTreeMap<String, u64> = BTreeMap::new();
            for run in self.chunk_by(|one, next| one.election_id == next.election_id) {
                let count = run.len() as u64;
                match found.get_mut(&run[0].election_id) {
                    Some(voters) => *voters += count,
                    None => {
                        found.insert(run[0].election_id.clone(), count);
                    }
                }
            }
            found
        })
    }

    /// Whether they come in the order of their keys, none of them twice.
    pub fn is_strictly_sorted(&self) -> bool {
        self.is_sorted_by(|one, next| key(one) < key(next))
    }

    /// A hash of the content, the same for any order of the rows.
    pub fn hash(&self) -> blake3::Hash {
        *self.0.hash.get_or_init(|| {
            let mut sorted: Vec<&Voter> = self.iter().collect();
            if !self.is_strictly_sorted() {
                sorted.sort_by_key(|voter| key(voter));
            }
            let mut hasher = blake3::Hasher::new();
            for voter in sorted {
                text(&mut hasher, Some(&voter.election_id));
                text(&mut hasher, Some(&voter.voter_id));
                for field in [
                    &voter.name,
                    &voter.email,
                    &voter.registration_date,
                    &voter.location,
                ] {
                    text(&mut hasher, field.as_deref());
                }
            }
            hasher.finalize()
        })
    }

    /// The list, to change it; copied first if others have it, too.
    pub fn edit(&mut self, change: impl FnOnce(&mut Vec<Voter>)) {
        let mut rows = match Arc::try_unwrap(std::mem::take(&mut self.0)) {
            Ok(list) => list.rows,
            Err(shared) => shared.rows.clone(),
        };
        change(&mut rows);
        *self = rows.into();
    }
}

fn key(voter: &Voter) -> (&str, &str) {
    (&voter.election_id, &voter.voter_id)
}

/// Fields are told apart by their lengths, and nothing from an empty text.
fn text(hasher: &mut blake3::Hasher, text: Option<&str>) {
    let length = text.map_or(u64::MAX, |text| text.len() as u64);
    hasher.update(&length.to_le_bytes());
    hasher.update(text.unwrap_or_default().as_bytes());
}

impl Deref for Voters {
    type Target = [Voter];

    fn deref(&self) -> &[Voter] {
        &self.0.rows
    }
}

impl<'a> IntoIterator for &'a Voters {
    type Item = &'a Voter;
    type IntoIter = std::slice::Iter<'a, Voter>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<Voter>> for Voters {
    fn from(rows: Vec<Voter>) -> Voters {
        Voters(Arc::new(List {
            rows,
            ..List::default()
        }))
    }
}

impl PartialEq for Voters {
    fn eq(&self, other: &Voters) -> bool {
        self.is_same(other) || self.0.rows == other.0.rows
    }
}

impl fmt::Debug for Voters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.rows.fmt(f)
    }
}

impl Serialize for Voters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.rows.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Voters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Voters, D::Error> {
        Vec::deserialize(deserializer).map(Voters::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voter(election_id: &str, voter_id: &str, name: Option<&str>) -> Voter {
        Voter {
            election_id: election_id.to_string(),
            voter_id: voter_id.to_string(),
            name: name.map(str::to_string),
            ..Voter::default()
        }
    }

    #[test]
    fn the_hash_is_of_the_content_in_any_order() {
        let rows = vec![
            voter("e", "1", None),
            voter("e", "2", Some("")),
            voter("f", "1", None),
        ];
        let voters = Voters::from(rows.clone());
        assert!(voters.is_strictly_sorted());
        assert_eq!(
            *voters.by_election(),
            [("e".to_string(), 2), ("f".to_string(), 1)].into()
        );
        let mut turned = voters.clone();
        turned.edit(|rows| rows.reverse());
        assert!(!turned.is_strictly_sorted() && turned != voters);
        assert_eq!(turned.hash(), voters.hash());
        assert_eq!(turned.by_election(), voters.by_election());
        for (at, other) in [
            voter("e", "2", None),
            voter("e", "22", Some("")),
            voter("e2", "", None),
        ]
        .into_iter()
        .enumerate()
        {
            let mut changed = voters.clone();
            changed.edit(|rows| rows[1] = other);
            assert_ne!(changed.hash(), voters.hash(), "{at}");
        }
        // What was shared is as it was.
        assert_eq!(*voters, *rows);
        let twice = Voters::from(vec![rows[0].clone(), rows[0].clone()]);
        assert!(!twice.is_strictly_sorted());
    }
}
