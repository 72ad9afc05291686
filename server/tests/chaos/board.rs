//! Where the processes of the service listen now: written by who starts them, read by everybody
//! who talks to them.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::dice::Dice;

/// The addresses of this start of the service.
#[derive(Debug, Default)]
pub struct Board(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    start: u64,
    addresses: Vec<Option<SocketAddr>>,
}

impl Board {
    /// Begins another start: nobody listens yet.
    pub fn begin(&self, start: u64, processes: usize) {
        *self.lock() = State {
            start,
            addresses: vec![None; processes],
        };
    }

    /// Says where a process of a start listens, unless that start is over.
    pub fn listens(&self, start: u64, process: usize, address: SocketAddr) {
        let mut state = self.lock();
        if state.start == start {
            state.addresses[process] = Some(address);
        }
    }

    /// Where a process listens, and in which start.
    pub fn process(&self, process: usize) -> Option<(u64, SocketAddr)> {
        let state = self.lock();
        let address = state.addresses.get(process).copied().flatten()?;
        Some((state.start, address))
    }

    /// Where some process listens.
    pub fn any(&self, dice: &mut Dice) -> Option<SocketAddr> {
        let state = self.lock();
        let listening: Vec<SocketAddr> = state.addresses.iter().flatten().copied().collect();
        (!listening.is_empty()).then(|| *dice.pick(&listening))
    }

    /// All addresses, once all processes listen.
    pub fn all(&self) -> Option<Vec<SocketAddr>> {
        self.lock().addresses.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each write is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
