//! Where a measure takes place: a broker of its own, a directory of its own, the two binaries.
//!
//! All of it is on loopback and gone at the end, however that comes.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::Context;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::leash::Leash;
use crate::service::{Build, Shape};

/// The broker, the directory and the binaries.
pub struct Stage {
    /// A broker that only this run knows.
    pub broker: Broker,
    /// The service.
    tallyflow: PathBuf,
    /// The build of it that it is compared with.
    before: Option<PathBuf>,
    /// What fills topics.
    pub producer: PathBuf,
    /// Holds what is started, so that nothing outlives this process.
    pub leash: Arc<Leash>,
    directory: TempDir,
    topics: RefCell<Vec<String>>,
}

impl Stage {
    /// Starts the broker.
    pub fn new(tallyflow: &Path, before: Option<&Path>, producer: &Path) -> anyhow::Result<Stage> {
        let directory = tempfile::Builder::new()
            .prefix("tallyflow-bench-")
            .tempdir()
            .context("making a directory")?;
        let absolute = |path: &Path| {
            path.canonicalize()
                .with_context(|| format!("there is no '{}'; bench/run builds it", path.display()))
        };
        Ok(Stage {
            tallyflow: absolute(tallyflow)?,
            before: before.map(absolute).transpose()?,
            producer: absolute(producer)?,
            directory,
            topics: RefCell::default(),
            leash: Arc::new(Leash::new()?),
            broker: Broker::start(),
        })
    }

    /// The binary of a build.
    pub fn service(&self, build: Build) -> anyhow::Result<&Path> {
        match build {
            Build::Measured => Ok(&self.tallyflow),
            Build::Before => self.before.as_deref().context("--before names no build"),
        }
    }

    /// The builds that are measured, the other one last.
    pub fn builds(&self, shape: &Shape) -> Vec<Shape> {
        let before = self.before.as_ref().map(|_| shape.clone().before());
        [shape.clone()].into_iter().chain(before).collect()
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Remembers a topic, to delete it when it is no longer needed.
    pub fn keep_topic(&self, name: &str) {
        self.topics.borrow_mut().push(name.to_string());
    }

    /// Deletes a topic: some take gigabytes.
    pub fn delete_topic(&self, name: &str) {
        self.broker.delete_topic(name);
        self.topics.borrow_mut().retain(|topic| topic != name);
    }

    /// Deletes what a measure has left behind.
    pub fn clear(&self) -> anyhow::Result<()> {
        for topic in self.topics.take() {
            self.broker.delete_topic(&topic);
        }
        for entry in std::fs::read_dir(self.directory.path())? {
            let path = entry?.path();
            if path.is_dir() {
                std::fs::remove_dir_all(&path).context("clearing the stage")?;
            }
        }
        Ok(())
    }

    /// A command of a binary here: without what the environment would have it do.
    pub fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        let ours = ["TALLYFLOW_", "KAFKA_", "POSTGRES_"];
        for (name, _) in std::env::vars() {
            if ours.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        let here = self.directory.path();
        command.current_dir(here).env("TMPDIR", here);
        command
    }
}
