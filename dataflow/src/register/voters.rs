//! The voters of a register: a list that may be millions long.
//!
//! Either as a file or a test writes them, by their ids, or as rolls: keyed hashes by election.
//! The service keeps and stores rolls only. Both are shared, and never copied for a change of
//! something else.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::problem::{List, Problems, RowName};
use super::roll::{Roll, RollReader};
use super::{Election, ID_BYTES_MAX, Voter, is_id};
use crate::hash::KeyedHash;

/// A list of voters; clones share it.
#[derive(Clone)]
pub struct Voters(Form);

#[derive(Clone)]
enum Form {
    Named(Arc<Vec<Voter>>),
    Keyed(Arc<BTreeMap<String, Roll>>),
}

impl Voters {
    /// Whether both are the same list, not only equal ones: then nothing needs to be compared.
    pub fn is_same(&self, other: &Voters) -> bool {
        match (&self.0, &other.0) {
            (Form::Named(one), Form::Named(other)) => Arc::ptr_eq(one, other),
            (Form::Keyed(one), Form::Keyed(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Named(rows) => rows.is_empty(),
            Form::Keyed(rolls) => rolls.values().all(|roll| roll.hashes.is_empty()),
        }
    }

    /// Whether no voter's id is in it.
    pub fn is_keyed(&self) -> bool {
        self.is_empty() || matches!(self.0, Form::Keyed(_))
    }

    /// The rows as they were written; none where only hashes are kept.
    pub fn rows(&self) -> &[Voter] {
        match &self.0 {
            Form::Named(rows) => rows,
            Form::Keyed(_) => &[],
        }
    }

    /// How many voters each election has, of those that have a roll; those without any are not
    /// in it.
    pub fn by_election(&self) -> BTreeMap<&str, u64> {
        let mut found = BTreeMap::new();
        match &self.0 {
            Form::Named(rows) => {
                for voter in rows.iter() {
                    *found.entry(voter.election_id.as_str()).or_default() += 1;
                }
            }
            Form::Keyed(rolls) => {
                let rolls = rolls.iter().filter(|(_, roll)| !roll.hashes.is_empty());
                found.extend(rolls.map(|(id, roll)| (id.as_str(), roll.hashes.len() as u64)));
            }
        }
        found
    }

    /// The rolls of these elections. Those that are hashed already are so under the key of the
    /// service.
    pub fn rolls(&self, hash: &KeyedHash, elections: &[Election]) -> Arc<BTreeMap<String, Roll>> {
        match &self.0 {
            Form::Keyed(rolls) => Arc::clone(rolls),
            Form::Named(rows) => {
                let mut reader = RollReader::new(*hash);
                for voter in rows.iter() {
                    reader.push(&voter.election_id, &voter.voter_id);
                }
                match reader.finish(elections, &mut Problems::default()).0 {
                    Form::Keyed(rolls) => rolls,
                    Form::Named(_) => Arc::default(),
                }
            }
        }
    }

    /// Adds to a hash what is in the rolls of these elections, the same for any order and key.
    pub(super) fn add_to(&self, hasher: &mut blake3::Hasher, elections: &[Election]) {
        // The digests do not depend on the key.
        let rolls = self.rolls(&KeyedHash::new([0; 16]), elections);
        let has_roll = |id: &String| {
            let mut elections = elections.iter();
            elections.any(|election| election.roll && election.election_id == *id)
        };
        for (id, roll) in rolls.iter() {
            if roll.hashes.is_empty() || !has_roll(id) {
                continue;
            }
            hasher.update(&(id.len() as u64).to_le_bytes());
            hasher.update(id.as_bytes());
            hasher.update(&(roll.hashes.len() as u64).to_le_bytes());
            hasher.update(&roll.digest.to_le_bytes());
        }
    }

    /// What is wrong with the rows; rolls were checked when they were made.
    pub(super) fn check(&self, elections: &[Election], problems: &mut Problems) {
        let Form::Named(rows) = &self.0 else {
            return;
        };
        let mut reader = RollReader::new(KeyedHash::new([0; 16]));
        for (at, voter) in rows.iter().enumerate() {
            if !is_id(&voter.voter_id) {
                let row = RowName {
                    list: List::Voters,
                    at,
                    key: None,
                };
                let text = format!(
                    ", voter_id: an id is 1 to {ID_BYTES_MAX} bytes of text without U+0000"
                );
                problems.row(("id", "voters"), row, text);
            }
            reader.push(&voter.election_id, &voter.voter_id);
        }
        reader.finish(elections, problems);
    }

    /// The rows, to change them; copied first if others have them, too.
    pub fn edit(&mut self, change: impl FnOnce(&mut Vec<Voter>)) {
        let mut rows = match std::mem::take(self).0 {
            Form::Named(rows) => Arc::unwrap_or_clone(rows),
            Form::Keyed(_) => Vec::new(),
        };
        change(&mut rows);
        *self = rows.into();
    }
}

impl Default for Voters {
    fn default() -> Voters {
        Voters::from(Vec::new())
    }
}

impl From<Vec<Voter>> for Voters {
    fn from(rows: Vec<Voter>) -> Voters {
        Voters(Form::Named(Arc::new(rows)))
    }
}

impl From<BTreeMap<String, Roll>> for Voters {
    fn from(rolls: BTreeMap<String, Roll>) -> Voters {
        Voters(Form::Keyed(Arc::new(rolls)))
    }
}

impl PartialEq for Voters {
    fn eq(&self, other: &Voters) -> bool {
        let both_empty = || self.is_empty() && other.is_empty();
        self.is_same(other)
            || match (&self.0, &other.0) {
                (Form::Named(one), Form::Named(other)) => one == other,
                (Form::Keyed(one), Form::Keyed(other)) => one == other,
                _ => both_empty(),
            }
    }
}

impl fmt::Debug for Voters {
    /// How many there are: nobody's id belongs in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Voters({:?})", self.by_election())
    }
}

/// A roll as it is written: the hashes as hexadecimal digits, one after the other.
#[derive(Serialize, Deserialize)]
struct Written {
    digest: String,
    hashes: String,
}

impl Serialize for Voters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Named(rows) => rows.serialize(serializer),
            Form::Keyed(rolls) => serializer.collect_map(rolls.iter().map(|(id, roll)| {
                let mut hashes = String::with_capacity(roll.hashes.len() * HEX_DIGITS);
                for hash in &roll.hashes {
                    write!(hashes, "{hash:032x}").expect("a text takes all");
                }
                let digest = format!("{:032x}", roll.digest);
                (id, Written { digest, hashes })
            })),
        }
    }
}

impl<'de> Deserialize<'de> for Voters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Voters, D::Error> {
        deserializer.deserialize_any(EitherForm)
    }
}

struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = Voters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of voters, or their rolls")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Voters, A::Error> {
        let mut voters = Vec::new();
        while let Some(voter) = rows.next_element()? {
            voters.push(voter);
        }
        Ok(voters.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rolls: A) -> Result<Voters, A::Error> {
        let mut found = BTreeMap::new();
        while let Some((id, written)) = rolls.next_entry::<String, Written>()? {
            let wrong = || de::Error::custom("a roll is not written in hexadecimal digits");
            found.insert(id, read(&written).ok_or_else(wrong)?);
        }
        Ok(Voters::from(found))
    }
}

const HEX_DIGITS: usize = 32;

fn read(written: &Written) -> Option<Roll> {
    let number = |digits: &[u8]| u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    if !written.hashes.len().is_multiple_of(HEX_DIGITS) {
        return None;
    }
    let hashes = written.hashes.as_bytes().chunks(HEX_DIGITS).map(number);
    let hashes: Vec<u128> = hashes.collect::<Option<_>>()?;
    hashes.is_sorted_by(|one, next| one < next).then_some(())?;
    Some(Roll {
        hashes,
        digest: number(written.digest.as_bytes())?,
    })
}

#[cfg(test)]
mod tests;
