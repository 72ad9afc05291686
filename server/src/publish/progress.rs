//! How far a start has come: shown by `/readyz`, `/status` and every 503 while catching up.

use serde::Serialize;
use utoipa::ToSchema;

use crate::told::{self, Told};

/// The start, over all partitions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Progress {
    /// Messages counted, as a fraction of those that the log held at the start; null before
    /// their number is known.
    pub share: Option<f64>,
    /// Messages counted a second, lately; null before that is known.
    pub messages_per_second: Option<f64>,
    /// How long the rest takes at that rate, in seconds; null before that is known.
    pub seconds_left: Option<f64>,
    /// What the start waits for: a broker, other processes; null if for nothing.
    #[serde(serialize_with = "told::public")]
    #[schema(value_type = Option<String>)]
    pub waiting_for: Option<Told>,
    /// By topic and partition.
    pub partitions: Vec<PartitionProgress>,
}

/// The start of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartitionProgress {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// Where counting began.
    pub first_offset: i64,
    /// The next offset to count.
    pub next_offset: i64,
    /// The partition's end as of the start.
    pub end_offset: i64,
}

impl Progress {
    /// The progress of these partitions, with their share; and with the time that is left, where
    /// it is known how many messages are counted a second.
    pub fn new(partitions: Vec<PartitionProgress>, messages_per_second: Option<f64>) -> Progress {
        let sum = |upto: fn(&PartitionProgress) -> i64| -> i64 {
            partitions
                .iter()
                .map(|each| (upto(each) - each.first_offset).max(0))
                .sum()
        };
        let (counted, all) = (
            sum(|each| each.next_offset.min(each.end_offset)),
            sum(|each| each.end_offset),
        );
        let rate = messages_per_second.filter(|rate| *rate > 0.0);
        let share = if all == 0 {
            1.0
        } else {
            counted as f64 / all as f64
        };
        Progress {
            share: (!partitions.is_empty()).then_some(share),
            messages_per_second,
            seconds_left: rate.map(|rate| (all - counted) as f64 / rate),
            waiting_for: None,
            partitions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(partitions: &[(i64, i64, i64)]) -> Option<f64> {
        let partition = |&(first_offset, next_offset, end_offset)| PartitionProgress {
            topic: "votes".to_string(),
            partition: 0,
            first_offset,
            next_offset,
            end_offset,
        };
        Progress::new(partitions.iter().map(partition).collect(), None).share
    }

    #[test]
    fn the_time_left_is_that_of_the_messages_left() {
        let partitions = vec![PartitionProgress {
            topic: "votes".to_string(),
            partition: 0,
            first_offset: 0,
            next_offset: 40,
            end_offset: 100,
        }];
        let left = |rate| Progress::new(partitions.clone(), rate).seconds_left;
        assert_eq!(left(Some(20.0)), Some(3.0));
        assert_eq!(left(Some(0.0)), None);
        assert_eq!(left(None), None);
    }

    #[test]
    fn the_share_is_of_messages_and_never_above_one() {
        assert_eq!(share(&[]), None);
        assert_eq!(share(&[(0, 0, 0)]), Some(1.0));
        assert_eq!(share(&[(0, 25, 100), (50, 75, 150)]), Some(0.25));
        assert_eq!(share(&[(0, 180, 100)]), Some(1.0));
    }
}
