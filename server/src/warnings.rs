//! What an operator should know and that changes no count.
//!
//! Whoever notices something raises a warning under its code, and clears it when it is over. The
//! standing ones go to `/status`, whose text is public: it names no path, host, user or voter, and
//! what to do comes with it. Beginnings and ends go to the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use dataflow::time::format_rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

/// How many things a message names: `/status` stays short, and the log or `tallyflow verify` names
/// all.
const NAMED_MAX: usize = 5;

/// A handle on the standing warnings; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Warnings {
    standing: Arc<Mutex<BTreeMap<&'static str, Warning>>>,
}

/// Something that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// What kind of thing it is, for programs.
    pub code: &'static str,
    /// What it is and what to do, for people.
    pub message: String,
    /// Since when it stands, as an instant.
    pub since: String,
    /// How often it was noticed since then.
    pub count: u64,
}

impl Warnings {
    /// Notices something: it stands from now on, or goes on to stand, with this message.
    pub fn raise(&self, code: &'static str, message: impl Into<String>) {
        let message = message.into();
        let mut standing = self.standing();
        let warning = standing.entry(code).or_insert_with(|| Warning {
            code,
            message: String::new(),
            since: format_rfc3339(now_ms()),
            count: 0,
        });
        warning.count += 1;
        if warning.message == message {
            return;
        }
        warning.message.clone_from(&message);
        // Without the lock, since writing to the log may take its time.
        drop(standing);
        tracing::warn!(code, "{message}");
    }

    /// What was noticed is over.
    pub fn clear(&self, code: &'static str) {
        let gone = self.standing().remove(code);
        if let Some(Warning { message, since, .. }) = gone {
            tracing::info!(code, since, "no longer so: {message}");
        }
    }

    /// What stands now, by code.
    pub fn list(&self) -> Vec<Warning> {
        self.standing().values().cloned().collect()
    }

    fn standing(&self) -> MutexGuard<'_, BTreeMap<&'static str, Warning>> {
        // Each change is one step, so it is whole whoever panicked while holding it.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// The first few of what was found, as a part of a warning's message, and how many more there are.
pub fn some_of(found: &[impl ToString]) -> String {
    let first = found.iter().take(NAMED_MAX).map(ToString::to_string);
    let mut named: Vec<String> = first.collect();
    if found.len() > NAMED_MAX {
        named.push(format!("and {} more", found.len() - NAMED_MAX));
    }
    named.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_stands_from_its_first_raise_until_it_is_cleared() {
        let warnings = Warnings::default();
        let noticer = warnings.clone();
        noticer.raise("clock", "the clock is ahead");
        let first = warnings.list();
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].code, first[0].count), ("clock", 1));
        noticer.raise("clock", "the clock is far ahead");
        noticer.raise("clock", "the clock is far ahead");
        let later = warnings.list();
        assert_eq!(later[0].since, first[0].since);
        assert_eq!(later[0].count, 3);
        assert_eq!(later[0].message, "the clock is far ahead");
        noticer.clear("clock");
        assert_eq!(warnings.list(), []);
        noticer.raise("clock", "again");
        assert_eq!(warnings.list()[0].count, 1);
    }

    #[test]
    fn warnings_of_different_codes_stand_beside_each_other() {
        let warnings = Warnings::default();
        warnings.raise("memory", "little is left");
        warnings.raise("clock", "the clock is ahead");
        warnings.clear("another");
        let codes = |list: Vec<Warning>| -> Vec<&str> { list.iter().map(|it| it.code).collect() };
        assert_eq!(codes(warnings.list()), ["clock", "memory"]);
        warnings.clear("memory");
        assert_eq!(codes(warnings.list()), ["clock"]);
    }
}
