//! Manifests, at process 0: parts and totals come together, are committed, swept and merged.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use dataflow::register::Register;
use dataflow::view::Snapshot;

use super::{Committed, Part, Settings, written_at};
use crate::checkpoint::{
    CheckpointError, Counts, FORMAT, FileNames, Keep, Manifest, MergeError, Merger, Partition,
    RegisterRef, Run, commit, plan, put_register, sweep,
};

/// See the module.
pub(super) struct Manifests {
    names: Arc<FileNames>,
    /// By version, newest last: the one of the last manifest, and those after it.
    registers: Vec<(String, Arc<Register>)>,
    /// The register of the last manifest.
    written: Option<(String, RegisterRef)>,
    /// The events of the last manifest.
    runs: Vec<Run>,
    partitions: BTreeMap<u32, Partition>,
    parts: BTreeMap<u64, Vec<Part>>,
    totals: BTreeMap<u64, Arc<Snapshot>>,
    /// A manifest that is not known to be committed: a try that failed may have been done all the
    /// same, so the next one puts the same bytes.
    uncommitted: Option<Manifest>,
    merge: Option<(Merger, usize, usize)>,
    damaged: HashSet<String>,
}

impl Manifests {
    pub(super) fn new(settings: &Settings, names: Arc<FileNames>) -> Manifests {
        let mut manifests = Manifests {
            names,
            registers: Vec::new(),
            written: None,
            runs: settings.runs.clone(),
            partitions: BTreeMap::new(),
            parts: BTreeMap::new(),
            totals: BTreeMap::new(),
            uncommitted: None,
            merge: None,
            damaged: settings.damaged.iter().map(|it| it.name.clone()).collect(),
        };
        manifests.register(Arc::clone(&settings.register));
        manifests
    }

    /// Notes a register that comes in force.
    pub(super) fn register(&mut self, register: Arc<Register>) {
        self.registers.push((register.version(), register));
    }

    /// Notes the views as of a checkpoint.
    pub(super) fn totals(&mut self, number: u64, snapshot: Arc<Snapshot>) {
        self.totals.insert(number, snapshot);
    }

    /// Notes a process's part.
    pub(super) fn part(&mut self, part: Part) {
        self.parts.entry(part.number).or_default().push(part);
    }

    /// Whether a merge is on its way.
    pub(super) fn is_merging(&self) -> bool {
        self.merge.is_some()
    }

    /// Commits a checkpoint that is complete, and takes care of the files.
    pub(super) fn advance(
        &mut self,
        settings: &Settings,
    ) -> Result<Option<Committed>, CheckpointError> {
        let manifest = match self.uncommitted.take() {
            Some(manifest) => manifest,
            None => {
                self.take_merged();
                let Some(number) = self.complete(settings) else {
                    return Ok(None);
                };
                self.build(number, settings)?
            }
        };
        if let Err(error) = commit(&settings.place, &manifest) {
            self.uncommitted = Some(manifest);
            return Err(error);
        }
        let committed = self.follow(manifest);
        self.sweep(settings);
        self.start_merge(committed.number, settings);
        Ok(Some(committed))
    }

    /// The checkpoint of which everything is there.
    fn complete(&self, settings: &Settings) -> Option<u64> {
        self.parts.iter().find_map(|(number, parts)| {
            let is_complete = parts.len() == settings.processes && self.totals.contains_key(number);
            is_complete.then_some(*number)
        })
    }

    fn build(&mut self, number: u64, settings: &Settings) -> Result<Manifest, CheckpointError> {
        let snapshot = Arc::clone(&self.totals[&number]);
        let register = self.put_register(snapshot.register_version(), settings)?;
        let mut runs = self.runs.clone();
        let mut partitions = self.partitions.clone();
        for part in &self.parts[&number] {
            runs.extend(part.runs.iter().cloned());
            let each = part.partitions.iter();
            partitions.extend(each.map(|at| (at.partition, at.clone())));
        }
        Ok(Manifest {
            format: FORMAT,
            number,
            tick: snapshot.tick(),
            topic: settings.topic.clone(),
            topic_id: settings.topic_id.clone(),
            key_fingerprint: settings.key_fingerprint.clone(),
            lateness_ms: settings.lateness_ms,
            format_of_messages: settings.format.clone(),
            partitions: partitions.into_values().collect(),
            counts: counts(&snapshot),
            register_version: snapshot.register_version().to_string(),
            register,
            runs,
            written_at: written_at(),
        })
    }

    /// Goes on from a manifest that is committed.
    fn follow(&mut self, manifest: Manifest) -> Committed {
        let committed = Committed {
            number: manifest.number,
            tick: manifest.tick,
            written_at: manifest.written_at.clone(),
            rows: manifest.segments().map(|file| file.rows).sum(),
            bytes: manifest.segments().map(|file| file.bytes).sum(),
            files: manifest.segments().count(),
        };
        let partitions = manifest.partitions.into_iter();
        self.partitions = partitions.map(|at| (at.partition, at)).collect();
        self.runs = manifest.runs;
        self.parts.retain(|each, _| *each > committed.number);
        self.totals.retain(|each, _| *each > committed.number);
        metrics::gauge!("tallyflow_checkpoint_tick").set(committed.tick as f64);
        metrics::counter!("tallyflow_checkpoints_total").increment(1);
        let (number, rows) = (committed.number, committed.rows);
        tracing::debug!(number, rows, "a checkpoint is committed");
        committed
    }

    fn put_register(
        &mut self,
        version: &str,
        settings: &Settings,
    ) -> Result<RegisterRef, CheckpointError> {
        if let Some((written, named)) = &self.written
            && written == version
        {
            return Ok(named.clone());
        }
        let known = self
            .registers
            .iter()
            .position(|(known, _)| known == version);
        let known = known.expect("a register in force was announced before");
        let named = put_register(&settings.place, &self.registers[known].1, version)?;
        self.registers.drain(..known);
        self.written = Some((version.to_string(), named.clone()));
        Ok(named)
    }

    fn sweep(&self, settings: &Settings) {
        let mut keep = Keep {
            damaged: self.damaged.clone(),
            ..Keep::default()
        };
        if let Some((merger, _, _)) = &self.merge {
            keep.in_use.extend(merger.files());
        }
        let named = self.runs.iter().flat_map(|run| &run.files);
        keep.in_use.extend(named.map(|file| file.name.clone()));
        if let Err(error) = sweep(&settings.place, &keep) {
            tracing::warn!(%error, "old checkpoints could not be looked through for deletion");
        }
    }

    fn start_merge(&mut self, number: u64, settings: &Settings) {
        if self.merge.is_some() {
            return;
        }
        let Some(range) = plan(&self.runs) else {
            return;
        };
        let runs = self.runs[range.clone()].to_vec();
        let (place, names) = (settings.place.clone(), Arc::clone(&self.names));
        match Merger::start(place, runs, number + 1, names) {
            Ok(merger) => self.merge = Some((merger, range.start, range.len())),
            Err(error) => tracing::warn!(%error, "checkpoints are not merged"),
        }
    }

    /// Puts a merged run in the place of those it is made of; new runs only ever come after them.
    fn take_merged(&mut self) {
        let Some((merger, start, count)) =
            self.merge.take_if(|(merger, _, _)| merger.is_finished())
        else {
            return;
        };
        match merger.finish() {
            Ok(Some(run)) => {
                self.runs.splice(start..start + count, [run]);
            }
            Ok(None) => {}
            Err(error @ MergeError::Unsorted { .. }) => {
                tracing::error!(%error, "checkpoints are not merged");
            }
            Err(error) => tracing::warn!(%error, "checkpoints are merged later"),
        }
    }

    /// Ends a merge on its way.
    pub(super) fn end(self) {
        if let Some((merger, _, _)) = self.merge {
            merger.stop();
            // What it wrote is deleted by it, or by a later sweep.
            let _ = merger.finish();
        }
    }
}

/// What a snapshot counts, as a manifest says it.
pub fn counts(snapshot: &Snapshot) -> Counts {
    let totals = snapshot.totals();
    Counts {
        messages: totals.messages,
        duplicates: totals.duplicates,
        refused: totals.refused,
        received: totals.received,
        accepted: totals.counts.accepted,
        superseded: totals.counts.superseded,
        voided: totals.counts.voided,
        set_aside: totals.counts.set_aside,
        voids: totals.voids,
    }
}

#[cfg(test)]
mod tests;
