//! What each sender may take of something that all share: memory for bodies, connections.
//!
//! In comes a network and an amount; out goes a share, which gives back what it took when it is
//! dropped. Nobody waits: what is not there is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::network::network;

/// Something that all share, with a bound for all and one for each network; clones share it.
#[derive(Clone)]
pub struct Shares {
    all_max: usize,
    each_max: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// What one holder has of it; given back when dropped.
pub struct Share {
    shares: Shares,
    network: IpAddr,
    amount: usize,
}

/// Which bound is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// That of all.
    All,
    /// That of this network.
    Each,
}

impl Shares {
    /// Nothing is taken yet.
    pub fn new(all_max: usize, each_max: usize) -> Shares {
        Shares {
            all_max,
            each_max,
            taken: Arc::default(),
        }
    }

    /// A share of the network of an address, empty so far.
    pub fn share(&self, from: IpAddr) -> Share {
        Share {
            shares: self.clone(),
            network: network(from),
            amount: 0,
        }
    }

    /// A share of one.
    pub fn one(&self, from: IpAddr) -> Result<Share, Refused> {
        let mut share = self.share(from);
        share.grow(1)?;
        Ok(share)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Numbers are whole whoever panicked while holding them.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes more, or nothing.
    pub fn grow(&mut self, amount: usize) -> Result<(), Refused> {
        let mut taken = self.shares.taken();
        let mine = taken.by_network.get(&self.network).copied();
        let mine = mine.unwrap_or_default() + amount;
        if mine > self.shares.each_max {
            return Err(Refused::Each);
        }
        if taken.all + amount > self.shares.all_max {
            return Err(Refused::All);
        }
        taken.all += amount;
        taken.by_network.insert(self.network, mine);
        self.amount += amount;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.all -= self.amount;
        let mine = taken.by_network.get_mut(&self.network).map(|mine| {
            *mine -= self.amount;
            *mine
        });
        if mine == Some(0) {
            taken.by_network.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_bound_for_each_network_and_one_for_all_and_all_is_given_back() {
        let shares = Shares::new(400, 100);
        let share = |from: &str| shares.share(from.parse().expect("an address"));
        let mut first = share("2001:db8::1");
        assert_eq!(
            (first.grow(60), first.grow(41)),
            (Ok(()), Err(Refused::Each))
        );
        let mut neighbour = share("2001:db8::2");
        assert_eq!(neighbour.grow(41), Err(Refused::Each), "it is the same /64");
        let others = ["192.0.2.1", "192.0.2.2", "::ffff:192.0.2.3"];
        let mut others = others.map(share);
        assert!(others.iter_mut().all(|other| other.grow(100).is_ok()));
        assert_eq!(share("192.0.2.3").grow(1), Err(Refused::Each));
        let mut last = share("192.0.2.4");
        assert_eq!(last.grow(41), Err(Refused::All));
        drop(first);
        assert_eq!(last.grow(41), Ok(()));
        drop((neighbour, others, last));
        let taken = shares.taken();
        assert!(taken.all == 0 && taken.by_network.is_empty());
    }
}
