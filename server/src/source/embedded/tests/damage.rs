//! Damage: whatever is not as it was written is an error that names the place, never a silent gap.

use std::fs;
use std::path::PathBuf;

use redb::{Database, ReadableTable, TableDefinition};

use super::super::batch::partition_of;
use super::*;

const BLOCKS: TableDefinition<'_, (u32, i64), &[u8]> = TableDefinition::new("blocks");

fn file(directory: &Path) -> PathBuf {
    directory.join("log.redb")
}

/// Twenty appends of one message that does not compress, of one partition.
fn fill(directory: &Path) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(99);
    let texts: Vec<Vec<u8>> = (0..20)
        .map(|_| (0..8000).map(|_| b' ' + numbers.below(90) as u8).collect())
        .collect();
    let log = open(directory);
    for text in &texts {
        append(&log, vec![message("a", text.clone())]).unwrap();
    }
    texts
}

#[test]
fn a_flipped_bit_in_the_middle_is_reported_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let texts = fill(directory.path());
    let mut bytes = fs::read(file(directory.path())).unwrap();
    // Pages are copied when they are written to: every copy of the record is damaged.
    let needle = &texts[7][4000..4064];
    let places: Vec<_> = (0..bytes.len() - needle.len())
        .filter(|&at| &bytes[at..at + needle.len()] == needle)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 5] ^= 4;
    }
    fs::write(file(directory.path()), bytes).unwrap();

    let log = open(directory.path());
    let partition = partition_of(b"a");
    let mut read = 0;
    let mut reader = reader(&log, &from_start());
    let error = reader.poll(1000, &mut |_, _| read += 1).unwrap_err();
    let text = error.to_string();
    let place =
        format!("in partition {partition} at offset 7 (the checksum of a block does not fit)");
    assert!(text.contains(&place), "{text}");
    assert!(text.contains(directory.path().to_str().unwrap()), "{text}");
    assert!(text.contains("restore the directory from a copy"), "{text}");
    assert_eq!(read, 7);
    // It stays an error, and what comes after the damage can still be read.
    let again = reader.poll(1000, &mut |_, _| {}).unwrap_err();
    assert_eq!(again.to_string(), text);
    let mut after = log.reader(&[(partition, 8)], Box::new(|| {})).unwrap();
    assert_eq!(drain(after.as_mut()).unwrap().len(), 12);
}

/// Changes the store behind the log's back, then opens the log.
fn tamper(
    directory: &Path,
    change: impl FnOnce(&mut redb::Table<'_, (u32, i64), &[u8]>),
) -> EmbeddedLog {
    let database = Database::open(file(directory)).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&mut transaction.open_table(BLOCKS).unwrap());
    transaction.commit().unwrap();
    drop(database);
    open(directory)
}

#[test]
fn a_missing_block_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let partition = partition_of(b"a");
    let log = tamper(directory.path(), |blocks| {
        blocks.remove((partition, 5)).unwrap();
    });
    let error = drain(reader(&log, &from_start()).as_mut()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&format!(
            "partition {partition} at offset 5 (a block is missing"
        )),
        "{text}"
    );
}

#[test]
fn a_block_in_anothers_place_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let partition = partition_of(b"a");
    let log = tamper(directory.path(), |blocks| {
        let other = blocks
            .get((partition, 3))
            .unwrap()
            .unwrap()
            .value()
            .to_vec();
        blocks.insert((partition, 5), other.as_slice()).unwrap();
    });
    let error = drain(reader(&log, &from_start()).as_mut()).unwrap_err();
    assert!(
        matches!(error, LogError::Damaged { offset: 5, .. }),
        "{error}"
    );
}

#[test]
fn a_missing_end_is_reported_when_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let database = Database::open(file(directory.path())).unwrap();
    let transaction = database.begin_write().unwrap();
    let partition = partition_of(b"a");
    transaction
        .open_table(BLOCKS)
        .unwrap()
        .remove((partition, 19))
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    // What a checkpoint has already is no reason to refuse.
    let log = open(directory.path());
    let mut after = log.reader(&[(partition, 20)], Box::new(|| {})).unwrap();
    assert_eq!(drain(after.as_mut()).unwrap(), []);
    let error = drain(reader(&log, &from_start()).as_mut()).unwrap_err();
    assert!(
        matches!(error, LogError::Damaged { offset: 19, .. }),
        "{error}"
    );
}

/// Whatever single page is damaged, what is read is what was written, or there is an error.
#[test]
fn no_damaged_page_is_read_as_something_else() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for part in 0..30 {
        append(&log, messages(&format!("{part}"), 200)).unwrap();
    }
    let written = read_all(&log);
    drop(log);
    let whole = fs::read(file(directory.path())).unwrap();
    let mut errors = 0;
    let pages = whole.len() / 4096;
    for page in 0..pages {
        let mut bytes = whole.clone();
        for at in [1, 100, 700, 2000, 4000] {
            bytes[page * 4096 + at] ^= 0x55;
        }
        fs::write(file(directory.path()), bytes).unwrap();
        let read = EmbeddedLog::open(directory.path(), TOPIC)
            .and_then(|log| drain(reader(&log, &from_start()).as_mut()));
        match read {
            Ok(mut rows) => {
                rows.sort_by_key(|(partition, offset, _)| (*partition, *offset));
                assert_eq!(rows, written, "page {page}");
            }
            Err(_) => errors += 1,
        }
    }
    println!("{errors} of {pages} pages, damaged, are reported; nobody reads the others");
    assert!(errors > 10);
}

#[test]
fn a_file_that_is_cut_or_no_log_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let whole = fs::read(file(directory.path())).unwrap();
    for bytes in [&whole[..whole.len() / 2], &whole[..100], b"not a log"] {
        fs::write(file(directory.path()), bytes).unwrap();
        let error = EmbeddedLog::open(directory.path(), TOPIC).err().unwrap();
        assert!(matches!(error, LogError::DamagedFile { .. }), "{error}");
    }
}

#[test]
fn a_start_that_was_cut_short_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("log.redb.new"), b"half made").unwrap();
    append(&open(directory.path()), messages("one", 1)).unwrap();
    assert_eq!(read_all(&open(directory.path())).len(), 1);
}
