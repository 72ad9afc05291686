//! Scripts: cases of "events in, view out" as text that reads like what it says.
//!
//! In comes the text of a `.script` file; out go cases of steps and expectations, the register
//! of each step whole. Runs nothing: `check` holds expectations against answers from anywhere.
//!
//! A line is a directive; lines indented below it belong to it; `#` starts a comment.
//!
//! ```text
//! lateness 60000                       settings, also: horizon, partitions
//! register                             the whole register, as JSON below
//! == name of a case                    what is above the first one holds for all of the file
//! set contests[m].revote = "last"      the register from the next tick on
//! add candidates {"contest_id":"m","candidate_id":"c"}
//! drop candidates[c]
//! tick 5                               a step; its number may be left out
//! 0 @1000 {"vote_id":"1", ...}         a message: partition, log time (@- for none), text
//! 0 @1000 cast 1 ada a,b at=5 in=m loc=x     short for such a text; - for a blank ballot
//! 0 @1000 void 1 ada in=m
//! expect results m                     also: locations, windows, series, totals
//!   counts.accepted = 1                a path and what is there, as JSON
//! outcomes @1000 {"vote_id": ...}      a table: each line below fills the hole …
//!   accepted "1"                       and says what becomes of that one message
//! ```
//!
//! In messages «a×129» repeats, «x FF FE» is bytes, «pad 65536» fills up with spaces.

use std::sync::Arc;

use dataflow::register::Register;
use serde_json::{Value as Json, json};

use crate::oracle::{Log, Message, Settings};

pub mod check;
pub mod files;
mod payload;

/// A case of a script.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its file and name.
    pub name: String,
    /// Under which it runs.
    pub settings: Settings,
    /// How many partitions the log has.
    pub partitions: u32,
    /// In order; the first one always has a register.
    pub steps: Vec<Step>,
}

/// One tick: what comes in and what is expected then.
#[derive(Clone, Debug)]
pub struct Step {
    /// The register, where it changes.
    pub register: Option<Arc<Register>>,
    /// By partition, in order.
    pub messages: Vec<(u32, Message)>,
    /// The tick.
    pub tick: u64,
    /// What the answers say then.
    pub expected: Vec<Expected>,
}

/// One line of an `expect`.
#[derive(Clone, Debug)]
pub struct Expected {
    /// `results`, `locations`, `windows`, `series`, `totals` or `outcome`.
    pub answer: String,
    /// The contest, where the answer has one.
    pub contest: String,
    /// The way to the value.
    pub path: String,
    /// The value.
    pub value: Json,
}

/// Reads a script; an error says the line.
pub fn parse(file: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    let mut header = Draft::default();
    let mut draft: Option<Draft> = None;
    for (line, directive, below) in directives(text) {
        let at = |error: String| format!("{file}:{line}: {error}");
        if let Some(name) = directive.strip_prefix("== ") {
            if let Some(last) = draft.take() {
                last.finish(&mut cases);
            }
            let mut next = header.clone();
            next.case = format!("{file}: {name}");
            draft = Some(next);
            continue;
        }
        let current = draft.as_mut().unwrap_or(&mut header);
        current.directive(&directive, &below).map_err(at)?;
    }
    if let Some(last) = draft {
        last.finish(&mut cases);
    }
    if cases.is_empty() {
        return Err(format!("{file}: has no case"));
    }
    Ok(cases)
}

/// Directives with their line numbers and the lines indented below them.
fn directives(text: &str) -> Vec<(usize, String, Vec<String>)> {
    let mut found: Vec<(usize, String, Vec<String>)> = Vec::new();
    for (place, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match (line.strip_prefix("  "), found.last_mut()) {
            (Some(below), Some((_, _, lines))) => lines.push(below.to_string()),
            _ => found.push((place + 1, line.to_string(), Vec::new())),
        }
    }
    found
}

/// The logs below each step's offsets, with the step's own messages.
pub fn logs(case: &Case) -> Vec<Log> {
    let mut log: Log = vec![Vec::new(); case.partitions as usize];
    let mut logs = Vec::new();
    for step in &case.steps {
        for (partition, message) in &step.messages {
            log[*partition as usize].push(message.clone());
        }
        logs.push(log.clone());
    }
    logs
}

#[derive(Clone, Debug, Default)]
struct Draft {
    case: String,
    settings: Settings,
    partitions: u32,
    register: Json,
    register_changed: bool,
    steps: Vec<Step>,
    /// Messages of the case's tables, each a case of its own.
    lone: Vec<(String, Message)>,
}

impl Draft {
    fn finish(self, cases: &mut Vec<Case>) {
        let partitions = self.partitions.max(1);
        let register = serde_json::from_value(self.register.clone()).ok();
        for (outcome, message) in &self.lone {
            let shown = String::from_utf8_lossy(&message.bytes);
            let shown: String = shown.chars().take(200).collect();
            let expected = Expected {
                answer: "outcome".to_string(),
                contest: String::new(),
                path: String::new(),
                value: json!(outcome),
            };
            cases.push(Case {
                name: format!("{}: {shown}", self.case),
                settings: self.settings,
                partitions,
                steps: vec![Step {
                    register: register.clone().map(Arc::new),
                    messages: vec![(0, message.clone())],
                    tick: 1,
                    expected: vec![expected],
                }],
            });
        }
        if !self.steps.is_empty() {
            cases.push(Case {
                name: self.case,
                settings: self.settings,
                partitions,
                steps: self.steps,
            });
        }
    }

    fn directive(&mut self, line: &str, below: &[String]) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        if !matches!(word, "register" | "expect" | "outcomes") && !below.is_empty() {
            return Err(format!("nothing is indented below '{word}'"));
        }
        match word {
            "lateness" => self.settings.lateness_ms = number(rest)?,
            "horizon" => self.settings.horizon_ms = number(rest)?,
            "partitions" => self.partitions = number(rest)?,
            "register" | "set" | "add" | "drop" => {
                self.change_register(word, rest, below)?;
                self.register_changed = true;
            }
            "tick" => self.tick(rest)?,
            "expect" => self.expect(rest, below)?,
            "outcomes" => self.outcomes(rest, below)?,
            partition => {
                let (at, text) = rest.split_once(' ').ok_or("a message needs a text")?;
                let message = payload::message(at, text.trim_start())?;
                let partition = number(partition)?;
                if partition >= self.partitions.max(1) {
                    return Err(format!("there is no partition {partition}"));
                }
                let step = self.steps.last_mut().ok_or("a message before any tick")?;
                step.messages.push((partition, message));
            }
        }
        Ok(())
    }

    fn change_register(&mut self, word: &str, rest: &str, below: &[String]) -> Result<(), String> {
        match word {
            "register" => {
                let text = format!("{rest}{}", below.join("\n"));
                self.register = json_of(&text)?;
            }
            "set" => {
                let (path, value) = rest.split_once(" = ").ok_or("set PATH = VALUE")?;
                let (row, field) = path.rsplit_once('.').ok_or("set ROW.FIELD = VALUE")?;
                let row = check::find_mut(&mut self.register, row)
                    .ok_or_else(|| format!("there is no {row}"))?;
                row[field] = json_of(value)?;
            }
            "add" => {
                let (list, row) = rest.split_once(' ').ok_or("add LIST ROW")?;
                let list = &mut self.register[list];
                if list.is_null() {
                    *list = json!([]);
                }
                let rows = list.as_array_mut().ok_or("add to a list")?;
                rows.push(json_of(row)?);
            }
            _ => {
                let (list, key) = rest.split_once('[').ok_or("drop LIST[ID]")?;
                let key = key.trim_end_matches(']');
                let rows = self.register[list].as_array_mut();
                let rows = rows.ok_or_else(|| format!("there is no list {list}"))?;
                let before = rows.len();
                rows.retain(|row| !check::is_row(row, key));
                if rows.len() == before {
                    return Err(format!("there is no {rest}"));
                }
            }
        }
        serde_json::from_value::<Register>(self.register.clone())
            .map(|_| ())
            .map_err(|error| format!("no register: {error}"))
    }

    fn tick(&mut self, rest: &str) -> Result<(), String> {
        let before = self.steps.last().map_or(0, |step| step.tick);
        let tick = match rest {
            "" => before + 1,
            rest => number(rest)?,
        };
        if tick <= before {
            return Err(format!("tick {tick} is not above {before}"));
        }
        let changes = self.steps.is_empty() || self.register_changed;
        self.register_changed = false;
        let register = serde_json::from_value(self.register.clone());
        let register = register.map_err(|error| format!("no register: {error}"))?;
        self.steps.push(Step {
            register: changes.then(|| Arc::new(register)),
            messages: Vec::new(),
            tick,
            expected: Vec::new(),
        });
        Ok(())
    }

    fn expect(&mut self, rest: &str, below: &[String]) -> Result<(), String> {
        let (answer, contest) = rest.split_once(' ').unwrap_or((rest, ""));
        if !["results", "locations", "windows", "series", "totals"].contains(&answer) {
            return Err(format!("there is no answer '{answer}'"));
        }
        let step = self
            .steps
            .last_mut()
            .ok_or("an expectation before any tick")?;
        for line in below {
            let (path, value) = line.split_once(" = ").ok_or("expect PATH = VALUE")?;
            step.expected.push(Expected {
                answer: answer.to_string(),
                contest: contest.trim().to_string(),
                path: path.trim().to_string(),
                value: json_of(value)?,
            });
        }
        if below.is_empty() {
            return Err("expects nothing".to_string());
        }
        Ok(())
    }

    fn outcomes(&mut self, rest: &str, below: &[String]) -> Result<(), String> {
        let (at, template) = rest.split_once(' ').ok_or("outcomes @TIME TEXT")?;
        for line in below {
            let (outcome, fill) = line.split_once(' ').unwrap_or((line, ""));
            let text = template.trim_start().replace('…', fill.trim_start());
            let message = payload::message(at, &text)?;
            self.lone.push((outcome.to_string(), message));
        }
        Ok(())
    }
}

fn json_of(text: &str) -> Result<Json, String> {
    serde_json::from_str(text).map_err(|error| format!("'{text}' is no JSON: {error}"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is no number that fits here"))
}
