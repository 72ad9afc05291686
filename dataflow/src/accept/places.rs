//! Where the entries of a shard are: from the half of a key to places, several of which may fit.
//!
//! Linear probing in the order of the tags (Amble and Knuth, "Ordered hash tables", 1974): a
//! lookup ends at the first tag that is greater, so a table may be nearly full, and since a tag's
//! home grows with the tag, a larger table is filled from the smaller one from front to back
//! without looking at any entry. Tables grow by an eighth: as all shards fill alike, doubling
//! would cost twice the memory in all of them at one time.
//!
//! Nothing is ever removed. Keys are keyed hashes, so nobody can make many of them meet.

/// A tag and a place plus one; zero is a free slot.
type Slot = u64;

/// The share of the homes that are taken at the most: a search then looks at five slots, which
/// mostly lie in the line that it begins with.
const LOAD_MAX: (usize, usize) = (2, 3);

/// Slots after the last home, for what its neighbours push aside; there are more where they must.
const TAIL: usize = 8;

/// Homes of a new table.
const HOMES_MIN: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The homes, at which a search may begin, and at least [`TAIL`] more.
    slots: Vec<Slot>,
    homes: usize,
    len: usize,
}

impl Places {
    /// Brings the memory that a search for a key begins with, so that several come at a time.
    /// What is returned means nothing.
    pub(super) fn touch(&self, key: u128) -> u64 {
        let home = home(tag(key), self.homes);
        self.slots.get(home).copied().unwrap_or_default()
    }

    /// The place of a key, among those that `is_it` says yes to.
    pub(super) fn find(&self, key: u128, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = tag(key);
        let rest = self.slots.get(home(tag, self.homes)..)?;
        for &slot in rest {
            if slot == 0 || tag_of(slot) > tag {
                return None;
            }
            if tag_of(slot) == tag && is_it(place_of(slot)) {
                return Some(place_of(slot));
            }
        }
        None
    }

    /// Adds a key, which is not there yet.
    pub(super) fn insert(&mut self, key: u128, place: u32) {
        if self.len * LOAD_MAX.1 >= self.homes * LOAD_MAX.0 {
            self.grow();
        }
        self.len += 1;
        // Goes to its place in the order, and what was there goes one further, up to a free slot.
        let mut moving = u64::from(tag(key)) << 32 | u64::from(place + 1);
        for slot in &mut self.slots[home(tag(key), self.homes)..] {
            if *slot == 0 || *slot > moving {
                std::mem::swap(slot, &mut moving);
                if moving == 0 {
                    return;
                }
            }
        }
        self.slots.push(moving);
    }

    fn grow(&mut self) {
        self.homes = (self.homes + self.homes / 8).max(self.homes + HOMES_MIN);
        let mut slots = vec![0; self.homes + TAIL];
        let mut free = 0;
        for &slot in self.slots.iter().filter(|slot| **slot != 0) {
            let at = home(tag_of(slot), self.homes).max(free);
            if at == slots.len() {
                slots.push(slot);
            } else {
                slots[at] = slot;
            }
            free = at + 1;
        }
        self.slots = slots;
    }
}

/// The part of a key by which its slot is found. The shard and the worker are chosen by others.
fn tag(key: u128) -> u32 {
    key as u32
}

fn tag_of(slot: Slot) -> u32 {
    (slot >> 32) as u32
}

fn place_of(slot: Slot) -> u32 {
    (slot as u32).wrapping_sub(1)
}

/// Where the search for a tag begins: the tag as a fraction of all tags.
fn home(tag: u32, homes: usize) -> usize {
    ((u64::from(tag) * homes as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_a_map_finds(
            keys in proptest::collection::vec(prop_oneof![
                4 => any::<u128>(),
                // Tags that meet, at both ends and in the middle.
                1 => (0..3_u128, any::<u8>()).prop_map(|(at, rest)| {
                    [0, 1 << 31, (1 << 32) - 1][at as usize] | u128::from(rest) << 64
                }),
            ], 0..600),
        ) {
            let (mut places, mut map, mut entries) = (Places::default(), HashMap::new(), vec![]);
            for key in keys {
                let found = places.find(key, |place| entries[place as usize] == key);
                prop_assert_eq!(found, map.get(&key).copied());
                places.touch(key);
                if found.is_none() {
                    let place = entries.len() as u32;
                    entries.push(key);
                    map.insert(key, place);
                    places.insert(key, place);
                }
            }
            for (key, place) in map {
                let found = places.find(key, |place| entries[place as usize] == key);
                prop_assert_eq!(found, Some(place));
            }
            let taken = places.slots.iter().filter(|slot| **slot != 0);
            prop_assert!(taken.is_sorted());
        }
    }
}
