//! Topics full of votes: filled by the producer, with what must come out of them.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::stage::Stage;

/// What a topic is filled with.
#[derive(Clone, Debug)]
pub struct Filling {
    /// Whose votes.
    pub votes: Votes,
    /// How many partitions the topic has.
    pub partitions: u32,
    /// Shares of what goes wrong, as the producer's flags name them: `revotes`, `voids`.
    pub shares: Vec<(&'static str, f64)>,
}

/// Whose votes.
#[derive(Clone, Debug)]
pub enum Votes {
    /// A made-up election.
    Simulated(Size),
    /// A real one, by name.
    Real(&'static str),
}

/// The size of a made-up election.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Voters, each with one ballot that counts.
    pub voters: u64,
    /// Candidates.
    pub candidates: u32,
    /// Locations; 0 for none.
    pub locations: u32,
}

impl Size {
    /// About as many candidates and locations as the House of Commons has parties and seats.
    pub fn of(voters: u64) -> Size {
        Size {
            voters,
            candidates: 12,
            locations: 650,
        }
    }
}

impl Filling {
    /// Plain votes, one each, over 8 partitions.
    pub fn plain(size: Size) -> Filling {
        Filling {
            votes: Votes::Simulated(size),
            partitions: 8,
            shares: Vec::new(),
        }
    }

    /// The producer's arguments that choose the election.
    fn election(&self, verb: &str) -> Vec<String> {
        match &self.votes {
            Votes::Real(name) => vec![verb.replace("simulate", "replay"), name.to_string()],
            Votes::Simulated(size) => vec![
                verb.to_string(),
                format!("--voters={}", size.voters),
                format!("--candidates={}", size.candidates),
                format!("--locations={}", size.locations),
            ],
        }
    }
}

/// A topic, and what must come out of it.
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many messages it holds.
    pub messages: u64,
    /// The totals that must come out.
    pub expected: Value,
    /// The same as a file.
    pub expect: PathBuf,
    /// The register that lets its votes count.
    pub register: PathBuf,
}

impl Stage {
    /// Fills a new topic.
    pub fn fill(&self, name: &str, filling: &Filling) -> anyhow::Result<Topic> {
        let started = Instant::now();
        self.keep_topic(name);
        let expect = self.path(&format!("{name}-expect.json"));
        let mut command = self.command(&self.producer);
        command
            .args(filling.election("simulate"))
            .arg(format!("--to=kafka://{}/{name}", self.broker.address()))
            .arg(format!("--partitions={}", filling.partitions))
            .arg("--expect")
            .arg(&expect);
        for (what, share) in &filling.shares {
            command.arg(format!("--{what}={share}"));
        }
        let output = command.stdin(Stdio::null()).output();
        let output = output.context("running the producer")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("the producer could not fill '{name}': {said}");
        }
        let text = fs::read(&expect).context("reading the expected totals")?;
        let expected: Value = serde_json::from_slice(&text).context("reading expected totals")?;
        // What was stored twice would be counted as duplicates, and rates be of another topic.
        ensure!(
            expected["sent_again"] == 0,
            "votes were sent again: a busy broker"
        );
        let messages = expected["messages"].as_u64().context("how many messages")?;
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("filled '{name}' with {messages} messages in {seconds:.0} s");
        Ok(Topic {
            name: name.to_string(),
            messages,
            expected,
            expect,
            register: self.register(name, filling)?,
        })
    }

    /// A topic without votes yet, and the register of those that will come, changed in part.
    pub fn empty_topic(
        &self,
        name: &str,
        partitions: i32,
        filling: &Filling,
        change: impl FnOnce(&mut Value),
    ) -> anyhow::Result<Topic> {
        let config = [("message.timestamp.type", "LogAppendTime")];
        self.keep_topic(name);
        self.broker.create_topic(name, partitions, &config);
        let register = self.register(name, filling)?;
        let text = fs::read(&register).context("reading the register")?;
        let mut changed = serde_json::from_slice(&text).context("reading the register")?;
        change(&mut changed);
        fs::write(&register, changed.to_string()).context("writing the register")?;
        Ok(Topic {
            name: name.to_string(),
            messages: 0,
            expected: Value::Null,
            expect: register.clone(),
            register,
        })
    }

    /// Writes the register of a filling to a file.
    pub fn register(&self, name: &str, filling: &Filling) -> anyhow::Result<PathBuf> {
        let mut arguments = filling.election("register");
        if let Votes::Real(name) = filling.votes {
            arguments = vec!["register".to_string(), name.to_string()];
        }
        let mut command = self.command(&self.producer);
        let output = command.args(arguments).arg("--format=json").output();
        let output = output.context("running the producer")?;
        ensure!(output.status.success(), "the producer makes no register");
        let path = self.path(&format!("{name}-register.json"));
        fs::write(&path, output.stdout).context("writing the register")?;
        Ok(path)
    }
}
