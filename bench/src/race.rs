//! Contestants over one topic, in turn within each round, so that what disturbs the machine
//! disturbs them alike.
//!
//! Each reads the topic from its beginning, and each one's answer is checked: a rate of something
//! wrong is none.

use crate::report::{Row, Unit};
use crate::service::{Service, Shape};
use crate::stage::Stage;
use crate::topic::Topic;
use crate::usage;

/// The columns that others take ratios of.
pub const RATE: &str = "votes";

/// Somebody who counts a topic.
pub trait Contestant {
    /// As it is shown.
    fn name(&self) -> String;

    /// Counts the topic once.
    fn run(&self, stage: &Stage, topic: &Topic) -> anyhow::Result<Finish>;

    /// Whether it is none of ours: that it cannot count is a remark then, and no reason to end.
    fn is_guest(&self) -> bool {
        false
    }

    /// In how many rounds it takes part at most.
    fn runs_max(&self) -> usize {
        usize::MAX
    }
}

/// How one run came out.
#[derive(Clone, Debug, Default)]
pub struct Finish {
    /// From the start of the process until all is counted and served; of peers, by their own
    /// clocks, which they start later.
    pub seconds: f64,
    /// The same without what it takes to start: of the service from when its workers begin, of
    /// the loop from the first message.
    pub from_first_seconds: Option<f64>,
    /// Of all processes of the contestant.
    pub cpu_seconds: Option<f64>,
    /// The sum of the peaks of all its processes.
    pub rss_peak_bytes: Option<f64>,
    /// What is wrong with its answer; empty if nothing is.
    pub differences: Vec<String>,
    /// What is to be known of it.
    pub remarks: Vec<String>,
}

/// A contestant's finishes, with what the broker has spent on each, and why there are no more.
#[derive(Default)]
struct Finishes {
    finishes: Vec<(Finish, f64)>,
    failure: Option<String>,
}

/// Runs all rounds; gives a row for each contestant.
pub fn race(
    stage: &Stage,
    topic: &Topic,
    contestants: &[Box<dyn Contestant>],
    runs: usize,
) -> anyhow::Result<Vec<Row>> {
    let mut finishes: Vec<Finishes> = contestants.iter().map(|_| Finishes::default()).collect();
    for round in 0..runs {
        for (contestant, finishes) in contestants.iter().zip(&mut finishes) {
            if round >= contestant.runs_max() || finishes.failure.is_some() {
                continue;
            }
            let before = broker_seconds(stage);
            let finish = match contestant.run(stage, topic) {
                Err(error) if contestant.is_guest() => {
                    finishes.failure = Some(format!("{error:#}"));
                    continue;
                }
                other => other?,
            };
            let broker = broker_seconds(stage) - before;
            let (name, seconds) = (contestant.name(), finish.seconds);
            eprintln!("{} {}: {name}: {seconds:.2} s", topic.name, round + 1);
            finishes.finishes.push((finish, broker));
        }
    }
    let rows = contestants.iter().zip(finishes);
    Ok(rows
        .map(|(contestant, finishes)| finishes.row(contestant.name(), topic.messages))
        .collect())
}

fn broker_seconds(stage: &Stage) -> f64 {
    usage::cpu_seconds(stage.broker.pid()).unwrap_or(0.0)
}

impl Finishes {
    fn row(&self, name: String, messages: u64) -> Row {
        let messages = messages as f64;
        let finishes = || self.finishes.iter().map(|(finish, _)| finish);
        let mut row = Row::new(name);
        row.figure(
            RATE,
            Unit::PerSecond,
            finishes().map(|it| messages / it.seconds),
        )
        .figure("seconds", Unit::Seconds, finishes().map(|it| it.seconds))
        .figure(
            "without start",
            Unit::Seconds,
            finishes().filter_map(|it| it.from_first_seconds),
        )
        .figure(
            "cpu/vote",
            Unit::Micros,
            finishes().filter_map(|it| Some(it.cpu_seconds? * 1e6 / messages)),
        )
        .figure(
            "broker/vote",
            Unit::Micros,
            self.finishes
                .iter()
                .map(|(_, broker)| broker * 1e6 / messages),
        )
        .figure(
            "memory",
            Unit::Bytes,
            finishes().filter_map(|it| it.rss_peak_bytes),
        );
        let wrong = finishes().filter(|it| !it.differences.is_empty()).count();
        if wrong > 0 {
            let first = finishes().find(|it| !it.differences.is_empty());
            let what = first.map_or_else(String::new, |it| it.differences.join(", "));
            row.remarks.push(format!(
                "WRONG in {wrong} of {} runs: {what}",
                self.finishes.len()
            ));
        }
        if let Some((last, _)) = self.finishes.last() {
            row.remarks.extend(last.remarks.iter().cloned());
        }
        row.remarks.extend(self.failure.clone());
        row
    }
}

impl Contestant for Shape {
    fn name(&self) -> String {
        self.to_string()
    }

    fn run(&self, stage: &Stage, topic: &Topic) -> anyhow::Result<Finish> {
        self.run_and(stage, topic, |_| Ok(()))
    }
}

impl Shape {
    /// From the start of the process, with an empty data directory, until its results are those
    /// of the whole topic; then something else may be asked of it.
    pub fn run_and(
        &self,
        stage: &Stage,
        topic: &Topic,
        ask: impl FnOnce(&Service) -> anyhow::Result<()>,
    ) -> anyhow::Result<Finish> {
        let data = "counting";
        let _ = std::fs::remove_dir_all(stage.path(data));
        let mut service = Service::start(stage, topic, self, data)?;
        let all_at = service.wait_for(topic.messages)?;
        let usage = service.usage();
        let differences = service.differences(&topic.expected)?;
        ask(&service)?;
        Ok(Finish {
            seconds: all_at.duration_since(service.started_at()).as_secs_f64(),
            from_first_seconds: service.caught_up_seconds(),
            cpu_seconds: Some(usage.cpu_seconds),
            rss_peak_bytes: Some(usage.rss_peak_bytes),
            differences,
            remarks: Vec::new(),
        })
    }
}
