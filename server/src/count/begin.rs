//! How a count begins: where checkpoints are, which of them is gone on from, what the log has,
//! and what all processes agree on.
//!
//! Waits for whoever is away (the broker, other processes), and refuses to begin where the counts
//! could be wrong: a log that is not the one that was counted, messages that are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use dataflow::hash::KeyedHash;
use dataflow::log_place::LogPlace;

use super::ceiling::{self, CeilingError};
use super::rebuild;
use super::restore::Before;
use crate::checkpoint::{self, CheckpointError, Damaged, Lock, Manifest, Place, PlaceError};
use crate::cluster::{Cluster, ClusterError, Hello, Links, Start, Waiting};
use crate::key::{Key, KeyError, KeyFile};
use crate::source::{Extent, Log, LogError};
use crate::warnings::Warnings;

/// The file that names the run that writes to a place.
const RUN: &str = "run";

/// How long a log that is away is left alone, growing to the second of them.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// How to begin.
pub struct BeginSettings {
    /// Where checkpoints are.
    pub place: Place,
    /// Where the key of the hashes of voters is.
    pub key: KeyFile,
    /// All processes, where there are several.
    pub cluster: Option<Cluster>,
    /// How this one was started.
    pub hello: Hello,
    /// Whether to count the log from its beginning, whatever checkpoints there are.
    pub recount: bool,
    /// Whether a log whose first messages are gone may be counted.
    pub accept_truncated: bool,
    /// Where it is said that something was found damaged.
    pub warnings: Warnings,
}

/// What a count begins with.
pub struct Begun {
    pub(super) place: Place,
    pub(super) before: Option<Arc<Before>>,
    pub(super) next_number: u64,
    pub(super) damaged: Vec<Damaged>,
    pub(super) topic_id: String,
    pub(super) key: Key,
    pub(super) extents: Vec<Extent>,
    pub(super) links: Option<Links>,
    pub(super) last_tick: u64,
    pub(super) accept_truncated: bool,
    /// Held for as long as this process writes there.
    pub(super) _lock: Option<Lock>,
}

impl Begun {
    /// The checkpoint that is gone on from.
    pub fn before(&self) -> Option<&Arc<Before>> {
        self.before.as_ref()
    }

    /// What voters are hashed by.
    pub fn hash(&self) -> KeyedHash {
        self.key.hash()
    }
}

/// Why a count cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The log cannot be had.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No checkpoint can be loaded.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The place of checkpoints cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The tick ceiling cannot be had.
    #[error(transparent)]
    Ceiling(#[from] CeilingError),
    /// The processes do not come together.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The key cannot be had, or is another.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The system has no randomness.
    #[error("could not name this run: {0}")]
    Random(getrandom::Error),
    /// The checkpoint is of another topic.
    #[error(
        "the checkpoints in {place} are of the topic '{kept}', and '{asked}' was asked for: start \
         with --topic {kept}, or give this topic a place of its own with --checkpoints"
    )]
    OtherTopic {
        /// Where.
        place: String,
        /// The topic that was counted.
        kept: String,
        /// The topic that was asked for.
        asked: String,
    },
    /// The topic was deleted and made again, or it is another log.
    #[error(
        "the topic '{topic}' is not the one that was counted: its id is {found}, and the \
         checkpoints in {place} are of {kept}. If it was deleted and made again on purpose, start \
         once with --recount to count what is in it now; if not, look for the right cluster or data \
         directory, or restore the topic"
    )]
    OtherTopicId {
        /// The topic.
        topic: String,
        /// Where.
        place: String,
        /// The id that was counted.
        kept: String,
        /// The id that is there.
        found: String,
    },
    /// What counts as late was another.
    #[error(
        "the checkpoints in {place} were made with --lateness {}s, and {}s was asked for: which \
         votes are late is decided as they are read; use the same, or start once with --recount",
        *.kept_ms as f64 / 1000.0, *.asked_ms as f64 / 1000.0
    )]
    OtherLateness {
        /// Where.
        place: String,
        /// What it was.
        kept_ms: i64,
        /// What was asked for.
        asked_ms: i64,
    },
    /// Messages were read otherwise.
    #[error(
        "the checkpoints in {place} were made with {kept} and this start has {asked}: what a \
         message says is decided as it is read; use the same, or start once with --recount"
    )]
    OtherFormat {
        /// Where.
        place: String,
        /// How they were read.
        kept: String,
        /// How they would be read now.
        asked: String,
    },
    /// The log no longer has what comes next.
    #[error(
        "partition {partition} of '{topic}' begins at offset {first_offset} now, and the newest \
         checkpoint needs it from {next_offset} on: the messages between are lost to the count; \
         restore them, or start once with --recount --accept-truncated to count only what is left"
    )]
    Gone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The first offset there.
        first_offset: i64,
        /// What the checkpoint needs.
        next_offset: i64,
    },
    /// The log is shorter than what was counted.
    #[error(
        "partition {partition} of '{topic}' ends before offset {end_offset}, and the newest \
         checkpoint has counted it to {next_offset}: it is not the log that was counted, or it has \
         lost messages; restore it, or start once with --recount to count what is in it"
    )]
    Short {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The end there.
        end_offset: i64,
        /// What was counted.
        next_offset: i64,
    },
    /// The log has lost its first messages before anything was counted.
    #[error(
        "partition {partition} of '{topic}' begins at offset {first_offset}, so its first messages \
         are gone and would be missing in the count: restore them, or say --accept-truncated to \
         count without them"
    )]
    Truncated {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The first offset there.
        first_offset: i64,
    },
    /// The topic has more partitions than a ballot can name.
    #[error(
        "'{topic}' has a partition {partition}, and places in the log are kept for partitions up \
         to {}: use a topic with fewer",
        LogPlace::PARTITION_MAX
    )]
    ManyPartitions {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// Another process does not see the same checkpoints.
    #[error(
        "the place of checkpoints {place} is not the one that process 0 uses: with -n above 1 all \
         processes must share one; give all the same shared directory or s3:// address with \
         --checkpoints"
    )]
    NotShared {
        /// Where.
        place: String,
    },
    /// The end was asked for meanwhile.
    #[error("ended before the counting began")]
    Ended,
}

/// Brings everything together; waits for whoever is away, until `stop`.
pub fn begin(
    settings: BeginSettings,
    log: &dyn Log,
    waiting: Waiting<'_>,
    stop: &AtomicBool,
) -> Result<Begun, BeginError> {
    let outcome = if settings.hello.process == 0 {
        begin_first(settings, log, waiting, stop)
    } else {
        begin_other(settings, log, waiting, stop)
    };
    waiting(None);
    outcome
}

fn begin_first(
    settings: BeginSettings,
    log: &dyn Log,
    waiting: Waiting<'_>,
    stop: &AtomicBool,
) -> Result<Begun, BeginError> {
    let place = settings.place.clone();
    let lock = place.lock()?;
    // Before the log is waited for, which may be away.
    let kept = rebuild::load(&settings, log.is_gapless())?;
    let (topic_id, extents) = look_at(log, waiting, stop)?;
    let chosen = rebuild::choose(kept, &settings, &topic_id, &extents)?;
    let before = chosen
        .checkpoint
        .map(|(manifest, register)| Arc::new(Before::new(manifest, register, place.clone())));
    let key = match &before {
        Some(before) => {
            let kept = &before.manifest().key_fingerprint;
            settings.key.open_for(place.text(), kept)?
        }
        None => settings.key.open_or_make()?,
    };
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(BeginError::Random)?;
    let mut run = hex(&random);
    if settings.cluster.is_some() {
        run = put_run(&place, run)?;
    }
    let mut links = None;
    if let Some(cluster) = &settings.cluster {
        let start = Start {
            run,
            checkpoint: before.as_ref().map(|before| before.number()),
            key_fingerprint: key.fingerprint(),
            topic_id: topic_id.clone(),
        };
        let mut connected = cluster.connect(&settings.hello, waiting, stop)?;
        connected.tell(&start)?;
        links = Some(connected);
    }
    // Without the ceiling, no tick of the checkpoint comes again.
    let kept_tick = before.as_ref().map_or(0, |before| before.manifest().tick);
    Ok(Begun {
        last_tick: ceiling::read(&place)?.max(kept_tick),
        place,
        before,
        next_number: chosen.next_number,
        damaged: chosen.damaged,
        topic_id,
        key,
        extents,
        links,
        accept_truncated: settings.accept_truncated || chosen.is_rebuilt,
        _lock: Some(lock),
    })
}

/// Names this run in a place; on a full disk it has the name of an earlier one, which others find
/// there as well.
fn put_run(place: &Place, run: String) -> Result<String, PlaceError> {
    match place.put(RUN, Bytes::from(run.clone())) {
        Ok(()) => Ok(run),
        Err(error @ PlaceError::Full { .. }) => match place.get(RUN)? {
            Some(kept) => Ok(String::from_utf8_lossy(&kept).into_owned()),
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

fn begin_other(
    settings: BeginSettings,
    log: &dyn Log,
    waiting: Waiting<'_>,
    stop: &AtomicBool,
) -> Result<Begun, BeginError> {
    let place = settings.place.clone();
    let (topic_id, extents) = look_at(log, waiting, stop)?;
    let cluster = settings.cluster.as_ref();
    let cluster = cluster.expect("a process after the first is one of several");
    let mut links = cluster.connect(&settings.hello, waiting, stop)?;
    let start: Start = links.hear()?;
    if place.get(RUN)?.as_deref() != Some(start.run.as_bytes()) {
        return Err(BeginError::NotShared {
            place: place.text().to_string(),
        });
    }
    let key = settings.key.open_as(&start.key_fingerprint)?;
    if topic_id != start.topic_id {
        return Err(BeginError::OtherTopicId {
            topic: log.topic().to_string(),
            place: place.text().to_string(),
            kept: start.topic_id,
            found: topic_id,
        });
    }
    let before = match start.checkpoint {
        Some(number) => {
            let (manifest, register) = checkpoint::load_number(&place, number)?;
            Some(Arc::new(Before::new(manifest, register, place.clone())))
        }
        None => None,
    };
    Ok(Begun {
        last_tick: 0,
        next_number: start.checkpoint.map_or(1, |number| number + 1),
        place,
        before,
        damaged: Vec::new(),
        topic_id,
        key,
        extents,
        links: Some(links),
        accept_truncated: settings.accept_truncated,
        _lock: None,
    })
}

/// What the log is and has, as soon as it can be reached.
fn look_at(
    log: &dyn Log,
    waiting: Waiting<'_>,
    stop: &AtomicBool,
) -> Result<(String, Vec<Extent>), BeginError> {
    let mut wait = RETRY.0;
    loop {
        let looked = log.extents().and_then(|extents| {
            log.examine()?;
            Ok((log.topic_id()?, extents))
        });
        match looked {
            Ok(looked) => {
                waiting(None);
                return Ok(looked);
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "the log is tried again");
                waiting(Some(error.told()));
            }
            Err(error) => return Err(error.into()),
        }
        if stop.load(Ordering::Relaxed) {
            return Err(BeginError::Ended);
        }
        thread::park_timeout(wait);
        wait = (wait * 2).min(RETRY.1);
    }
}

/// Whether a checkpoint is of this log, and the log still has what comes next.
pub(super) fn check(
    manifest: &Manifest,
    settings: &BeginSettings,
    topic_id: &str,
    extents: &[Extent],
) -> Result<(), BeginError> {
    let place = || settings.place.text().to_string();
    let (topic, lateness_ms) = (&settings.hello.topic, settings.hello.lateness_ms);
    if manifest.topic != *topic {
        return Err(BeginError::OtherTopic {
            place: place(),
            kept: manifest.topic.clone(),
            asked: topic.clone(),
        });
    }
    if manifest.topic_id != topic_id {
        return Err(BeginError::OtherTopicId {
            topic: topic.clone(),
            place: place(),
            kept: manifest.topic_id.clone(),
            found: topic_id.to_string(),
        });
    }
    if manifest.lateness_ms != lateness_ms {
        return Err(BeginError::OtherLateness {
            place: place(),
            kept_ms: manifest.lateness_ms,
            asked_ms: lateness_ms,
        });
    }
    let (kept, asked) = (&manifest.format_of_messages, &settings.hello.format);
    if !kept.reads_like(asked) {
        return Err(BeginError::OtherFormat {
            place: place(),
            kept: kept.to_string(),
            asked: asked.to_string(),
        });
    }
    for kept in &manifest.partitions {
        let extent = extents.iter().find(|it| it.partition == kept.partition);
        let end_offset = extent.map_or(0, |extent| extent.next_offset);
        if kept.next_offset > end_offset {
            return Err(BeginError::Short {
                topic: topic.clone(),
                partition: kept.partition,
                end_offset,
                next_offset: kept.next_offset,
            });
        }
        if let Some(extent) = extent.filter(|it| it.first_offset > kept.next_offset) {
            return Err(BeginError::Gone {
                topic: topic.clone(),
                partition: kept.partition,
                first_offset: extent.first_offset,
                next_offset: kept.next_offset,
            });
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
