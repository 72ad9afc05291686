//! What *accept* has changed, for whoever keeps it; and what it takes again.
//!
//! The operator writes, the engine of the same worker reads. Casts and voids that lie apart are
//! written down tick by tick. Plain ballots, which nearly all are, stay where they are: an entry
//! never moves, so a cut notes only how many there are in each shard, and those since the last cut
//! are handed over when there is time. One that is opened before its turn is written down first.
//!
//! Epochs before `restored_before` take again what was kept before: they are not written down, and
//! copies in them are no duplicates.

use std::collections::VecDeque;

use crate::kept::Kept;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Whether anybody reads it.
    keeps: bool,
    /// The first epoch that brings news.
    restored_before: u64,
    batches: VecDeque<(u64, Vec<Kept>)>,
    /// Epochs that are to be cut after and are not applied yet.
    planned: VecDeque<u64>,
    cuts: VecDeque<Cut>,
}

/// A cut that is being handed over: everything up to an epoch.
#[derive(Debug)]
pub(super) struct Cut {
    epoch: u64,
    /// Entries of each shard.
    pub(super) sizes: Vec<u32>,
    /// The first shard that is not handed over.
    pub(super) shard: usize,
    /// Plain entries that were opened before their turn.
    opened: Vec<Kept>,
}

impl Journal {
    /// A journal in which every epoch takes again what was kept before, or none does.
    pub(super) fn new(keeps: bool, restores: bool) -> Journal {
        Journal {
            keeps,
            restored_before: if restores { u64::MAX } else { 0 },
            ..Journal::default()
        }
    }

    /// Says which epoch is the first to bring news.
    pub(super) fn restored_before(&mut self, epoch: u64) {
        self.restored_before = epoch;
    }

    /// Whether an epoch takes again what was kept before.
    pub(super) fn restores(&self, epoch: u64) -> bool {
        epoch < self.restored_before
    }

    /// Whether what an epoch changes is to be written down.
    pub(super) fn wants(&self, epoch: u64) -> bool {
        self.keeps && !self.restores(epoch)
    }

    /// Says that everything up to an open epoch is to be handed over.
    pub(super) fn plan(&mut self, epoch: u64) {
        self.planned.push_back(epoch);
    }

    /// Cuts after a planned epoch, once it and nothing after it is applied.
    pub(super) fn cut_before(&mut self, epoch: u64, sizes: impl Fn() -> Vec<u32>) {
        while let Some(epoch) = self.planned.pop_front_if(|planned| *planned < epoch) {
            self.cuts.push_back(Cut {
                epoch,
                sizes: sizes(),
                shard: 0,
                opened: Vec::new(),
            });
        }
    }

    pub(super) fn write(&mut self, epoch: u64, kept: Vec<Kept>) {
        if !kept.is_empty() {
            self.batches.push_back((epoch, kept));
        }
    }

    /// Takes a plain entry that is opened before its turn, if a cut that it belongs to is on its
    /// way.
    pub(super) fn write_opened(&mut self, shard: u32, place: u32, kept: Kept) -> Option<Kept> {
        let holds = |cut: &&mut Cut| place < cut.sizes[shard as usize];
        match self.cuts.iter_mut().find(holds) {
            Some(cut) => {
                cut.opened.push(kept);
                None
            }
            None => Some(kept),
        }
    }

    /// What was written down first, up to and with an epoch, and is not read yet.
    pub(super) fn read(&mut self, upto: u64) -> Option<Vec<Kept>> {
        let front = self.batches.pop_front_if(|(epoch, _)| *epoch <= upto);
        if let Some((_, kept)) = front {
            return Some(kept);
        }
        let cut = self.cuts.front_mut().filter(|cut| cut.epoch <= upto)?;
        (!cut.opened.is_empty()).then(|| std::mem::take(&mut cut.opened))
    }

    /// The cut after an epoch, if that is applied.
    pub(super) fn cut(&mut self, epoch: u64) -> Option<&mut Cut> {
        self.cuts.front_mut().filter(|cut| cut.epoch == epoch)
    }

    /// Notes that a cut is handed over.
    pub(super) fn end_cut(&mut self) {
        self.cuts.pop_front();
    }

    /// How many rows are written down and not read.
    pub(super) fn rows(&self) -> usize {
        let batches = self.batches.iter().map(|(_, kept)| kept.len());
        let opened = self.cuts.iter().map(|cut| cut.opened.len());
        batches.chain(opened).sum()
    }
}
