//! A disk in memory that loses power, forgets what was not synced, or is full: what a real one
//! does too seldom for a test.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::{Database, StorageBackend};

use super::super::store::{Opener, initialise};
use super::{Numbers, TOPIC};

/// The unit that a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// A disk that several openings share, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    /// What is there as long as there is power.
    seen: Vec<u8>,
    /// What was there at the last sync.
    synced: Vec<u8>,
    /// What was written since.
    pending: Vec<Change>,
    /// After so many operations the power goes; none: never.
    operations_left: Option<u64>,
    /// Writes beyond it do not fit; none: no limit.
    bytes_max: Option<u64>,
}

#[derive(Clone, Debug)]
enum Change {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl Disk {
    /// A disk with an empty log.
    pub(super) fn with_log() -> Disk {
        let disk = Disk::default();
        let database = Database::builder()
            .create_with_backend(disk.clone())
            .unwrap();
        initialise(&database, TOPIC).unwrap();
        drop(database);
        disk
    }

    /// Opens what is on the disk. A repair, which takes long on a large log, must never be needed.
    pub(super) fn opener(&self) -> Opener {
        let disk = self.clone();
        Box::new(move || {
            let mut builder = Database::builder();
            builder.set_repair_callback(|_| panic!("the store repairs itself"));
            builder.create_with_backend(disk.clone())
        })
    }

    pub(super) fn lose_power_after(&self, operations: u64) {
        self.content().operations_left = Some(operations);
    }

    pub(super) fn set_bytes_max(&self, bytes_max: Option<u64>) {
        self.content().bytes_max = bytes_max;
    }

    pub(super) fn size(&self) -> u64 {
        self.content().seen.len() as u64
    }

    /// What a reader finds after the power came back: everything that was synced, and of the rest
    /// some sectors and not others.
    pub(super) fn after_power_loss(&self, numbers: &mut Numbers) -> Disk {
        let content = self.content();
        let mut found = content.synced.clone();
        for change in &content.pending {
            match change {
                Change::Length(size) if numbers.below(2) == 0 => found.resize(*size, 0),
                Change::Length(_) => {}
                Change::Bytes(at, bytes) => {
                    for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                        if numbers.below(2) == 0 {
                            put(&mut found, at + index * SECTOR_BYTES, sector);
                        }
                    }
                }
            }
        }
        let content = Content {
            seen: found.clone(),
            synced: found,
            ..Content::default()
        };
        Disk(Arc::new(Mutex::new(content)))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap()
    }

    /// The content, if there is power for one more operation.
    fn powered(&self) -> io::Result<MutexGuard<'_, Content>> {
        let mut content = self.content();
        if let Some(left) = &mut content.operations_left {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::NotConnected)?;
        }
        Ok(content)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.size())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = self.content();
        let from = offset as usize;
        let found = content.seen.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut content = self.powered()?;
        content.seen.resize(len as usize, 0);
        content.pending.push(Change::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut content = self.powered()?;
        let Content {
            seen,
            synced,
            pending,
            ..
        } = &mut *content;
        for change in pending.drain(..) {
            match change {
                Change::Length(size) => synced.resize(size, 0),
                Change::Bytes(at, bytes) => put(synced, at, &bytes),
            }
        }
        assert_eq!(seen.len(), synced.len());
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut content = self.powered()?;
        let end = offset + data.len() as u64;
        if content.bytes_max.is_some_and(|bytes_max| end > bytes_max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        put(&mut content.seen, offset as usize, data);
        let change = Change::Bytes(offset as usize, data.to_vec());
        content.pending.push(change);
        Ok(())
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    let end = at + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(data);
}
