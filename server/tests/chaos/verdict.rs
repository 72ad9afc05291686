//! Judgement over a service that has counted everything: reads and asks, and lets the judge
//! compare.

use std::time::Duration;

use serde_json::Value as Json;

use crate::ask;
use crate::events::HORIZON_MS;
use crate::judge::{
    Trial, compare_acknowledged, compare_aggregate, compare_answers, compare_refused,
};
use crate::oracle::Settings;
use crate::seed::{AGGREGATES, Run};
use crate::topic;

/// How long everything may take to be counted.
const COUNTED_WITHIN: Duration = Duration::from_secs(60);

/// How long the topics may be behind the results.
const WRITTEN_WITHIN: Duration = Duration::from_secs(20);

/// How many objections of one kind are worth reading.
const SHOWN_MAX: usize = 12;

impl Run<'_> {
    /// Compares all that the service says and writes with a recount of its topic.
    pub(crate) fn judge(&mut self, when: &str, acknowledged: &[Vec<u8>]) -> anyhow::Result<()> {
        let kafka = self.broker.address();
        let content = topic::read(&kafka, &self.plan.topic)?;
        let register = self.registers[self.in_force].clone();
        let trial = Trial {
            topic: &self.plan.topic.clone(),
            register: &register,
            settings: Settings {
                lateness_ms: self.plan.lateness_ms,
                horizon_ms: HORIZON_MS,
            },
            messages: &content.messages,
            ends: &content.ends,
        };
        self.outcome.messages = content.messages.len();
        let lost = compare_acknowledged(acknowledged, &content.messages);
        self.object_to(when, lost);
        let version = register.version();
        let settled = self.wait("everything to be counted", COUNTED_WITHIN, |run| {
            Ok(run.is_settled(&trial, &version).then_some(()))
        });
        if let Err(error) = settled {
            let statuses: Vec<String> = self.statuses().iter().map(Json::to_string).collect();
            let (ends, statuses) = (trial.offsets(), statuses.join("\n"));
            self.object(format!(
                "{when}: {error}; the topic ends at {ends:?}: {statuses}"
            ));
        }
        let tick = self.judge_answers(when, &trial)?;
        self.judge_topics(when, &trial, tick, &kafka)?;
        self.note(format!(
            "judged {when}: {} messages",
            content.messages.len()
        ));
        Ok(())
    }

    /// Whether every process has counted all of the topic, and all show the same tick.
    fn is_settled(&self, trial: &Trial<'_>, version: &str) -> bool {
        let statuses = self.statuses();
        let Some(first) = statuses.first() else {
            return false;
        };
        let ends = trial.offsets();
        let counted = |status: &Json| {
            let partitions = status["partitions"].as_array().into_iter().flatten();
            let mut reached = partitions.filter(|each| {
                let name = format!("{}/{}", trial.topic, each["partition"]);
                each["next_offset"].as_i64() == ends.get(&name).copied() && each["lag"] == 0
            });
            reached.by_ref().count() == ends.len()
                && status["register_version"] == *version
                && status["ready"] == true
                && status["tick"] == first["tick"]
        };
        statuses.len() == self.service.len()
            && statuses.iter().all(counted)
            && self.name_all_partitions(trial, ends.len())
    }

    /// Whether the results of every process name each partition: one that has just been added and
    /// is empty is in the status before it is read.
    fn name_all_partitions(&self, trial: &Trial<'_>, partitions: usize) -> bool {
        let addresses = self.board.all().unwrap_or_default();
        addresses.into_iter().all(|address| {
            let Ok((_, answers)) = ask::answers(address, trial.register) else {
                return false;
            };
            let mut contests = answers["contests"].as_object().into_iter().flatten();
            contests.all(|(_, contest)| {
                let offsets = contest["results"]["offsets"].as_object();
                offsets.is_some_and(|offsets| offsets.len() == partitions)
            })
        })
    }

    /// Compares the answers of every process; gives the last tick.
    fn judge_answers(&mut self, when: &str, trial: &Trial<'_>) -> anyhow::Result<u64> {
        let addresses = self.board.all().unwrap_or_default();
        let mut last: Option<(u64, Json)> = None;
        for (process, address) in addresses.into_iter().enumerate() {
            let (tick, answers) = ask::answers(address, trial.register)?;
            let expected = match last.take() {
                Some((before, expected)) if before == tick => expected,
                _ => trial.expected(tick),
            };
            let found = compare_answers(&expected, &answers);
            self.object_to(&format!("{when}, process {process}"), found);
            last = Some((tick, expected));
        }
        Ok(last.map_or(0, |(tick, _)| tick))
    }

    /// Compares the refused topic and the aggregates, which follow the results.
    fn judge_topics(
        &mut self,
        when: &str,
        trial: &Trial<'_>,
        tick: u64,
        kafka: &str,
    ) -> anyhow::Result<()> {
        let expected = trial.expected(tick);
        let rows = [
            trial.candidate_rows(&expected),
            trial.location_rows(&expected),
        ];
        let refused = format!("{}.refused", trial.topic);
        let mut found = Vec::new();
        let written = self.wait("the topics to follow", WRITTEN_WITHIN, |_| {
            let copies = topic::read(kafka, &refused)?.messages;
            found = compare_refused(trial.topic, trial.messages, &copies);
            for (name, rows) in AGGREGATES.iter().zip(&rows) {
                let messages = topic::read(kafka, name)?.messages;
                found.extend(compare_aggregate(name, rows, &messages, tick));
            }
            Ok(found.is_empty().then_some(()))
        });
        if written.is_err() {
            self.object_to(when, found);
        }
        Ok(())
    }

    fn object_to(&mut self, when: &str, found: Vec<String>) {
        let more = found.len().saturating_sub(SHOWN_MAX);
        for each in found.into_iter().take(SHOWN_MAX) {
            self.object(format!("{when}: {each}"));
        }
        if more > 0 {
            self.object(format!("{when}: and {more} more"));
        }
    }
}
