//! `uk`: the United Kingdom's 32,014,110 ballots of 2019 from Kafka, to exact totals.
//!
//! The answer is checked against the published results themselves, constituency by constituency,
//! beside the producer's word for what must come out.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::Args;
use crate::peers::Loop;
use crate::race::{Contestant, Finish, RATE, race};
use crate::report::Report;
use crate::service::{Service, Shape};
use crate::stage::Stage;
use crate::topic::{Filling, Topic, Votes};

/// The constituencies.
const SEATS: usize = 650;

/// What the results have for all parties that they do not name.
const OTHER: &str = "Other";

/// Votes by constituency and party.
type Sums = BTreeMap<String, BTreeMap<String, u64>>;

/// A service whose answer is checked against the published results, too.
struct Published(Shape, Sums);

/// Counts the election with each.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let filling = Filling {
        votes: Votes::Real("uk-2019"),
        ..Filling::plain(crate::topic::Size::of(0))
    };
    let topic = stage.fill("uk", &filling)?;
    let contestants: Vec<Box<dyn Contestant>> = vec![
        Box::new(Loop),
        Box::new(Published(Shape::workers(2), published()?)),
    ];
    let mut report = Report::new(
        "uk",
        format!(
            "{} ballots of the United Kingdom in 2019, exact in {SEATS} constituencies",
            topic.messages
        ),
    );
    report.rows = race(stage, &topic, &contestants, args.runs())?;
    report.ratios(RATE, "loop", "of loop");
    report.notes.push("budget: 15 to 20 s at -w 2".to_string());
    Ok(report)
}

impl Contestant for Published {
    fn name(&self) -> String {
        self.0.to_string()
    }

    fn run(&self, stage: &Stage, topic: &Topic) -> anyhow::Result<Finish> {
        let mut wrong = Vec::new();
        let mut finish = self.0.run_and(stage, topic, |service| {
            let found = sums(service)?;
            let differs = |seat: &&String| found.get(*seat) != self.1.get(*seat);
            wrong = self.1.keys().filter(differs).cloned().collect();
            Ok(())
        })?;
        finish.differences.extend(wrong);
        Ok(finish)
    }
}

#[derive(Deserialize)]
struct Line {
    ons_id: String,
    party: String,
    votes: u64,
}

/// The results as they were published.
fn published() -> anyhow::Result<Sums> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../producer/data/uk-2019.csv");
    let file = File::open(&path).with_context(|| format!("opening '{}'", path.display()))?;
    let mut sums = Sums::new();
    for line in csv::Reader::from_reader(file).into_deserialize() {
        let line: Line = line.context("reading the published results")?;
        let parties = sums.entry(line.ons_id).or_default();
        *parties.entry(line.party).or_insert(0) += line.votes;
    }
    ensure!(
        sums.len() == SEATS,
        "{} constituencies are published",
        sums.len()
    );
    for parties in sums.values_mut() {
        parties.retain(|_, votes| *votes > 0);
    }
    Ok(sums)
}

/// The results as the service has them.
fn sums(service: &Service) -> anyhow::Result<Sums> {
    let results = service.ask("/api/v1/results")?.context("no results")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let candidates = results["candidates"].as_array().into_iter().flatten();
    let parties: HashMap<String, String> = candidates
        .map(|row| (text(&row["candidate_id"]), text(&row["party"])))
        .collect();
    let answer = service.ask("/api/v1/locations?parent=*")?;
    let answer = answer.context("no locations")?;
    let rows = answer["locations"].as_array().into_iter().flatten();
    let leaves = rows.filter(|row| row["leaf"] == true);
    Ok(leaves
        .map(|row| {
            let votes = row["votes"].as_object().into_iter().flatten();
            let by_party = votes.map(|(candidate, votes)| {
                let party = parties.get(candidate).cloned();
                let party = party.unwrap_or_else(|| OTHER.to_string());
                (party, votes.as_u64().unwrap_or(0))
            });
            (text(&row["location"]), by_party.collect())
        })
        .collect())
}
