//! Votes at a pace into a topic, beside what is measured.

use std::fs::File;
use std::process::{Child, Stdio};
use std::sync::Arc;

use anyhow::Context;

use crate::leash::Leash;
use crate::stage::Stage;
use crate::topic::Size;

/// A producer at work; ended when dropped.
pub struct Load {
    child: Child,
    leash: Arc<Leash>,
}

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many votes a second.
    PerSecond(u64),
    /// As many as the machine takes.
    Max,
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pace::PerSecond(rate) => write!(f, "{rate}/s"),
            Pace::Max => f.write_str("all it can"),
        }
    }
}

impl Load {
    /// Begins to send. The election should have more voters than will be needed.
    pub fn start(stage: &Stage, topic: &str, size: Size, pace: Pace) -> anyhow::Result<Load> {
        let mut command = stage.command(&stage.producer);
        command
            .arg("simulate")
            .arg(format!("--voters={}", size.voters))
            .arg(format!("--candidates={}", size.candidates))
            .arg(format!("--locations={}", size.locations))
            .arg(format!("--to=kafka://{}/{topic}", stage.broker.address()));
        if let Pace::PerSecond(rate) = pace {
            command.arg(format!("--rate={rate}"));
        }
        let log = File::create(stage.path("load.log")).context("making a log file")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("running the producer")?;
        let leash = Arc::clone(&stage.leash);
        let load = Load { child, leash };
        load.leash.hold(load.child.id())?;
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // One that has ended cannot be killed, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.leash.release(self.child.id());
    }
}
