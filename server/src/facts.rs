//! What the server keeps about itself beside the votes: the hash key, the tick ceiling, the last
//! good register, the demo's progress. Small values by name, durable before they are relied on.

use std::sync::Arc;

use dataflow::register::Register;

use crate::source::LogError;
use crate::source::embedded::EmbeddedLog;

const HASH_KEY: &str = "hash_key";
const TICK_CEILING: &str = "tick_ceiling";
const REGISTER: &str = "register";

/// See the module.
#[derive(Clone)]
pub struct Facts {
    log: Arc<EmbeddedLog>,
}

impl Facts {
    /// The facts that a log's directory keeps.
    pub fn new(log: Arc<EmbeddedLog>) -> Facts {
        Facts { log }
    }

    /// The key of the hashes of voters; made from the system's randomness the first time.
    pub fn hash_key(&self) -> Result<[u8; 16], FactError> {
        if let Some(kept) = self.log.get(HASH_KEY)? {
            return kept.try_into().map_err(|_| FactError::Damaged(HASH_KEY));
        }
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(FactError::Random)?;
        self.log.put_blocking(HASH_KEY, &key)?;
        Ok(key)
    }

    /// The tick that no published one is above.
    pub fn tick_ceiling(&self) -> Result<u64, FactError> {
        match self.log.get(TICK_CEILING)? {
            None => Ok(0),
            Some(kept) => {
                let bytes = kept.try_into();
                let bytes = bytes.map_err(|_| FactError::Damaged(TICK_CEILING))?;
                Ok(u64::from_be_bytes(bytes))
            }
        }
    }

    /// Sets the tick ceiling; it holds when this returns.
    pub fn set_tick_ceiling(&self, ceiling: u64) -> Result<(), LogError> {
        self.log.put_blocking(TICK_CEILING, &ceiling.to_be_bytes())
    }

    /// The register that was in force last.
    pub fn register(&self) -> Result<Option<Register>, FactError> {
        let Some(kept) = self.log.get(REGISTER)? else {
            return Ok(None);
        };
        serde_json::from_slice(&kept)
            .map(Some)
            .map_err(|_| FactError::Damaged(REGISTER))
    }

    /// Keeps a register that comes in force.
    pub fn keep_register(&self, register: &Register) -> Result<(), LogError> {
        let json = serde_json::to_vec(register).expect("a register is plain data");
        self.log.put_blocking(REGISTER, &json)
    }
}

/// Why a fact cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It is there but is not what was written.
    #[error(
        "what the data directory keeps as '{0}' is damaged: restore the directory from a backup, \
         or count the votes anew in an empty one"
    )]
    Damaged(&'static str),
    /// The system has no randomness.
    #[error("could not make a hash key: {0}")]
    Random(getrandom::Error),
}
