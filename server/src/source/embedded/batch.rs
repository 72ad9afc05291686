//! One append on its way to the committer: its messages by partition, packed where that pays.
//!
//! Runs on the caller's task, so that packing is shared by all cores and yields between blocks;
//! the committer only puts blocks in their place. Keeps the order of messages within a partition.

use xxhash_rust::xxh3::xxh3_64;

use super::block::{Block, Records};
use super::{Message, PARTITIONS};

/// Records of fewer bytes travel loose: the committer joins them with those of other appends.
const PACK_BYTES_MIN: usize = 16 * 1024;

/// Some records of one partition.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) partition: u32,
    pub(super) content: Content,
}

/// How a chunk's records come.
#[derive(Debug)]
pub(super) enum Content {
    /// Few of them, to be joined with others.
    Loose(Records),
    /// Enough for a block of their own.
    Packed(Block),
}

/// The partition of a key: the same in every version, on every machine.
pub(super) fn partition_of(key: &[u8]) -> u32 {
    (xxh3_64(key) % u64::from(PARTITIONS)) as u32
}

/// Lays the messages out by partition, each partition's in their order.
pub(super) async fn split(messages: Vec<Message>) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut open: [Records; PARTITIONS as usize] = Default::default();
    for Message { key, bytes } in messages {
        let partition = partition_of(&key);
        let records = &mut open[partition as usize];
        if !records.has_room(1, Records::size_of(&bytes)) {
            chunks.push(packed(partition, std::mem::take(records)));
            tokio::task::yield_now().await;
        }
        open[partition as usize].push(&bytes);
    }
    for (partition, records) in (0..).zip(open) {
        if records.size() >= PACK_BYTES_MIN {
            chunks.push(packed(partition, records));
            tokio::task::yield_now().await;
        } else if records.count() > 0 {
            let content = Content::Loose(records);
            chunks.push(Chunk { partition, content });
        }
    }
    chunks
}

fn packed(partition: u32, records: Records) -> Chunk {
    Chunk {
        partition,
        content: Content::Packed(Block::pack(&records)),
    }
}
