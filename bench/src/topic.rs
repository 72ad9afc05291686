//! Topics full of votes: filled by the producer, with what must come out of them.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

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
    /// So many made-up elections at once, each with a contest of its own, which share the voters.
    Contests(Size, u32),
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

    /// What the producer is asked for: its elections, each by the arguments that name it.
    fn elections(&self, stage: &Stage, name: &str) -> anyhow::Result<Vec<Election>> {
        match &self.votes {
            Votes::Real(name) => Ok(vec![Election::by_name(name.to_string())]),
            Votes::Simulated(size) => Ok(vec![Election {
                verb: "simulate",
                arguments: vec![
                    format!("--voters={}", size.voters),
                    format!("--candidates={}", size.candidates),
                    format!("--locations={}", size.locations),
                ],
            }]),
            Votes::Contests(size, contests) => (0..*contests)
                .map(|number| {
                    let path = stage.path(&format!("{name}-contest-{number}.json"));
                    let sums = sums(*size, *contests, number);
                    fs::write(&path, sums.to_string()).context("writing an election's sums")?;
                    let mut election = Election::by_name(path.display().to_string());
                    election.arguments.push("--name-contest".to_string());
                    Ok(election)
                })
                .collect(),
        }
    }
}

/// An election as the producer is asked for it.
struct Election {
    verb: &'static str,
    arguments: Vec<String>,
}

impl Election {
    fn by_name(name: String) -> Election {
        Election {
            verb: "replay",
            arguments: vec![name],
        }
    }
}

/// One of several contests, as sums: it has its share of the ballots, each candidate as many as
/// any other in each location.
fn sums(size: Size, contests: u32, number: u32) -> Value {
    let (candidates, locations) = (u64::from(size.candidates), u64::from(size.locations));
    let votes = (size.voters / (u64::from(contests) * candidates * locations)).max(1);
    let sum = |location: u64, candidate: u64| {
        json!({
            "location": location.to_string(), "candidate": candidate.to_string(), "votes": votes,
        })
    };
    let sums = (1..=locations).flat_map(|at| (1..=candidates).map(move |whom| sum(at, whom)));
    json!({
        "election_id": format!("election-{number}"),
        "contest_id": format!("contest-{number}"),
        "sums": sums.collect::<Vec<_>>(),
    })
}

/// A topic, and what must come out of it.
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many messages it holds.
    pub messages: u64,
    /// The totals that must come out, of each contest.
    pub expected: Vec<Value>,
    /// The same as a file; of the last contest only, where there are several.
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
        let mut expected = Vec::new();
        for election in filling.elections(self, name)? {
            let mut command = self.command(&self.producer);
            command
                .arg(election.verb)
                .args(election.arguments)
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
            let totals: Value = serde_json::from_slice(&text).context("reading expected totals")?;
            // What was stored twice would be counted as duplicates, and rates be of another topic.
            ensure!(
                totals["sent_again"] == 0,
                "votes were sent again: a busy broker"
            );
            expected.push(totals);
        }
        let messages = |totals: &Value| totals["messages"].as_u64();
        let messages: Option<u64> = expected.iter().map(messages).sum();
        let messages = messages.context("how many messages")?;
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
            expected: Vec::new(),
            expect: register.clone(),
            register,
        })
    }

    /// Writes the register of a filling to a file.
    pub fn register(&self, name: &str, filling: &Filling) -> anyhow::Result<PathBuf> {
        let mut register = json!({});
        for election in filling.elections(self, name)? {
            let mut arguments = election.arguments;
            arguments.retain(|argument| argument != "--name-contest");
            let mut command = self.command(&self.producer);
            command.arg("register").args(arguments);
            let output = command.arg("--format=json").output();
            let output = output.context("running the producer")?;
            ensure!(output.status.success(), "the producer makes no register");
            join(&mut register, &serde_json::from_slice(&output.stdout)?);
        }
        let path = self.path(&format!("{name}-register.json"));
        fs::write(&path, register.to_string()).context("writing the register")?;
        Ok(path)
    }
}

/// Adds one register's lists to another's, whose default contest stays the default.
fn join(register: &mut Value, other: &Value) {
    for (list, rows) in other.as_object().into_iter().flatten() {
        if let (Some(all), Some(rows)) = (register[list].as_array_mut(), rows.as_array()) {
            let mut rows = rows.clone();
            if list == "contests" {
                rows.iter_mut()
                    .for_each(|row| row["is_default"] = false.into());
            }
            all.extend(rows);
        } else {
            register[list] = rows.clone();
        }
    }
}
