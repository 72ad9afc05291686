//! How ticks are agreed on: asks from every worker to worker 0, announcements from it to all.
//!
//! A dataflow of its own: only the messages matter, and they travel the same threads and sockets
//! as all else. Its time means nothing; it is advanced since timely keeps what is to be exchanged
//! in buffers until it is. Messages between two workers keep their order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::vec::Input as _;
use timely::worker::Worker;

/// The end of a stream that a worker sends into.
pub(super) type Handle<D> = InputHandle<u64, CapacityContainerBuilder<Vec<D>>>;

/// What workers tell each other about ticks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Beat {
    /// A worker has taken something in the epoch, which is open there.
    Ask { epoch: u64 },
    /// The epoch closes as a tick.
    Close { epoch: u64, tick: u64, mark: Mark },
    /// A worker has nothing more to take again.
    Restored,
    /// A worker was asked to end.
    AskEnd,
    /// All workers end.
    End,
    /// A process lives.
    Alive,
    /// Something for the shell at the worker that it reaches.
    Word(String),
}

/// What the end of an epoch is besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// Nothing.
    #[default]
    None,
    /// The last epoch that takes again what was kept before.
    Restored,
    /// Where a checkpoint of this number is.
    Checkpoint(u64),
}

/// One worker's end.
pub(super) struct Heart {
    input: Handle<(u64, Beat)>,
    heard: Rc<RefCell<VecDeque<Beat>>>,
    closes: VecDeque<(u64, u64, Mark)>,
    words: VecDeque<String>,
    peers: u64,
    announced: u64,
    /// The latest epoch that another worker has asked to close.
    asked: Option<u64>,
    /// How many workers have nothing more to take again.
    restored: u64,
    end_asked: bool,
    ends: bool,
    is_first: bool,
}

impl Heart {
    pub(super) fn new(worker: &mut Worker) -> Heart {
        let heard = Rc::new(RefCell::new(VecDeque::new()));
        let sink = Rc::clone(&heard);
        let input = worker.dataflow::<u64, _, _>(|scope| {
            let (input, beats) = scope.new_input::<(u64, Beat)>();
            let to_worker = Exchange::new(|beat: &(u64, Beat)| beat.0);
            beats.sink(to_worker, "Beat", move |(beats, _)| {
                beats.for_each(|_, data| {
                    sink.borrow_mut()
                        .extend(data.drain(..).map(|(_, beat)| beat));
                });
            });
            input
        });
        Heart {
            input,
            heard,
            closes: VecDeque::new(),
            words: VecDeque::new(),
            peers: worker.peers() as u64,
            announced: 0,
            asked: None,
            restored: 0,
            end_asked: false,
            ends: false,
            is_first: worker.index() == 0,
        }
    }

    /// Asks worker 0 to close an epoch; worker 0 knows by itself.
    pub(super) fn ask(&mut self, epoch: u64) {
        if !self.is_first {
            self.tell(0, Beat::Ask { epoch });
        }
    }

    /// Tells one worker.
    pub(super) fn tell(&mut self, worker: u64, beat: Beat) {
        self.input.send((worker, beat));
        self.push();
    }

    /// Tells every worker.
    pub(super) fn announce(&mut self, beat: &Beat) {
        if matches!(beat, Beat::Close { .. }) {
            self.announced += 1;
        }
        for worker in 0..self.peers {
            self.input.send((worker, beat.clone()));
        }
        self.push();
    }

    fn push(&mut self) {
        let next = self.input.time() + 1;
        self.input.advance_to(next);
    }

    /// How many epochs were announced to close: the number of the open one.
    pub(super) fn announced(&self) -> u64 {
        self.announced
    }

    /// Whether a worker has asked for an epoch to close that is not announced yet.
    pub(super) fn wanted(&self) -> bool {
        self.asked.is_some_and(|epoch| epoch >= self.announced)
    }

    /// Whether every worker has said that it has nothing more to take again.
    pub(super) fn all_restored(&self) -> bool {
        self.restored >= self.peers
    }

    /// Whether a worker was asked to end.
    pub(super) fn end_asked(&self) -> bool {
        self.end_asked
    }

    /// Whether all workers end now.
    pub(super) fn ends(&self) -> bool {
        self.ends
    }

    /// What the shells of other workers have said to this one's.
    pub(super) fn next_word(&mut self) -> Option<String> {
        self.words.pop_front()
    }

    /// The next epoch to close, its tick and its mark, if worker 0 has announced it.
    pub(super) fn next_close(&mut self) -> Option<(u64, u64, Mark)> {
        for beat in self.heard.borrow_mut().drain(..) {
            match beat {
                Beat::Ask { epoch } => self.asked = self.asked.max(Some(epoch)),
                Beat::Close { epoch, tick, mark } => self.closes.push_back((epoch, tick, mark)),
                Beat::Restored => self.restored += 1,
                Beat::AskEnd => self.end_asked = true,
                Beat::End => self.ends = true,
                Beat::Alive => {}
                Beat::Word(word) => self.words.push_back(word),
            }
        }
        self.closes.pop_front()
    }
}
