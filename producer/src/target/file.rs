//! A file of messages, one a line.
//!
//! Comes in as batches; goes out as NDJSON, malformed messages too. Never adds to a file that was
//! there: it is emptied first.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::batch::Batch;

use super::{Delivery, Target, TargetError};

/// Writes messages to a file as NDJSON, malformed ones too.
#[derive(Debug)]
pub struct FileTarget {
    path: PathBuf,
    file: File,
    stored: u64,
}

impl FileTarget {
    /// Creates the file, or empties it.
    pub fn create(path: &Path) -> Result<FileTarget, TargetError> {
        let file = File::create(path).map_err(|source| failed(path, source))?;
        Ok(FileTarget {
            path: path.to_owned(),
            file,
            stored: 0,
        })
    }
}

impl Target for FileTarget {
    fn send(&mut self, batch: &Batch) -> Result<(), TargetError> {
        // A batch is large enough to be written as it is.
        let written = self.file.write_all(batch.lines());
        written.map_err(|source| failed(&self.path, source))?;
        self.stored += batch.len() as u64;
        Ok(())
    }

    fn finish(&mut self) -> Result<Delivery, TargetError> {
        match self.file.sync_all() {
            // Pipes and terminals have nothing to sync.
            Err(error) if error.kind() != std::io::ErrorKind::InvalidInput => {
                Err(failed(&self.path, error))
            }
            _ => Ok(Delivery {
                stored: self.stored,
                ..Delivery::default()
            }),
        }
    }
}

fn failed(path: &Path, source: std::io::Error) -> TargetError {
    TargetError::File {
        path: path.to_owned(),
        source,
    }
}
