//! Who gets a place among the open connections.
//!
//! A peer comes in; out goes a place, or the door. One address (a /64 of IPv6) has so many places
//! and no more, so that it takes several to fill the house; a trusted proxy has as many as it
//! wants, since its clients are counted by their requests. Some places are for this machine alone.
//! At the door, for which there are places apart, the questions about health are answered, and
//! everything else is told why it is not let in.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::forwarded::is_trusted;
use super::problem::Problem;
use super::settings::{CONNECTIONS_PER_ADDRESS, Limits};
use super::shares::{Refused, Share, Shares};

/// The most that are at the door at once; further ones are closed without a word.
const DOOR_MAX: usize = 128;

/// The most of one address that are: beside one that knocks all the time there is room for others.
const DOOR_EACH_MAX: usize = 16;

/// The most places that are for this machine alone, and the most for it at the door.
const RESERVED_MAX: usize = 128;

/// The places of a server.
pub struct Places {
    all: Arc<Semaphore>,
    all_max: usize,
    /// For loopback, once the others are taken.
    reserved: Arc<Semaphore>,
    door: Shares,
    /// At the door, for loopback.
    reserved_door: Shares,
    /// By address: connections, and requests that came through a proxy.
    senders: Shares,
    each_max: usize,
    is_loopback_counted: bool,
    limits: Limits,
}

/// A connection's place; given back when dropped.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// What becomes of a connection.
pub enum Admission {
    /// It has a place.
    Place(Place),
    /// It is told why not, and has a place at the door as long.
    Door(Share, Refused),
    /// It is closed.
    Closed,
}

impl Places {
    /// So many places in all, of which some are set apart.
    pub fn new(connections_max: usize, limits: &Limits) -> Places {
        // Of few places fewer are set apart; half of all are for everybody at least.
        let door = (connections_max / 8).min(DOOR_MAX);
        let reserved = (connections_max / 8).min(RESERVED_MAX);
        let all_max = connections_max - door - 2 * reserved;
        let each_max = limits.connections_per_address;
        // Where there are few, one address has a quarter of them, so that it takes several to fill
        // the house.
        let each_max = each_max.unwrap_or(CONNECTIONS_PER_ADDRESS.min(all_max.div_ceil(4)));
        Places {
            all: Arc::new(Semaphore::new(all_max)),
            all_max,
            reserved: Arc::new(Semaphore::new(reserved)),
            door: Shares::new(door, DOOR_EACH_MAX.min(door.div_ceil(2))),
            reserved_door: Shares::new(reserved, reserved),
            senders: Shares::new(usize::MAX, each_max),
            each_max,
            is_loopback_counted: limits.connections_per_address.is_some(),
            limits: limits.clone(),
        }
    }

    /// Finds a place for a connection.
    pub fn admit(&self, peer: IpAddr) -> Admission {
        let peer = peer.to_canonical();
        let is_loopback = peer.is_loopback();
        let is_counted = !is_trusted(peer, &self.limits.trusted_proxies)
            && (self.is_loopback_counted || !is_loopback);
        let share = match is_counted.then(|| self.senders.one(peer)).transpose() {
            Ok(share) => share,
            Err(refused) => return self.door(peer, refused),
        };
        let mut permit = self.all.clone().try_acquire_owned();
        if permit.is_err() && is_loopback {
            permit = self.reserved.clone().try_acquire_owned();
        }
        match permit {
            Ok(permit) => Admission::Place(Place {
                _permit: permit,
                _share: share,
            }),
            Err(_) => self.door(peer, Refused::All),
        }
    }

    /// Counts a request that came through a trusted proxy, for as long as it is being answered.
    pub fn request(&self, client: IpAddr) -> Result<Share, Problem> {
        let share = self.senders.one(client);
        share.map_err(|refused| self.problem(refused))
    }

    /// Whether most places are taken, so that those who do not use theirs lose it soon.
    pub fn is_crowded(&self) -> bool {
        self.all.available_permits() < self.all_max / 4
    }

    /// Why there is no place.
    pub fn problem(&self, refused: Refused) -> Problem {
        match refused {
            Refused::All => Problem::busy(
                "too-many-connections",
                "too many connections are open",
                "connect again in a moment",
            ),
            Refused::Each => Problem::too_many(
                "too-many-connections-of-address",
                "too many connections of one address are open",
                format!(
                    "an address may have {} connections, or requests through a proxy, at once: \
                     close some; whoever runs the service may allow more with \
                     --connections-per-address, and names its proxies with --trusted-proxy",
                    self.each_max
                ),
            ),
        }
    }

    fn door(&self, peer: IpAddr, refused: Refused) -> Admission {
        let share = self.door.one(peer);
        let share = match share {
            Err(_) if peer.is_loopback() => self.reserved_door.one(peer),
            share => share,
        };
        share.map_or(Admission::Closed, |share| Admission::Door(share, refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections_max: usize, per_address: Option<usize>) -> Places {
        let limits = Limits {
            connections_per_address: per_address,
            trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
            ..Limits::default()
        };
        Places::new(connections_max, &limits)
    }

    /// How many of so many connections of an address get a place, and what comes at the door.
    fn admit(places: &Places, from: &str, count: usize, held: &mut Vec<Admission>) -> [usize; 4] {
        let mut got = [0; 4];
        for _ in 0..count {
            let admission = places.admit(from.parse().expect("an address"));
            got[match admission {
                Admission::Place(_) => 0,
                Admission::Door(_, Refused::Each) => 1,
                Admission::Door(_, Refused::All) => 2,
                Admission::Closed => 3,
            }] += 1;
            held.push(admission);
        }
        got
    }

    #[test]
    fn one_address_takes_so_many_and_others_find_the_rest() {
        let (places, mut held) = (places(2048, Some(100)), Vec::new());
        assert_eq!(
            admit(&places, "192.0.2.1", 200, &mut held),
            [100, 16, 0, 84]
        );
        assert_eq!(admit(&places, "2001:db8::1", 60, &mut held), [60, 0, 0, 0]);
        assert_eq!(admit(&places, "2001:db8::2", 60, &mut held), [40, 16, 0, 4]);
        assert_eq!(admit(&places, "10.1.1.1", 500, &mut held), [500, 0, 0, 0]);
        held.clear();
        assert_eq!(admit(&places, "192.0.2.1", 100, &mut held), [100, 0, 0, 0]);
    }

    #[test]
    fn loopback_finds_places_that_are_its_own_and_is_counted_only_if_that_was_asked_for() {
        let (full, mut held) = (places(1024, None), Vec::new());
        assert_eq!(admit(&full, "10.1.1.1", 1024, &mut held), [640, 0, 16, 368]);
        assert_eq!(admit(&full, "127.0.0.1", 128, &mut held), [128, 0, 0, 0]);
        assert_eq!(admit(&full, "127.0.0.1", 200, &mut held), [0, 0, 144, 56]);
        let counted = places(1024, Some(10));
        assert_eq!(admit(&counted, "127.0.0.1", 20, &mut held), [10, 10, 0, 0]);
    }

    #[test]
    fn few_places_are_still_some_for_everybody() {
        let (few, mut held) = (places(16, None), Vec::new());
        assert_eq!(admit(&few, "192.0.2.1", 12, &mut held), [3, 1, 0, 8]);
        assert_eq!(admit(&few, "10.1.1.1", 12, &mut held), [7, 0, 1, 4]);
        assert!(few.is_crowded());
    }

    #[test]
    fn requests_through_a_proxy_are_counted_by_client() {
        let places = places(1024, Some(2));
        let client = "192.0.2.1".parse().expect("an address");
        let held = [places.request(client), places.request(client)];
        let refused = places.request(client).err().expect("it is refused");
        assert_eq!(refused.status, 429);
        assert!(refused.detail.contains("--connections-per-address"));
        drop(held);
        assert!(places.request(client).is_ok());
    }
}
