//! The register as it comes from outside, followed while it changes: checked registers out.
//!
//! A source reads it; each that it reads is taken over whole or refused whole, with every problem
//! named, and the last good one stays. Of voters nothing but keyed hashes is kept, and nothing of
//! what their rows say is ever shown, not even in the log.
//!
//! ```text
//! file ─▶ parse ─┐
//!                ├─ rows ─▶ reading ─▶ Register, its voters hashed ─▶ Followed ─▶ the workers
//! database ──────┘             └─▶ problems ─▶ Told ─▶ /status, log
//! ```

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dataflow::register::{Problem, Register, RegisterChange};

use crate::postgres::PostgresError;
use crate::told::Told;
use reading::Wrong;

pub mod command;
pub mod database;
pub mod file;
mod parse;
mod reading;
mod row;

/// How long a source that is waited for is left alone before it is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Why a register is not taken over; its `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The file cannot be read.
    #[error("could not read the register '{}': {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database cannot be asked.
    #[error("could not read the register: {0}")]
    Database(#[from] PostgresError),
    /// Not all that it says can be understood.
    #[error("could not read the register {from}: {}", full(.problems))]
    Unread {
        /// Where it is from.
        from: String,
        /// All that is wrong.
        problems: Vec<Problem>,
    },
    /// It may not come in force.
    #[error("the register {from} is refused: {}", full(.problems))]
    Refused {
        /// Where it is from.
        from: String,
        /// All of them.
        problems: Vec<Problem>,
    },
    /// The end came before there was one.
    #[error("ended while waiting for a register")]
    Ended,
}

impl RegisterError {
    fn wrong(from: String, wrong: Wrong) -> RegisterError {
        match wrong {
            Wrong::Unread(problems) => RegisterError::Unread { from, problems },
            Wrong::Unsound(problems) => RegisterError::Refused { from, problems },
        }
    }

    /// What everybody may know of it, who knows the register in force, and what the operator.
    fn told(&self, in_force: &Register) -> Told {
        let public = |problems: &[Problem]| {
            let texts: Vec<&str> = problems.iter().map(|it| it.public(in_force)).collect();
            texts.join("; ")
        };
        let public = match self {
            // The system's word for it, without the path.
            RegisterError::Read { error, .. } => format!("could not read the register: {error}"),
            RegisterError::Database(PostgresError::Connect { .. }) => {
                "could not read the register: the database cannot be reached".to_string()
            }
            RegisterError::Database(_) => {
                "could not read the register: the database does not give it".to_string()
            }
            RegisterError::Unread { problems, .. } => {
                format!("could not read the register: {}", public(problems))
            }
            RegisterError::Refused { problems, .. } => {
                format!("the register is refused: {}", public(problems))
            }
            RegisterError::Ended => self.to_string(),
        };
        Told::of(public, self)
    }
}

fn full(problems: &[Problem]) -> String {
    let texts: Vec<&str> = problems.iter().map(Problem::full).collect();
    texts.join("; ")
}

/// Where a register comes from.
pub trait RegisterSource: Send + 'static {
    /// How it is called where its operator reads, such as `'club.toml'`.
    fn name(&self) -> String;

    /// How it is called where everybody reads, such as `in a file`.
    fn public_name(&self) -> &'static str;

    /// Whether a start waits for a first register that can be used; else it fails.
    fn is_waited_for(&self) -> bool;

    /// Reads it, checks it by itself and hashes its voters; `None` where it is known to be the
    /// one in force.
    fn read(&mut self, in_force: &Register) -> Result<Option<Register>, RegisterError>;

    /// Waits until it may have changed, or until `stop`.
    fn wait(&mut self, stop: &AtomicBool);
}

/// The last reason for which a register was not taken over, until one is.
#[derive(Clone, Debug, Default)]
pub struct LastError(Arc<Mutex<Option<Told>>>);

impl LastError {
    /// The reason, if the register that was seen last is not in force.
    pub fn get(&self) -> Option<Told> {
        self.lock().clone()
    }

    /// Sets or clears it. True: it was another before.
    fn set(&self, error: Option<Told>) -> bool {
        let mut last = self.lock();
        let is_new = *last != error;
        *last = error;
        is_new
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Told>> {
        // A text is whole whoever panicked while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A register and its source.
pub struct Followed {
    source: Box<dyn RegisterSource>,
    change: RegisterChange,
    in_force: Arc<Register>,
    last_error: LastError,
}

impl Followed {
    /// Reads the register at the start. If it cannot be used and there is one that was in force
    /// before, that one is; else the error is final, or the register is waited for.
    ///
    /// `last_good` is the one with which the votes so far were counted; without one they are
    /// counted from the log anew, so the register may be any. `waiting` is told what is waited for.
    pub fn open(
        mut source: Box<dyn RegisterSource>,
        last_good: Option<Arc<Register>>,
        change: RegisterChange,
        last_error: LastError,
        waiting: impl Fn(Option<Told>),
        stop: &AtomicBool,
    ) -> Result<Followed, RegisterError> {
        let none = Arc::default();
        let before = last_good.as_ref().unwrap_or(&none);
        let first = RegisterChange {
            recounted: last_good.is_none(),
            ..change
        };
        let in_force = loop {
            match read(&mut *source, before, first) {
                Ok(register) => break register.map_or_else(|| Arc::clone(before), Arc::new),
                Err(error) if last_good.is_some() => {
                    tracing::error!(%error, "counting goes on with the register that was in force last");
                    last_error.set(Some(error.told(before)));
                    break Arc::clone(before);
                }
                Err(error) if source.is_waited_for() => {
                    let told = error.told(before);
                    let public = format!("a register {}", source.public_name());
                    waiting(Some(Told::new(public, &*told.full)));
                    if last_error.set(Some(told)) {
                        tracing::error!(%error, "waiting for a register");
                    }
                }
                Err(error) => return Err(error),
            }
            if stop.load(Ordering::Relaxed) {
                return Err(RegisterError::Ended);
            }
            thread::park_timeout(RETRY);
        };
        waiting(None);
        Ok(Followed {
            source,
            change,
            in_force,
            last_error,
        })
    }

    /// The register in force.
    pub fn in_force(&self) -> Arc<Register> {
        Arc::clone(&self.in_force)
    }

    /// Follows the source until `stop`, on a thread of its own; hands over each register that
    /// comes in force.
    pub fn follow(
        mut self,
        stop: Arc<AtomicBool>,
        hand_over: impl Fn(Arc<Register>) + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let follow = move || {
            while !stop.load(Ordering::Relaxed) {
                self.source.wait(&stop);
                if !stop.load(Ordering::Relaxed) {
                    self.look(&hand_over);
                }
            }
        };
        thread::Builder::new()
            .name("register".to_string())
            .spawn(follow)
    }

    fn look(&mut self, hand_over: &impl Fn(Arc<Register>)) {
        match read(&mut *self.source, &self.in_force, self.change) {
            Ok(register) => {
                self.last_error.set(None);
                if let Some(register) = register {
                    self.in_force = Arc::new(register);
                    let version = self.in_force.version();
                    tracing::info!(version, "a new register is in force");
                    hand_over(self.in_force());
                }
            }
            Err(error) => {
                if self.last_error.set(Some(error.told(&self.in_force))) {
                    tracing::error!(%error, "the last good register stays in force");
                }
            }
        }
    }
}

/// Reads and checks; `None` for the one that is in force.
fn read(
    source: &mut dyn RegisterSource,
    in_force: &Register,
    change: RegisterChange,
) -> Result<Option<Register>, RegisterError> {
    let Some(mut register) = source.read(in_force)? else {
        return Ok(None);
    };
    if register.voters == in_force.voters {
        // The list that is known is not gone through again, by anybody.
        register.voters = in_force.voters.clone();
    }
    check_against(&register, in_force, change, || source.name())?;
    Ok((register != *in_force).then_some(register))
}

/// Whether a register that is sound by itself may come in force after another.
fn check_against(
    register: &Register,
    in_force: &Register,
    change: RegisterChange,
    from: impl Fn() -> String,
) -> Result<(), RegisterError> {
    let problems = register.check_against(in_force, change);
    if problems.is_empty() {
        return Ok(());
    }
    let from = from();
    Err(RegisterError::Refused { from, problems })
}

#[cfg(test)]
mod tests;
