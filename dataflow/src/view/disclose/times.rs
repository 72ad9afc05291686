//! Event time as the public sees it: blocks of cells, each with `min` ballots or more.
//!
//! In come a contest's cells; out go blocks, windows and the sum of older ones. A cell is merged
//! with the next until they hold enough; the newest cells stay out until they do. A block
//! is made anew once `min` ballots have changed in it, and one of fewer than `min` with the next; windows and steps
//! are sums of whole blocks: so no two of them, however they overlap, differ by less than a block.

use std::sync::Arc;

use imbl::OrdMap;

use crate::view::contest::SpanVotes;
use crate::view::votes::Votes;
use crate::view::windows::Window;

/// Cells are not merged over a gap longer than this unless enough ballots follow it: one ballot
/// of the year 9999 must not make one block of all time until then.
const GAP_MS: i64 = 86_400_000;

/// A contest's cells.
pub(super) type Cells = OrdMap<i64, Arc<SpanVotes>>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    /// Ascending and without gaps: one reaches to the start of the next, the first holds all
    /// that is before it.
    blocks: Vec<Block>,
}

/// Cells that are shown together.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The first cell's start.
    pub(super) start_ms: i64,
    /// The last cell's end.
    pub(super) end_ms: i64,
    /// As it was last shown.
    pub(super) shown: SpanVotes,
}

/// What the public sees of it.
pub(super) struct Shown {
    pub(super) cells: Cells,
    pub(super) earlier: Votes,
    pub(super) watermark_ms: Option<i64>,
    pub(super) windows: Vec<Window>,
}

impl Times {
    /// Goes on from what the public has seen before a restart.
    pub(super) fn restore(mut blocks: Vec<Block>) -> Times {
        blocks.sort_by_key(|block| block.start_ms);
        Times { blocks }
    }

    /// All blocks.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Takes a tick's cells; says whether the public sees other blocks than before.
    pub(super) fn update(&mut self, cells: &Cells, slide_ms: i64, min: u64) -> bool {
        let mut differs = false;
        let mut at = 0;
        while at < self.blocks.len() {
            let now = self.now(at, cells);
            if now.votes.changed_from(&self.blocks[at].shown.votes) >= min {
                if now.votes.accepted() >= min {
                    self.blocks[at].shown = now;
                    differs = true;
                } else if self.blocks.len() > 1 {
                    at = self.merge(at);
                    differs = true;
                    continue;
                }
                // The only one stays as it was shown until there is one to merge it with.
            }
            at += 1;
        }
        self.close(cells, slide_ms, min) || differs
    }

    /// What the cells of a block hold.
    fn now(&self, at: usize, cells: &Cells) -> SpanVotes {
        let block = &self.blocks[at];
        let from_ms = if at == 0 { i64::MIN } else { block.start_ms };
        let next = self.blocks.get(at + 1);
        sum(
            cells,
            from_ms,
            next.map_or(block.end_ms, |next| next.start_ms),
        )
    }

    /// Makes one of a block that has become too small and the next, or the one before where it is
    /// the last; gives which to look at again. There are two at least.
    fn merge(&mut self, at: usize) -> usize {
        let first = at.min(self.blocks.len() - 2);
        let next = self.blocks.remove(first + 1);
        let merged = &mut self.blocks[first];
        merged.end_ms = next.end_ms;
        merged.shown.votes.add_all(&next.shown.votes, 1);
        merged.shown.late += next.shown.late;
        first
    }

    /// Makes blocks of the cells after the last one.
    fn close(&mut self, cells: &Cells, slide_ms: i64, min: u64) -> bool {
        let from_ms = self.blocks.last().map_or(i64::MIN, |block| block.end_ms);
        let head: Vec<(i64, &SpanVotes)> = cells
            .range(from_ms..)
            .map(|(start_ms, cell)| (*start_ms, &**cell))
            .collect();
        // How many ballots a cell and all after it hold.
        let mut left: u64 = head.iter().map(|(_, cell)| cell.votes.accepted()).sum();
        let closed_before = self.blocks.len();
        let mut open: Option<Block> = None;
        let mut last_ms = i64::MIN;
        for (start_ms, cell) in head {
            let is_far = open.is_some() && start_ms - last_ms > GAP_MS;
            if is_far && left < min {
                break;
            }
            left -= cell.votes.accepted();
            last_ms = start_ms;
            let block = open.get_or_insert_with(|| Block {
                start_ms,
                end_ms: start_ms,
                shown: SpanVotes::default(),
            });
            block.end_ms = start_ms + slide_ms;
            block.shown.votes.add_all(&cell.votes, 1);
            block.shown.late += cell.late;
            if block.shown.votes.accepted() >= min {
                self.blocks.extend(open.take());
            }
        }
        self.blocks.len() > closed_before
    }

    /// What the public sees, at most so many windows.
    pub(super) fn shown(&self, sizes: Sizes, served_from_ms: Option<i64>) -> Shown {
        let watermark_ms = self.blocks.last().map(|last| {
            let start_ms = last.end_ms - sizes.slide_ms;
            start_ms - sizes.lateness_ms
        });
        let is_earlier = |block: &&Block| served_from_ms.is_some_and(|ms| block.end_ms <= ms);
        let older = self.blocks.iter().take_while(is_earlier).count();
        let mut earlier = Votes::default();
        for block in &self.blocks[..older] {
            earlier.add_all(&block.shown.votes, 1);
        }
        let served = &self.blocks[older..];
        let cells = served
            .iter()
            .map(|block| (block.start_ms, Arc::new(block.shown.clone())));
        Shown {
            cells: cells.collect(),
            earlier,
            watermark_ms,
            windows: windows(served, sizes, watermark_ms),
        }
    }
}

/// The sizes of a contest's windows, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) slide_ms: i64,
    pub(super) window_ms: i64,
    pub(super) lateness_ms: i64,
}

/// A window from each block on, over as many whole blocks as its length needs; newest first.
fn windows(blocks: &[Block], sizes: Sizes, watermark_ms: Option<i64>) -> Vec<Window> {
    let mut windows = Vec::new();
    for (at, first) in blocks.iter().enumerate().rev() {
        let mut window = Window {
            start_ms: first.start_ms,
            end_ms: first.start_ms,
            is_final: false,
            late: 0,
            votes: Votes::default(),
        };
        for block in &blocks[at..] {
            if window.end_ms - window.start_ms >= sizes.window_ms {
                break;
            }
            window.end_ms = block.end_ms;
            window.votes.add_all(&block.shown.votes, 1);
            window.late += block.shown.late;
        }
        window.end_ms = window.end_ms.max(first.start_ms + sizes.slide_ms);
        window.is_final = watermark_ms.is_some_and(|ms| window.end_ms <= ms);
        windows.push(window);
    }
    windows
}

fn sum(cells: &Cells, from_ms: i64, to_ms: i64) -> SpanVotes {
    let mut sum = SpanVotes::default();
    for (_, cell) in cells.range(from_ms..to_ms) {
        sum.votes.add_all(&cell.votes, 1);
        sum.late += cell.late;
    }
    sum
}
