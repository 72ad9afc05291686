//! The history against a plain list of what was pushed.

use super::*;

/// The ticks that a change stands for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ticks(Vec<u64>);

impl Merge for Ticks {
    fn merge(&mut self, later: &Ticks) {
        self.0.extend(&later.0);
    }

    fn bytes(&self) -> usize {
        self.0.len() * 100
    }
}

const KEEP: Duration = Duration::from_secs(60);

/// Pushes ticks one second apart; `contests` says in which ones of them something changed.
fn history(ticks: &[(u64, &[&str])], bytes_max: usize) -> History<Ticks> {
    let start = Instant::now();
    let mut history = History::new(KEEP, bytes_max);
    for (second, (tick, contests)) in (0..).zip(ticks) {
        let changes = contests
            .iter()
            .map(|id| (id.to_string(), Ticks(vec![*tick])));
        history.push(
            *tick,
            start + Duration::from_secs(second),
            changes.collect(),
        );
    }
    history
}

fn change(ticks: &[u64]) -> Since<Ticks> {
    let changes = ticks.iter().map(|tick| Arc::new(Ticks(vec![*tick])));
    Since::Changes(changes.collect())
}

#[test]
fn changes_merge_in_order() {
    let change = |tick| Arc::new(Ticks(vec![tick]));
    assert_eq!(
        merge(&[change(1), change(2), change(3)]),
        Ticks(vec![1, 2, 3])
    );
}

#[test]
fn changes_after_a_known_tick_are_merged_in_order() {
    let history = history(
        &[(10, &["a"]), (20, &["a", "b"]), (30, &["b"]), (40, &["a"])],
        1 << 20,
    );
    let cases = [
        ("a", 10, 40, change(&[20, 40])),
        ("a", 20, 40, change(&[40])),
        ("a", 10, 30, change(&[20])),
        // Nothing of "a" changed in tick 30, and it is known all the same.
        ("a", 30, 40, change(&[40])),
        ("a", 40, 40, Since::Nothing),
        ("b", 30, 40, Since::Nothing),
        ("c", 10, 40, Since::Nothing),
        ("a", 35, 40, Since::UnknownTick),
        ("a", 5, 40, Since::UnknownTick),
        ("a", 0, 40, Since::UnknownTick),
        ("a", 50, 40, Since::UnknownTick),
    ];
    for (contest, from, to, expected) in cases {
        assert_eq!(
            history.since(contest, from, to),
            expected,
            "{contest} {from}..{to}"
        );
    }
    assert!(history.changed_after("a", 30) && !history.changed_after("b", 30));
}

#[test]
fn changes_older_than_kept_go_and_the_rest_stays_whole() {
    let contests: &[&str] = &["a"];
    let ticks: Vec<_> = (1..=100).map(|tick| (tick, contests)).collect();
    let history = history(&ticks, 1 << 20);
    let kept: Vec<u64> = (40..=100).collect();
    assert_eq!(history.since("a", 39, 100), change(&kept));
    assert_eq!(history.since("a", 38, 100), Since::TooOld);
    assert_eq!(history.since("a", 100, 100), Since::Nothing);
}

#[test]
fn a_quiet_contest_is_resumed_however_long_ago() {
    let (none, quiet, busy): (&[&str], &[&str], &[&str]) = (&[], &["quiet"], &["busy"]);
    let mut ticks = vec![(1, quiet), (2, none)];
    ticks.extend((3..=500).map(|tick| (tick, busy)));
    ticks.push((501, quiet));
    let history = history(&ticks, 1 << 20);
    assert_eq!(history.since("quiet", 1, 500), Since::Nothing);
    assert_eq!(history.since("quiet", 2, 501), change(&[501]));
    assert_eq!(history.since("busy", 2, 501), Since::TooOld);
}

#[test]
fn the_bound_in_bytes_drops_the_oldest_first() {
    let contests: &[&str] = &["a"];
    let ticks: Vec<_> = (1..=20).map(|tick| (tick, contests)).collect();
    let history = history(&ticks, 10 * (100 + ENTRY_BYTES));
    assert_eq!(
        history.since("a", 10, 20),
        change(&(11..=20).collect::<Vec<_>>())
    );
    assert_eq!(history.since("a", 9, 20), Since::TooOld);
    assert!(history.bytes <= history.bytes_max);
}

#[test]
fn a_restart_forgets_what_nobody_saw() {
    let mut history = history(&[(10, &["a"]), (20, &["a"])], 1 << 20);
    history.restart(30);
    assert_eq!(history.since("a", 20, 30), Since::UnknownTick);
    assert_eq!(history.since("a", 30, 30), Since::Nothing);
    let later = BTreeMap::from([("a".to_string(), Ticks(vec![40]))]);
    history.push(40, Instant::now(), later);
    assert_eq!(history.since("a", 30, 40), change(&[40]));
}

#[test]
fn ticks_beyond_the_remembered_are_too_old_not_unknown() {
    let mut history: History<Ticks> = History::new(KEEP, 1 << 20);
    let now = Instant::now();
    for tick in 1..=TICKS_MAX as u64 + 10 {
        history.push(tick, now, BTreeMap::new());
    }
    assert_eq!(history.ticks.len(), TICKS_MAX);
    assert_eq!(history.since("a", 5, 20), Since::TooOld);
    assert_eq!(history.since("a", 0, 20), Since::UnknownTick);
}
