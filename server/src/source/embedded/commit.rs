//! The one thread that writes: takes what waits, gives it offsets and times, commits it as one.
//!
//! Appends come in over a bounded queue; while one group is synced the next one gathers, so that
//! many appends share a sync and a lone one waits for its own only. An append is answered after
//! its group is durable and readable, never before. A group has one time, asked for here; while
//! the clock is not believed, no message is stored.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::super::clock::JUMP_MAX_MS;
use super::batch::{Chunk, Content};
use super::block::{Block, Records};
use super::state::State;
use super::store::{Commit, is_full};
use super::{Appended, LogError, PARTITIONS, Permit, Shared, place};

/// What one commit takes, unless one append alone is larger: some 20,000 votes, a few tens of
/// milliseconds.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often the clock is looked at while nothing comes: so that a jump is seen when it is made,
/// and over once it has held.
const CLOCK_EVERY: Duration = Duration::from_secs(5);

/// A fact to be stored: its key and its value.
pub(super) type Fact = (String, Vec<u8>);

/// One append on its way.
pub(super) struct Job {
    pub(super) chunks: Vec<Chunk>,
    pub(super) not_before_ms: i64,
    pub(super) fact: Option<Fact>,
    /// Told once, from the committer's thread.
    pub(super) reply: Box<dyn FnOnce(Result<Appended, LogError>) + Send>,
    /// Its place in the queue, given back when it is answered.
    pub(super) permit: Option<Permit>,
}

/// What the committer is asked to do.
pub(super) enum Request {
    /// Store something.
    Append(Job),
    /// Finish: whatever comes after it is not answered.
    Close,
}

/// Whether the store takes commits.
enum Writing {
    /// It does.
    Works,
    /// The disk was full: open the store again first.
    Doubtful,
    /// It failed; every append gets this error until a restart.
    Failed(LogError),
}

/// The committer's own state; lives on its thread.
pub(super) struct Committer<'a> {
    shared: &'a Shared,
    queue: Receiver<Request>,
    state: State,
    writing: Writing,
}

impl<'a> Committer<'a> {
    pub(super) fn new(shared: &'a Shared, queue: Receiver<Request>, state: State) -> Self {
        Committer {
            shared,
            queue,
            state,
            writing: Writing::Works,
        }
    }

    /// Serves the queue until it is asked to close, then marks the log as closed.
    pub(super) fn run(mut self) -> Result<(), LogError> {
        let mut open = true;
        while open {
            let first = match self.queue.recv_timeout(CLOCK_EVERY) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    // It says by itself what is wrong.
                    let _ = self.shared.now_ms();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut group = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(request) = next {
                let Request::Append(job) = request else {
                    open = false;
                    break;
                };
                bytes += job.permit.as_ref().map_or(0, Permit::bytes);
                group.push(job);
                next = (bytes < GROUP_BYTES_MAX)
                    .then(|| self.queue.try_recv().ok())
                    .flatten();
            }
            self.serve(group);
        }
        self.mark_closed()
    }

    /// Stores a group and answers each of its appends.
    fn serve(&mut self, group: Vec<Job>) {
        let outcome = self.make_ready();
        if outcome.is_err() || group.iter().all(Job::is_empty) {
            for job in group {
                let answer = outcome.clone().map(|()| Appended::default());
                (job.reply)(answer);
            }
            return;
        }
        let (group, now_ms) = self.believe(group);
        if group.is_empty() {
            return;
        }
        let mut layout = Layout::new(self.state, now_ms);
        let mut waiting = Vec::with_capacity(group.len());
        for job in group {
            let appended = layout.add(job.chunks, job.not_before_ms);
            layout.commit.facts.extend(job.fact);
            waiting.push((job.reply, appended, job.permit));
        }
        let outcome = self.store(layout.finish());
        for (reply, appended, permit) in waiting {
            drop(permit);
            reply(outcome.clone().map(|()| appended));
        }
    }

    /// The time, and the jobs that may be stored at it; the others are answered.
    fn believe(&self, group: Vec<Job>) -> (Vec<Job>, i64) {
        let has_messages = |job: &Job| !job.chunks.is_empty();
        if !group.iter().any(has_messages) {
            // Facts have no time.
            return (group, i64::MIN);
        }
        let now = self.shared.now_ms();
        let (mut taken, now_ms) = (Vec::with_capacity(group.len()), *now.as_ref().unwrap_or(&0));
        for job in group {
            // What was judged at a time that is not the log's would be stored at that time.
            let by_ms = job.not_before_ms.saturating_sub(now_ms);
            match &now {
                Err(error) if has_messages(&job) => (job.reply)(Err(error.clone())),
                Ok(_) if has_messages(&job) && by_ms > JUMP_MAX_MS => {
                    (job.reply)(Err(LogError::ClockJump { by_ms }));
                }
                _ => taken.push(job),
            }
        }
        (taken, now_ms)
    }

    fn store(&mut self, commit: Commit) -> Result<(), LogError> {
        let Err(error) = self.shared.store.commit(&commit) else {
            self.state = commit.state;
            self.shared.publish(&self.state);
            return Ok(());
        };
        let directory = self.shared.store.directory().to_path_buf();
        let failure = match error {
            redb::Error::Io(error) if is_full(&error) => LogError::Full { directory },
            error => {
                tracing::error!(error = &error as &dyn Error, "a commit failed");
                let source = Arc::new(error);
                LogError::Write { directory, source }
            }
        };
        tracing::error!("{failure}");
        self.writing = match &failure {
            LogError::Full { .. } => Writing::Doubtful,
            failure => Writing::Failed(failure.clone()),
        };
        // At once, since redb refuses to read too after a failed write.
        self.reopen();
        Err(failure)
    }

    /// Says whether appends are taken; after a full disk, by trying.
    fn make_ready(&mut self) -> Result<(), LogError> {
        if let Writing::Doubtful = self.writing {
            self.reopen();
        }
        match &self.writing {
            Writing::Works => Ok(()),
            Writing::Failed(error) => Err(error.clone()),
            Writing::Doubtful => Err(LogError::Full {
                directory: self.shared.store.directory().to_path_buf(),
            }),
        }
    }

    /// Opens the store again and looks what became of the last commit: it may be there whole.
    fn reopen(&mut self) {
        match self
            .shared
            .store
            .reopen()
            .and_then(|found| self.keeps_all(found))
        {
            Ok(found) => {
                self.state = found;
                self.shared.publish(&found);
                if let Writing::Doubtful = self.writing {
                    self.writing = Writing::Works;
                }
            }
            Err(LogError::Full { .. }) => {}
            Err(error) => {
                tracing::error!("{error}");
                if let Writing::Doubtful = self.writing {
                    self.writing = Writing::Failed(error);
                }
            }
        }
        // A reader that met the failure waits to be woken, whether it finds records or an error.
        self.shared.wake(|_| true);
    }

    fn keeps_all(&self, found: State) -> Result<State, LogError> {
        let pairs = found.ends.iter().zip(&self.state.ends);
        if pairs
            .clone()
            .all(|(now, before)| now.next_offset >= before.next_offset)
        {
            return Ok(found);
        }
        let what = "messages that were acknowledged are gone";
        Err(self.shared.store.damaged_file(what))
    }

    /// Says in the log that nothing was on its way when it ended.
    fn mark_closed(mut self) -> Result<(), LogError> {
        let outcome = self.make_ready().and_then(|()| {
            if self.state.closed {
                return Ok(());
            }
            self.state.closed = true;
            let state = self.state;
            self.store(Commit {
                blocks: Vec::new(),
                facts: Vec::new(),
                state,
            })
        });
        self.shared.store.close();
        outcome
    }
}

impl Job {
    /// Whether it only asks for what came before it to be durable.
    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.fact.is_none()
    }
}

/// Gives a group's records their offsets and times and makes blocks of them.
struct Layout {
    commit: Commit,
    now_ms: i64,
    /// Loose records of each partition that may be joined by more.
    open: [Open; PARTITIONS as usize],
}

#[derive(Default)]
struct Open {
    records: Records,
    first_offset: i64,
    log_time_ms: i64,
}

impl Layout {
    fn new(state: State, now_ms: i64) -> Self {
        Layout {
            commit: Commit {
                blocks: Vec::new(),
                facts: Vec::new(),
                state: State {
                    closed: false,
                    ..state
                },
            },
            now_ms,
            open: Default::default(),
        }
    }

    fn add(&mut self, chunks: Vec<Chunk>, not_before_ms: i64) -> Appended {
        let mut appended = Appended::default();
        for Chunk { partition, content } in chunks {
            let end = &mut self.commit.state.ends[place(partition)];
            let first_offset = end.next_offset;
            end.log_time_ms = end.log_time_ms.max(self.now_ms).max(not_before_ms);
            let log_time_ms = end.log_time_ms;
            let count = match &content {
                Content::Loose(records) => records.count(),
                Content::Packed(block) => block.count(),
            };
            end.next_offset += i64::from(count);
            appended.stored += u64::from(count);
            appended.next_offsets.insert(partition, end.next_offset);
            match content {
                Content::Loose(records) => self.join(partition, first_offset, log_time_ms, records),
                Content::Packed(block) => {
                    self.flush(partition);
                    self.push(partition, first_offset, log_time_ms, block);
                }
            }
        }
        appended
    }

    fn finish(mut self) -> Commit {
        for partition in 0..PARTITIONS {
            self.flush(partition);
        }
        self.commit
    }

    /// Puts loose records behind those before them: a block has one time and a limit.
    fn join(&mut self, partition: u32, first_offset: i64, log_time_ms: i64, records: Records) {
        let open = &self.open[place(partition)];
        let fits = open.records.count() > 0
            && open.log_time_ms == log_time_ms
            && open.records.has_room(records.count(), records.size());
        if fits {
            self.open[place(partition)].records.join(&records);
            return;
        }
        self.flush(partition);
        self.open[place(partition)] = Open {
            records,
            first_offset,
            log_time_ms,
        };
    }

    fn flush(&mut self, partition: u32) {
        let open = std::mem::take(&mut self.open[place(partition)]);
        if open.records.count() > 0 {
            let block = Block::pack(&open.records);
            self.push(partition, open.first_offset, open.log_time_ms, block);
        }
    }

    fn push(&mut self, partition: u32, first_offset: i64, log_time_ms: i64, block: Block) {
        let value = block.seal(partition, first_offset, log_time_ms);
        self.commit.blocks.push((partition, first_offset, value));
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::{next_record, unpack};
    use super::*;

    const NOW_MS: i64 = 1_383_508_800_000;

    fn records(texts: &[&str]) -> Records {
        let mut records = Records::default();
        for text in texts {
            records.push(text.as_bytes());
        }
        records
    }

    fn loose(partition: u32, texts: &[&str]) -> Chunk {
        let content = Content::Loose(records(texts));
        Chunk { partition, content }
    }

    fn packed(partition: u32, texts: &[&str]) -> Chunk {
        let content = Content::Packed(Block::pack(&records(texts)));
        Chunk { partition, content }
    }

    /// Appends, each with its time; then the blocks: partition, offset, time and records.
    fn check(appends: Vec<(Vec<Chunk>, i64)>, expected: &[(u32, i64, i64, &str)]) {
        let mut layout = Layout::new(State::EMPTY, NOW_MS);
        for (chunks, not_before_ms) in appends {
            layout.add(chunks, not_before_ms);
        }
        let mut found = Vec::new();
        for (partition, first_offset, value) in layout.finish().blocks {
            let mut buffer = Vec::new();
            let header = unpack(&value, &mut buffer).unwrap();
            assert_eq!(
                (header.partition, header.first_offset),
                (partition, first_offset)
            );
            let mut rest = header.records(&buffer);
            let texts: Vec<_> = std::iter::from_fn(|| next_record(&mut rest))
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .collect();
            found.push((
                partition,
                first_offset,
                header.log_time_ms - NOW_MS,
                texts.join(" "),
            ));
        }
        found.sort();
        let expected: Vec<_> = expected
            .iter()
            .map(|&(partition, offset, later_ms, texts)| {
                (partition, offset, later_ms, texts.to_string())
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn small_appends_share_a_block() {
        check(
            vec![
                (vec![loose(2, &["a", "b"]), loose(5, &["x"])], 0),
                (vec![loose(2, &["c"])], 0),
                (vec![loose(2, &["d"])], 0),
            ],
            &[(2, 0, 0, "a b c d"), (5, 0, 0, "x")],
        );
    }

    #[test]
    fn a_packed_block_keeps_its_place_between_small_ones() {
        check(
            vec![
                (vec![loose(2, &["a"])], 0),
                (vec![packed(2, &["b", "c"]), loose(2, &["d"])], 0),
                (vec![loose(2, &["e"])], 0),
            ],
            &[(2, 0, 0, "a"), (2, 1, 0, "b c"), (2, 3, 0, "d e")],
        );
    }

    #[test]
    fn a_block_has_one_time_which_never_decreases() {
        check(
            vec![
                (vec![loose(2, &["a"]), loose(3, &["x"])], 0),
                (vec![loose(2, &["b"])], NOW_MS + 50),
                (vec![loose(2, &["c"]), loose(3, &["y"])], 0),
            ],
            &[(2, 0, 0, "a"), (2, 1, 50, "b c"), (3, 0, 0, "x y")],
        );
    }

    #[test]
    fn a_block_has_room_for_so_many_records() {
        let many = vec!["r"; 600];
        check(
            vec![(vec![loose(1, &many)], 0), (vec![loose(1, &many)], 0)],
            &[
                (1, 0, 0, many.join(" ").as_str()),
                (1, 600, 0, many.join(" ").as_str()),
            ],
        );
    }
}
