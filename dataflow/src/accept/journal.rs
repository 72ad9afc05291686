//! What *accept* has changed, tick by tick, for whoever keeps it; and what it takes again.
//!
//! The operator writes, the engine of the same worker reads. Epochs before `restored_before` take
//! again what was kept before: they are not written down, and copies in them are no duplicates.

use std::collections::VecDeque;

use crate::kept::Kept;

/// See the module.
#[derive(Debug, Default)]
pub struct Journal {
    /// Whether anybody reads it.
    pub keeps: bool,
    /// The first epoch that brings news.
    pub restored_before: u64,
    /// Every epoch before this one is applied here, and what it changed is in `batches`.
    pub applied_before: u64,
    batches: VecDeque<(u64, Vec<Kept>)>,
}

impl Journal {
    /// A journal in which every epoch takes again what was kept before, or none does.
    pub fn new(keeps: bool, restores: bool) -> Journal {
        Journal {
            keeps,
            restored_before: if restores { u64::MAX } else { 0 },
            ..Journal::default()
        }
    }

    /// Whether an epoch takes again what was kept before.
    pub(super) fn restores(&self, epoch: u64) -> bool {
        epoch < self.restored_before
    }

    /// Whether what an epoch changes is to be written down.
    pub(super) fn wants(&self, epoch: u64) -> bool {
        self.keeps && !self.restores(epoch)
    }

    pub(super) fn write(&mut self, epoch: u64, kept: Vec<Kept>) {
        if !kept.is_empty() {
            self.batches.push_back((epoch, kept));
        }
    }

    /// What was changed first, up to and with an epoch, and is not read yet.
    pub fn read(&mut self, upto: u64) -> Option<Vec<Kept>> {
        let front = self.batches.pop_front_if(|(epoch, _)| *epoch <= upto);
        front.map(|(_, kept)| kept)
    }
}
