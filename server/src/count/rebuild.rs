//! Which checkpoint is gone on from, and whether the log gives again what none of them can.
//!
//! Checkpoints come in as they lie there, with the log's extents; out goes the one to go on from,
//! or none where all is counted anew. What was damaged is said as a warning: the counts are right
//! either way, and the next checkpoint takes the place of the damaged ones.
//!
//! Invariant: where the log no longer begins where the count began, nothing is counted anew
//! without being asked to; that is an error which says what to do.

use dataflow::register::Register;

use super::begin::{BeginError, BeginSettings, check};
use crate::checkpoint::{self, CheckpointError, Damaged, LoadOptions, Loaded, Manifest};
use crate::key::KeyError;
use crate::source::Extent;
use crate::warnings::some_of;

/// How many files of a checkpoint are verified at a time.
const LOAD_THREADS: usize = 2;

/// What lies in a place.
pub(super) enum Kept {
    /// A whole checkpoint, or none at all.
    Loaded(Box<Loaded>),
    /// Checkpoints of which none is whole, as an error and in parts.
    Broken(CheckpointError),
}

/// What is gone on from.
pub(super) struct Chosen {
    /// None: everything is counted from the log's beginning.
    pub(super) checkpoint: Option<(Manifest, Register)>,
    pub(super) next_number: u64,
    pub(super) damaged: Vec<Damaged>,
    /// Whether the log is counted in the place of a checkpoint that is there.
    pub(super) is_rebuilt: bool,
}

/// Reads the newest whole checkpoint; nothing, where all is to be counted anew.
pub(super) fn load(settings: &BeginSettings, is_gapless: bool) -> Result<Kept, CheckpointError> {
    let place = &settings.place;
    if settings.recount {
        return Ok(Kept::Loaded(Box::new(Loaded {
            checkpoint: None,
            next_number: checkpoint::next_number(place)?,
            damaged: Vec::new(),
        })));
    }
    let options = LoadOptions {
        threads: LOAD_THREADS,
        is_gapless,
    };
    match checkpoint::load(place, options) {
        Ok(loaded) => Ok(Kept::Loaded(Box::new(loaded))),
        Err(error @ CheckpointError::NoneWhole { .. }) => Ok(Kept::Broken(error)),
        Err(error) => Err(error),
    }
}

/// Chooses, and warns of what was damaged.
pub(super) fn choose(
    kept: Kept,
    settings: &BeginSettings,
    topic_id: &str,
    extents: &[Extent],
) -> Result<Chosen, BeginError> {
    match kept {
        Kept::Loaded(loaded) => choose_loaded(*loaded, settings, topic_id, extents),
        Kept::Broken(error) => choose_broken(error, settings, topic_id, extents),
    }
}

fn choose_loaded(
    loaded: Loaded,
    settings: &BeginSettings,
    topic_id: &str,
    extents: &[Extent],
) -> Result<Chosen, BeginError> {
    let mut chosen = Chosen {
        checkpoint: loaded.checkpoint,
        next_number: loaded.next_number,
        damaged: loaded.damaged,
        is_rebuilt: false,
    };
    let Some((manifest, _)) = &chosen.checkpoint else {
        return Ok(chosen);
    };
    check(manifest, settings, topic_id, extents)?;
    if settings.key.is_default && settings.key.has_lost(&manifest.key_fingerprint)? {
        if !settings.key.is_made || !gives_again(Some(manifest), extents) {
            return Err(KeyError::Lost {
                path: settings.key.path.clone(),
                place: settings.place.text().to_string(),
                kept: manifest.key_fingerprint.clone(),
            }
            .into());
        }
        settings.key.note_lost(&manifest.key_fingerprint)?;
        let message = "the key of the checkpoints was gone, so the log was counted from its \
                       beginning under a new one; the counts are right, and later checkpoints \
                       have the new key";
        settings.warnings.raise("key_lost", message);
        (chosen.checkpoint, chosen.is_rebuilt) = (None, true);
        return Ok(chosen);
    }
    if !chosen.damaged.is_empty() {
        let message = format!(
            "the newest checkpoint was found damaged at the start and the one before it was used: \
             the counts are right; check the disk ({})",
            some_of(&chosen.damaged)
        );
        settings.warnings.raise("checkpoint_damaged", message);
    }
    Ok(chosen)
}

fn choose_broken(
    error: CheckpointError,
    settings: &BeginSettings,
    topic_id: &str,
    extents: &[Extent],
) -> Result<Chosen, BeginError> {
    let CheckpointError::NoneWhole {
        damaged,
        newest,
        next_number,
        ..
    } = &error
    else {
        return Err(error.into());
    };
    if let Some(manifest) = newest {
        check(manifest, settings, topic_id, extents)?;
    }
    if !gives_again(newest.as_deref(), extents) {
        return Err(error.into());
    }
    let message = format!(
        "no checkpoint was whole at the start, so the log was counted from its beginning: the \
         counts are right; check the disk ({})",
        some_of(damaged)
    );
    settings.warnings.raise("checkpoint_damaged", message);
    Ok(Chosen {
        checkpoint: None,
        next_number: *next_number,
        damaged: damaged.clone(),
        is_rebuilt: true,
    })
}

/// Whether the log begins where a checkpoint's count began; of one that cannot be read it is not
/// known, so the log must have everything.
fn gives_again(manifest: Option<&Manifest>, extents: &[Extent]) -> bool {
    extents.iter().all(|extent| {
        let mut partitions = manifest
            .into_iter()
            .flat_map(|manifest| &manifest.partitions);
        let kept = partitions.find(|at| at.partition == extent.partition);
        extent.first_offset <= kept.map_or(0, |at| at.first_offset)
    })
}
