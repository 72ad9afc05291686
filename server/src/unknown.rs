//! Codes that votes name and the register does not know, for the operator.
//!
//! Each worker of this process says now and then how many votes are set aside for which code; the
//! most frequent ones are shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow::accept::UnknownCode;
use serde::Serialize;
use utoipa::ToSchema;

/// How many are shown.
const SHOWN_MAX: usize = 20;

/// Codes, each with the votes that name it.
type Counted = Vec<(UnknownCode, i64)>;

type ByWorker = BTreeMap<usize, Counted>;

/// A handle on what the workers have said last; clones share it.
#[derive(Clone, Debug, Default)]
pub struct UnknownCodes {
    by_worker: Arc<Mutex<ByWorker>>,
}

/// A code that the register does not know, and how many votes name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnknownRow {
    /// `contest_id`, `candidate_id` or `location`.
    pub field: &'static str,
    /// What the votes have there; null where they leave it out.
    pub code: Option<Box<str>>,
    /// How many votes are set aside for it.
    pub count: i64,
}

impl UnknownCodes {
    /// Takes what a worker has now.
    pub fn set(&self, worker: usize, codes: Counted) {
        self.lock().insert(worker, codes);
    }

    /// The most frequent ones, those first.
    pub fn most_frequent(&self) -> Vec<UnknownRow> {
        let mut votes: BTreeMap<UnknownCode, i64> = BTreeMap::new();
        for (code, count) in self.lock().values().flatten() {
            *votes.entry(code.clone()).or_default() += count;
        }
        let row = |((field, code), count)| UnknownRow { field, code, count };
        let mut rows: Vec<UnknownRow> = votes.into_iter().map(row).collect();
        // Stable: equal ones stay in the order of field and code.
        rows.sort_by_key(|row| -row.count);
        rows.truncate(SHOWN_MAX);
        rows
    }

    fn lock(&self) -> MutexGuard<'_, ByWorker> {
        // A map that is replaced entry by entry stays whole whatever panics beside it.
        self.by_worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_counts_are_added_and_the_most_frequent_shown() {
        let codes = UnknownCodes::default();
        let code = |code: &str, count| (("location", Some(Box::from(code))), count);
        codes.set(0, vec![code("a", 3), code("b", 1)]);
        codes.set(1, vec![code("b", 5), (("candidate_id", None), 6)]);
        codes.set(0, vec![code("a", 4), code("b", 1)]);
        let shown = codes.most_frequent();
        let shown: Vec<_> = shown
            .iter()
            .map(|row| (row.code.as_deref(), row.count))
            .collect();
        assert_eq!(shown, [(None, 6), (Some("b"), 6), (Some("a"), 4)]);
        let many = (0..100).map(|at| code(&format!("{at:02}"), 1)).collect();
        codes.set(2, many);
        assert_eq!(codes.most_frequent().len(), SHOWN_MAX);
    }
}
