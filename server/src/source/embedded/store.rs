//! The store under the log: a redb database with the blocks, the log's state and the facts.
//!
//! Whole groups of blocks come in and are durable when [`Store::commit`] returns, all or none;
//! [`View`] reads what was committed at one moment. This is the only place that knows redb. It
//! never repairs: what does not fit is an error.
//!
//! Commits are in two phases with the allocator's state saved ("quick repair" in redb), because
//! messages come from anybody: a checksum that an attacker can aim for must not decide whether a
//! half-written commit is valid. It also makes opening after a crash a matter of milliseconds,
//! however large the log.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable as _, StorageError, TableDefinition,
};

use super::LogError;
use super::commit::Fact;
use super::state::{State, Unfit};
use super::view::View;

pub(super) const FILE: &str = "log.redb";
const FILE_NEW: &str = "log.redb.new";
const FILE_LOCK: &str = "log.lock";

/// By partition and first offset.
const BLOCKS: TableDefinition<'_, (u32, i64), &[u8]> = TableDefinition::new("blocks");
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");

/// Enough for the inner pages of the tree and a group on its way; the system caches the rest.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// How the database is opened; again after the disk was full.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// What one commit makes durable.
#[derive(Debug)]
pub(super) struct Commit {
    /// Sealed blocks by partition and first offset.
    pub(super) blocks: Vec<(u32, i64, Vec<u8>)>,
    /// The server's own facts; of one key the last holds.
    pub(super) facts: Vec<(String, Vec<u8>)>,
    /// The log's state with them.
    pub(super) state: State,
}

/// The open store. Readers share it with the one thread that commits.
pub(super) struct Store {
    directory: PathBuf,
    opener: Opener,
    /// Or why it is not open.
    database: RwLock<Result<Database, LogError>>,
    /// Held while the store is open; the system lets go of it when the process dies.
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Opens the log of a directory, or makes an empty one.
    pub(super) fn open(directory: &Path, topic: &str) -> Result<(Store, State), LogError> {
        let at = |source: io::Error| LogError::Open {
            directory: directory.to_path_buf(),
            source: Arc::new(source),
        };
        fs::create_dir_all(directory).map_err(at)?;
        let lock = lock(directory)?;
        let path = directory.join(FILE);
        if !path.try_exists().map_err(at)? {
            create(directory, topic)?;
        }
        let opener: Opener = Box::new(move || {
            let mut builder = Database::builder();
            builder.set_cache_size(CACHE_BYTES);
            builder.open(&path)
        });
        Store::open_with(directory, topic, opener, Some(lock))
    }

    /// Opens what `opener` opens, which holds a log already.
    pub(super) fn open_with(
        directory: &Path,
        topic: &str,
        opener: Opener,
        lock: Option<File>,
    ) -> Result<(Store, State), LogError> {
        let store = Store {
            directory: directory.to_path_buf(),
            opener,
            database: RwLock::new(Err(LogError::Closed)),
            lock: Mutex::new(lock),
        };
        let state = store.reopen()?;
        let found = store.about("topic")?;
        if found != topic.as_bytes() {
            return Err(LogError::OtherTopic {
                directory: store.directory,
                found: String::from_utf8_lossy(&found).into_owned(),
                asked: topic.to_string(),
            });
        }
        Ok((store, state))
    }

    /// Closes the database if it is open, opens it and holds its ends against its last blocks.
    /// Waits for readers to finish the poll they are in: redb does not know of readers of the
    /// database that is closed and would write over what they read.
    pub(super) fn reopen(&self) -> Result<State, LogError> {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *database = Err(LogError::Closed);
        *database = guarded(|| (self.opener)().map_err(redb::Error::from))
            .map_err(|error| open_failure(&self.directory, error));
        drop(database);
        let state = State::decode(&self.about("state")?).map_err(|unfit| match unfit {
            Unfit::Format(found) => LogError::OtherFormat {
                directory: self.directory.clone(),
                found,
                known: super::state::FORMAT,
            },
            Unfit::Damaged => self.damaged_file("the checksum of its state does not fit"),
        })?;
        let view = self.view()?;
        for (partition, end) in (0..).zip(state.ends) {
            match view.check_end(partition, end) {
                // Where a checkpoint has it, nobody needs it; else whoever reads it is told so.
                Err(error @ LogError::Damaged { .. }) => tracing::error!("{error}"),
                checked => checked?,
            }
        }
        drop(view);
        Ok(state)
    }

    /// The log's state and all facts, as of one moment.
    pub(super) fn snapshot(&self) -> Result<(State, Vec<Fact>), LogError> {
        let database = self.database();
        let open = database.as_ref().map_err(LogError::clone)?;
        let read = || {
            let transaction = open.begin_read()?;
            let about = transaction.open_table(ABOUT)?;
            let state = about.get("state")?.map(|value| value.value().to_vec());
            let mut facts = Vec::new();
            for fact in transaction.open_table(FACTS)?.iter()? {
                let (key, value) = fact?;
                facts.push((key.value().to_string(), value.value().to_vec()));
            }
            Ok((state.unwrap_or_default(), facts))
        };
        let (state, facts) = guarded(read).map_err(|error| open_failure(&self.directory, error))?;
        let state = State::decode(&state)
            .map_err(|_| self.damaged_file("the checksum of its state does not fit"))?;
        Ok((state, facts))
    }

    /// What is committed now. Holds off [`reopen`](Self::reopen) and [`close`](Self::close).
    pub(super) fn view(&self) -> Result<View<'_>, LogError> {
        let database = self.database();
        let open = database.as_ref().map_err(LogError::clone)?;
        let blocks = guarded(|| Ok(open.begin_read()?.open_table(BLOCKS)?))
            .map_err(|error| open_failure(&self.directory, error))?;
        Ok(View::new(blocks, &self.directory, database))
    }

    /// Makes a commit durable, all of it or nothing. After an error it is in doubt which, until
    /// [`reopen`](Self::reopen) says.
    pub(super) fn commit(&self, commit: &Commit) -> Result<(), redb::Error> {
        let database = self.database();
        let open = database.as_ref().map_err(|_| redb::Error::DatabaseClosed)?;
        guarded(|| write(open, commit))
    }

    /// One of the server's own facts.
    pub(super) fn fact(&self, key: &str) -> Result<Option<Vec<u8>>, LogError> {
        let database = self.database();
        let open = database.as_ref().map_err(LogError::clone)?;
        guarded(|| value_of(open, FACTS, key)).map_err(|error| match error {
            redb::Error::Corrupted(what) => self.damaged_file(&what),
            redb::Error::PreviousIo => LogError::Interrupted {
                directory: self.directory.clone(),
            },
            error => LogError::ReadFact {
                directory: self.directory.clone(),
                fact: key.to_string(),
                source: Arc::new(error),
            },
        })
    }

    /// Lets go of the database and then of the directory. Waits for readers to finish the poll
    /// they are in.
    pub(super) fn close(&self) {
        *self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Err(LogError::Closed);
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn damaged_file(&self, what: &str) -> LogError {
        LogError::DamagedFile {
            directory: self.directory.clone(),
            what: what.to_string(),
        }
    }

    fn about(&self, key: &str) -> Result<Vec<u8>, LogError> {
        let database = self.database();
        let open = database.as_ref().map_err(LogError::clone)?;
        guarded(|| value_of(open, ABOUT, key))
            .map_err(|error| open_failure(&self.directory, error))?
            .ok_or_else(|| self.damaged_file("it does not say what it holds"))
    }

    fn database(&self) -> RwLockReadGuard<'_, Result<Database, LogError>> {
        // A reader that panics under the lock leaves the database as it was.
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error for a place in the log that does not hold what was written.
pub(super) fn damaged(directory: &Path, partition: u32, offset: i64, what: &str) -> LogError {
    LogError::Damaged {
        directory: directory.to_path_buf(),
        partition,
        offset,
        what: what.to_string(),
    }
}

/// Takes the directory for this process.
pub(super) fn lock(directory: &Path) -> Result<File, LogError> {
    let open = || File::create(directory.join(FILE_LOCK));
    let failed = |source| LogError::Open {
        directory: directory.to_path_buf(),
        source: Arc::new(source),
    };
    let file = open().map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse {
            directory: directory.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Makes an empty log under another name and then gives it its own, so that a crash meanwhile
/// leaves no half-made log behind.
fn create(directory: &Path, topic: &str) -> Result<(), LogError> {
    let (new, path) = (directory.join(FILE_NEW), directory.join(FILE));
    let made = guarded(|| {
        if new.try_exists()? {
            fs::remove_file(&new)?;
        }
        let database = Database::create(&new)?;
        initialise(&database, topic)?;
        drop(database);
        fs::rename(&new, &path)?;
        File::open(directory)?.sync_all()?;
        Ok(())
    });
    made.map_err(|error| open_failure(directory, error))
}

/// Writes the first state of an empty log.
pub(super) fn initialise(database: &Database, topic: &str) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction
        .open_table(ABOUT)?
        .insert("topic", topic.as_bytes())?;
    transaction.commit()?;
    let first = Commit {
        blocks: Vec::new(),
        facts: Vec::new(),
        state: State::EMPTY,
    };
    write(database, &first)
}

fn write(database: &Database, commit: &Commit) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    {
        let mut blocks = transaction.open_table(BLOCKS)?;
        for (partition, first_offset, value) in &commit.blocks {
            blocks.insert((*partition, *first_offset), value.as_slice())?;
        }
        let mut facts = transaction.open_table(FACTS)?;
        for (key, value) in &commit.facts {
            facts.insert(key.as_str(), value.as_slice())?;
        }
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("state", commit.state.encode().as_slice())?;
    }
    transaction.commit()?;
    Ok(())
}

fn value_of(
    database: &Database,
    table: TableDefinition<'_, &'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<Vec<u8>>, redb::Error> {
    let table = database.begin_read()?.open_table(table)?;
    Ok(table.get(key)?.map(|value| value.value().to_vec()))
}

/// Runs a call of redb and turns its panic, which a damaged file may cause, into an error.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        Err(StorageError::Corrupted(format!("the store gave up: {said}")).into())
    })
}

fn open_failure(directory: &Path, error: redb::Error) -> LogError {
    let directory = directory.to_path_buf();
    match error {
        redb::Error::DatabaseAlreadyOpen => LogError::InUse { directory },
        redb::Error::Corrupted(what) => LogError::DamagedFile { directory, what },
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            LogError::DamagedFile {
                directory,
                what: error.to_string(),
            }
        }
        redb::Error::Io(error) if is_full(&error) => LogError::Full { directory },
        redb::Error::PreviousIo => LogError::Interrupted { directory },
        error => LogError::Open {
            directory,
            source: Arc::new(error),
        },
    }
}

pub(super) fn read_failure(
    directory: &Path,
    partition: u32,
    offset: i64,
    error: redb::Error,
) -> LogError {
    match error {
        redb::Error::Corrupted(what) => damaged(directory, partition, offset, &what),
        redb::Error::PreviousIo => LogError::Interrupted {
            directory: directory.to_path_buf(),
        },
        error => LogError::Read {
            directory: directory.to_path_buf(),
            partition,
            offset,
            source: Arc::new(error),
        },
    }
}

/// Whether an error says that there is no more space for us.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
