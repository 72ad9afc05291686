//! Names of contests that events name and the register does not know, for whoever reads a
//! checkpoint.
//!
//! Nothing that is counted needs them: ballots have the hash of such a contest, by which they find
//! it when a register brings it. So there are few enough names that invented ones fill no memory.

use rustc_hash::FxHashMap;

/// The most names: enough to show what is misspelled, at most half a megabyte a worker.
pub(super) const NAMES_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strays {
    names: FxHashMap<u128, Box<str>>,
}

impl Strays {
    /// Notes the name of a hash, if there is room.
    pub(super) fn note(&mut self, hash: u128, name: &str) {
        if self.names.len() < NAMES_MAX && !self.names.contains_key(&hash) {
            self.names.insert(hash, name.into());
        }
    }

    /// The name of a hash, if it is among those that are kept.
    pub(super) fn name(&self, hash: u128) -> Option<&str> {
        self.names.get(&hash).map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_names_fill_no_memory() {
        let mut strays = Strays::default();
        let names = 10 * NAMES_MAX as u128;
        for hash in (0..names).chain(0..10) {
            strays.note(hash, &format!("invented {hash}"));
        }
        assert_eq!(strays.names.len(), NAMES_MAX);
        assert_eq!(strays.name(5), Some("invented 5"));
        assert_eq!(strays.name(names - 1), None);
    }
}
