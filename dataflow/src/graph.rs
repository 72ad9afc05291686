//! The whole dataflow on one page: collections to collections.
//!
//! ```text
//!  events ─┐
//!  roll ───┼─ accept ─┬─ placed ─┬─ by candidate ─────────────┐
//!  direct- ┤          │          └─ by location ⋈ tree ───────┤
//!  ories   │          ├─ by slide-sized span ─────────────────┼─ rows ─ view
//!          │          ├─ counts ──────────────────────────────┤
//!          │          └─ departures ──────────────────────────┤
//!  reads ──┼──────────────────────────────────────────────────┤
//!          └──────────────────────────────────────────────────┘
//! ```
//!
//! A row is a key of a view and by how much it changes. Rows of a tick go to one worker of each
//! process, which adds them to its snapshot when the tick has closed. A window is a sum over
//! adjacent cells of the series, at most sixty; it is made from them in the view, so that what is
//! kept grows with the cells and not with the windows over them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::VecCollection;
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::vec::{Broadcast, Map};

pub use crate::accept::Span;
use crate::accept::{Accept, Count, Departure, Outcome, Placed, RollStep, accept};
use crate::directory::Directory;
use crate::intake::Arrival;
use crate::wire::Reason;

/// A key of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Row {
    /// Ballots of a contest for a candidate, or blank ones.
    Candidate(u32, u32),
    /// Ballots of a contest in a location, its own or below it, for a candidate, or blank ones.
    Location(u32, u32, u32),
    /// Ballots of a contest in a slide-sized span of event time.
    Span(Span),
    /// Anything else that is counted once a cast.
    Count(Count),
    /// Ballots that left a candidate's count; of its tick only, it does not accumulate.
    Departure(Departure),
    /// What was read from a partition.
    Read(Read),
}

/// What was read from a partition; the change says how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Read {
    /// Messages.
    Messages,
    /// Messages that are no valid event.
    Refused(Reason),
    /// By how much the next offset of a partition grew; a new partition starts at its first.
    Offset(u32),
    /// Where the counting of a partition began, told once and by one more than it is.
    FirstOffset(u32),
    /// Identical copies that were counted before the service was started.
    Duplicates,
}

/// The streams that enter the dataflow.
pub struct Inputs<'scope> {
    /// Each directory once, from the worker that made it.
    pub directories: Stream<'scope, u64, Vec<Arc<Directory>>>,
    /// Ancestors of leaves, as (election, leaf, ancestor).
    pub tree: VecCollection<'scope, u64, (u32, u32, u32), i64>,
    /// Voters who come on a roll or leave it.
    pub roll: Stream<'scope, u64, Vec<RollStep>>,
    /// Events.
    pub events: Stream<'scope, u64, Vec<Arrival>>,
    /// What was read.
    pub reads: VecCollection<'scope, u64, Read, i64>,
}

/// What a tick brings to the view: a directory at most, and changes of rows.
#[derive(Clone, Debug, Default)]
pub struct Closed {
    /// The logical time inside the dataflow.
    pub epoch: u64,
    /// The directory in force from this tick on.
    pub directory: Option<Arc<Directory>>,
    /// Changes of rows, summed by no one yet.
    pub rows: Vec<(Row, i64)>,
}

/// What *view* gets at one worker: closed epochs in order, and how far closing has come.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Every directory with its epoch, as soon as it arrives.
    pub adopted: VecDeque<(u64, Arc<Directory>)>,
    /// Epochs that brought something to this worker and are closed.
    pub closed: VecDeque<Closed>,
    /// Every epoch before this one is closed.
    pub closed_before: u64,
}

/// Builds the dataflow over the accept state of this worker. `publishers` are the workers that
/// keep views, one of each process.
pub fn build(
    inputs: Inputs<'_>,
    publishers: Vec<usize>,
    outbox: &Rc<RefCell<Outbox>>,
    state: Rc<RefCell<Accept>>,
) {
    let directories = inputs.directories.broadcast();
    let outcomes = accept(directories.clone(), inputs.roll, inputs.events, state);

    let placed = outcomes.clone().flat_map(|outcome| match outcome {
        Outcome::Placed(placed) => Some(placed),
        _ => None,
    });
    let candidates = placed
        .clone()
        .map(|placed: Placed| Row::Candidate(placed.contest, placed.candidate));
    let tree = inputs
        .tree
        .map(|(election, leaf, ancestor)| ((election, leaf), ancestor));
    let locations = placed
        .map(|placed| {
            (
                (placed.election, placed.location),
                (placed.contest, placed.candidate),
            )
        })
        .join_map(tree, |_, &(contest, candidate), &ancestor| {
            Row::Location(contest, ancestor, candidate)
        });
    let others = outcomes.flat_map(|outcome| match outcome {
        Outcome::Placed(_) => None,
        Outcome::Span(span) => Some(Row::Span(span)),
        Outcome::Count(count) => Some(Row::Count(count)),
        Outcome::Departure(departure) => Some(Row::Departure(departure)),
    });
    let rows = candidates
        .concatenate([locations, others, inputs.reads.map(Row::Read)])
        .consolidate_stream();
    deliver(rows, directories, publishers, Rc::clone(outbox));
}

/// Brings every row to every publisher and hands over each epoch when it has closed.
fn deliver<'scope>(
    rows: VecCollection<'scope, u64, Row, i64>,
    directories: Stream<'scope, u64, Vec<Arc<Directory>>>,
    publishers: Vec<usize>,
    outbox: Rc<RefCell<Outbox>>,
) {
    let addressed = rows.inner.flat_map(move |(row, epoch, change)| {
        let each = publishers.clone().into_iter();
        each.map(move |publisher| (publisher as u64, row, epoch, change))
    });
    let to_publisher = Exchange::new(|row: &(u64, Row, u64, i64)| row.0);
    let mut builder = OperatorBuilder::new("View".to_string(), addressed.scope());
    let mut rows = builder.new_input(addressed, to_publisher);
    let mut directories = builder.new_input(directories, Pipeline);
    builder.build(move |_| {
        let mut open: BTreeMap<u64, Closed> = BTreeMap::new();
        move |frontiers| {
            let mut outbox = outbox.borrow_mut();
            rows.for_each(|_, data| {
                for (_, row, epoch, change) in data.drain(..) {
                    open.entry(epoch).or_default().rows.push((row, change));
                }
            });
            directories.for_each(|capability, data| {
                let epoch = *capability.least().expect("a message has a time");
                for directory in data.drain(..) {
                    outbox.adopted.push_back((epoch, Arc::clone(&directory)));
                    open.entry(epoch).or_default().directory = Some(directory);
                }
            });
            let least = frontiers
                .iter()
                .flat_map(|frontier| frontier.frontier().iter().min().copied());
            let before = least.min().unwrap_or(u64::MAX);
            while let Some(entry) = open.first_entry().filter(|entry| *entry.key() < before) {
                let (epoch, closed) = entry.remove_entry();
                outbox.closed.push_back(Closed { epoch, ..closed });
            }
            outbox.closed_before = before;
        }
    });
}
