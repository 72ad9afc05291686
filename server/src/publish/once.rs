//! Values made once for all who ask, where they are asked for.
//!
//! In comes a key and a way to make its value; out goes the value that the first caller made,
//! while callers of the same key wait for it. Bounded in entries and in bytes: beyond the bounds
//! a value is made for its caller alone. Nothing is ever evicted; the whole goes with its tick, or
//! before it, once nobody is expected to ask any more.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Values by key, each made once.
pub struct Once<K, V> {
    entries_max: usize,
    bytes_max: usize,
    /// The bytes of a value; `None` for one that is not worth a place.
    weigh: fn(&V) -> Option<usize>,
    kept: Mutex<Kept<K, V>>,
}

struct Kept<K, V> {
    is_over: bool,
    bytes: usize,
    entries: HashMap<K, Arc<OnceLock<V>>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Once<K, V> {
    /// Keeps at most `entries_max` values, and takes no further ones at `bytes_max`.
    pub fn new(entries_max: usize, bytes_max: usize, weigh: fn(&V) -> Option<usize>) -> Self {
        let kept = Mutex::new(Kept {
            is_over: false,
            bytes: 0,
            entries: HashMap::new(),
        });
        Once {
            entries_max,
            bytes_max,
            weigh,
            kept,
        }
    }

    /// The value of a key, made now if nobody has asked for it before.
    pub fn get_or_make(&self, key: K, make: impl FnOnce() -> V) -> V {
        let entry = self.entry(&key);
        // Outside the lock: only those who want this very value wait for it.
        let mut made = false;
        let value = entry.get_or_init(|| {
            made = true;
            make()
        });
        if made {
            self.account(&key, (self.weigh)(value));
        }
        value.clone()
    }

    /// Lets all values go, and keeps none from now on.
    pub fn end(&self) {
        let mut kept = self.lock();
        kept.is_over = true;
        let entries = std::mem::take(&mut kept.entries);
        drop(kept);
        drop(entries);
    }

    fn entry(&self, key: &K) -> Arc<OnceLock<V>> {
        let mut kept = self.lock();
        if let Some(entry) = kept.entries.get(key) {
            return entry.clone();
        }
        let entry = Arc::new(OnceLock::new());
        let has_room = kept.entries.len() < self.entries_max && kept.bytes < self.bytes_max;
        if has_room && !kept.is_over {
            kept.entries.insert(key.clone(), entry.clone());
        }
        entry
    }

    fn account(&self, key: &K, bytes: Option<usize>) {
        let mut kept = self.lock();
        match bytes {
            Some(bytes) if kept.entries.contains_key(key) => kept.bytes += bytes,
            Some(_) => (),
            None => drop(kept.entries.remove(key)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K, V>> {
        // Nothing of ours panics while it is held, and the map stays whole if something does.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a value is made when these keys are asked for in turn; each weighs its length.
    fn made(entries_max: usize, bytes_max: usize, keys: &[&'static str]) -> usize {
        let once = Once::new(entries_max, bytes_max, |value: &&str| {
            (!value.is_empty()).then_some(value.len())
        });
        let mut made = 0;
        for key in keys {
            once.get_or_make(*key, || {
                made += 1;
                *key
            });
        }
        made
    }

    #[test]
    fn a_value_is_made_once_and_beyond_a_bound_each_time() {
        assert_eq!(made(9, 9, &["a", "a", "a"]), 1);
        assert_eq!(made(1, 9, &["a", "b", "b", "a"]), 3);
        assert_eq!(made(9, 2, &["aa", "b", "b", "aa"]), 3);
        // What is not worth a place takes none.
        assert_eq!(made(1, 9, &["", "", "a", "a"]), 3);
    }

    #[test]
    fn after_the_end_nothing_is_kept() {
        let once = Once::new(9, 9, |value: &Arc<str>| Some(value.len()));
        let value = once.get_or_make("a", || "a".into());
        once.end();
        assert_eq!(Arc::strong_count(&value), 1);
        let again = once.get_or_make("a", || "b".into());
        assert_eq!((Arc::strong_count(&again), again.as_ref()), (1, "b"));
    }
}
