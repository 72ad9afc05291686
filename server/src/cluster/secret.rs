//! The secret that all processes of a count share, and how each proves to the other that it knows
//! it, before anything else is said.
//!
//! ```text
//!  caller                                called
//!    │ ── a fresh nonce ───────────────────▶ │
//!    │ ◀─────────────────── a fresh nonce ── │
//!    │ ── proof of the caller ─────────────▶ │   else it hangs up
//!    │ ◀──────────────── proof of the called │   else the caller hangs up
//!    │ ── hellos, and what follows ────────▶ │
//! ```
//!
//! A proof is a hash, keyed by the secret, of the protocol, both nonces, the role and the numbers
//! of both processes, so none can be used again or turned around. A stranger gets a nonce.
//!
//! Non-guarantee: what follows is plain TCP, for a trusted network; the proof keeps out those who
//! can connect, not those who can listen or change what others send.

use std::fmt;
use std::path::Path;

use blake3::Hash;
use serde::{Deserialize, Serialize};

use super::ClusterError;
use crate::secret::{self, SecretError};

/// The fewest characters of a secret: no list of words has it.
const CHARACTERS_MIN: usize = 16;

/// What the key is derived for; another use of the same secret has another key.
const CONTEXT: &str = "tallyflow 2026-11 processes of a count";

/// The secret. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSecret([u8; 32]);

/// Who proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Caller,
    Called,
}

/// What both have said first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nonces {
    pub(super) caller: Hash,
    pub(super) called: Hash,
}

/// The first thing that each says: bytes that nobody has seen before, in hexadecimal digits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Opening {
    nonce: String,
}

/// The second.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Proof {
    /// The process that proves.
    pub(super) from: usize,
    /// The one to which it does.
    pub(super) to: usize,
    /// The keyed hash, in hexadecimal digits.
    proof: String,
}

impl ClusterSecret {
    /// The secret in a file.
    pub fn read(path: &Path) -> Result<ClusterSecret, ClusterError> {
        ClusterSecret::of(&secret::read("--cluster-secret", path)?)
    }

    /// A secret.
    pub fn of(text: &str) -> Result<ClusterSecret, ClusterError> {
        if text.chars().count() < CHARACTERS_MIN {
            return Err(ClusterError::ShortSecret {
                characters_min: CHARACTERS_MIN,
            });
        }
        Ok(ClusterSecret(blake3::derive_key(CONTEXT, text.as_bytes())))
    }

    /// Proves to another process that this one knows the secret.
    pub(super) fn prove(&self, role: Role, nonces: &Nonces, from: usize, to: usize) -> Proof {
        Proof {
            from,
            to,
            proof: self.hash(role, nonces, from, to).to_hex().to_string(),
        }
    }

    /// Whether another process has proven that it knows the secret, in time that does not depend
    /// on what is wrong.
    pub(super) fn holds(&self, proof: &Proof, role: Role, nonces: &Nonces) -> bool {
        let expected = self.hash(role, nonces, proof.from, proof.to);
        Hash::from_hex(&proof.proof).is_ok_and(|found| found == expected)
    }

    fn hash(&self, role: Role, nonces: &Nonces, from: usize, to: usize) -> Hash {
        let role: &[u8] = match role {
            Role::Caller => b"caller",
            Role::Called => b"called",
        };
        blake3::Hasher::new_keyed(&self.0)
            .update(super::hello::MAGIC)
            .update(role)
            .update(nonces.caller.as_bytes())
            .update(nonces.called.as_bytes())
            .update(&(from as u64).to_be_bytes())
            .update(&(to as u64).to_be_bytes())
            .finalize()
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret")
    }
}

impl Opening {
    /// A fresh nonce, and what says it.
    pub(super) fn fresh() -> std::io::Result<(Hash, Opening)> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        let nonce = Hash::from_bytes(bytes);
        let opening = Opening {
            nonce: nonce.to_hex().to_string(),
        };
        Ok((nonce, opening))
    }

    /// The nonce.
    pub(super) fn nonce(&self) -> std::io::Result<Hash> {
        Hash::from_hex(&self.nonce)
            .map_err(|_| std::io::Error::other("it opened with something else than a nonce"))
    }
}

impl From<SecretError> for ClusterError {
    fn from(error: SecretError) -> ClusterError {
        ClusterError::Secret(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_one_role_one_pair_of_processes_and_one_time() {
        let secret = ClusterSecret::of("sixteen letters and more").unwrap();
        let nonce = || Opening::fresh().unwrap().0;
        let nonces = Nonces {
            caller: nonce(),
            called: nonce(),
        };
        let proof = |from, to| secret.prove(Role::Caller, &nonces, from, to);
        assert!(secret.holds(&proof(1, 0), Role::Caller, &nonces));
        assert!(!secret.holds(&proof(1, 0), Role::Called, &nonces));
        let turned = Nonces {
            caller: nonces.called,
            called: nonces.caller,
        };
        assert!(!secret.holds(&proof(1, 0), Role::Caller, &turned));
        let later = Nonces {
            called: nonce(),
            ..nonces
        };
        assert!(!secret.holds(&proof(1, 0), Role::Caller, &later));
        for changed in [
            Proof {
                from: 2,
                ..proof(1, 0)
            },
            Proof {
                to: 2,
                ..proof(1, 0)
            },
            Proof {
                proof: String::new(),
                ..proof(1, 0)
            },
        ] {
            assert!(
                !secret.holds(&changed, Role::Caller, &nonces),
                "{changed:?}"
            );
        }
        let other = ClusterSecret::of("sixteen letters and mora").unwrap();
        assert!(!other.holds(&proof(1, 0), Role::Caller, &nonces));
    }

    #[test]
    fn a_short_secret_is_refused_and_none_is_shown() {
        let error = ClusterSecret::of("fifteen letters")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("16") && !error.contains("fifteen"),
            "{error}"
        );
        let secret = ClusterSecret::of("sixteen letters!").unwrap();
        assert_eq!(format!("{secret:?}"), "ClusterSecret");
    }
}
