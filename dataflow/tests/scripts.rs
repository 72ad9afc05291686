//! Scripts: "events in, view out", for every rule of the event contract and its corners.
//!
//! In come the files of `scripts/`, whose format `script/mod.rs` describes; each case runs
//! through the core with one worker and with more, and at every tick both the hand-written
//! expectations and the oracle's recount must hold.

use dataflow::harness::{self, Step};

mod difference;
mod judge;
mod oracle;
mod script;

/// One fault can fail hundreds of cases.
const FAILURES_SHOWN: usize = 40;

#[test]
fn scripts_hold_for_the_core() {
    let cases = script::files::all_cases();
    let mut failures = Vec::new();
    for case in &cases {
        // A message on its own does not care for a second worker.
        let lone = case.steps.len() == 1 && case.steps[0].messages.len() == 1;
        for workers in if lone { 1..=1 } else { 1..=3 } {
            failures.extend(check(case, workers));
        }
    }
    println!("{} cases", cases.len());
    let shown: Vec<&str> = failures
        .iter()
        .take(FAILURES_SHOWN)
        .map(String::as_str)
        .collect();
    let count = failures.len();
    assert!(count == 0, "{count} failures:\n{}", shown.join("\n"));
}

fn check(case: &script::Case, workers: usize) -> Vec<String> {
    let mut log = vec![Vec::new(); case.partitions as usize];
    let steps = case.steps.iter().map(|step| Step {
        register: step.register.clone(),
        messages: judge::append(&mut log, &step.messages),
        tick: step.tick,
    });
    let settings = judge::settings(case.settings);
    let published = harness::run(workers, case.partitions, settings, steps.collect());
    let mut failures = Vec::new();
    let mut register = None;
    if published.len() != case.steps.len() {
        failures.push(format!("{} ticks are published", published.len()));
    }
    let logs = script::logs(case);
    for ((step, log), publication) in case.steps.iter().zip(logs).zip(&published) {
        register = step.register.clone().or(register);
        let register = register.as_deref().expect("the first step has a register");
        let snapshot = &publication.snapshot;
        let unmet = script::check::unmet(&step.expected, &judge::answers(snapshot));
        let judged = judge::compare(snapshot, register, case.settings, &log, step.tick);
        let against = judged.into_iter().map(|each| format!("oracle: {each}"));
        let all = unmet.into_iter().chain(against);
        failures.extend(all.map(|each| format!("tick {}: {each}", step.tick)));
    }
    let named = failures.into_iter();
    named
        .map(|each| format!("{} ({workers} workers), {each}", case.name))
        .collect()
}
