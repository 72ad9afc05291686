//! Reading a body within its limits: of size, of time, and of all bodies' memory together.
//!
//! A body that comes slowly holds its connection and the memory that it has used so far, and
//! nothing that another request waits for. No address takes more than a quarter of the memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};
use warp::http::StatusCode;
use warp::http::header::{CONTENT_LENGTH, EXPECT, HeaderMap};

use super::network::network;
use super::problem::Problem;
use super::settings::Limits;

/// How long a body that is refused is still read; beyond it the connection is cut.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// The first allocation for a body that does not say its size, and the largest on its word.
const CAPACITY_BYTES: std::ops::Range<usize> = 1 << 10..64 << 10;

/// How long a body may come at any rate: a line that was lost for a moment comes back in it.
const GRACE: Duration = Duration::from_secs(10);

/// After that, what must have come in each second on the average. A vote is some 200 bytes and
/// comes in one packet; who sends thousands at once has a line for it.
const BYTES_PER_SECOND_MIN: u64 = 8 << 10;

/// The part of the memory for bodies that one address may take.
const SHARES: usize = 4;

/// A body, and its share of the memory for bodies.
pub struct Body {
    /// What was sent.
    pub bytes: Bytes,
    _share: Share,
}

/// The memory of bodies in hand; clones share it.
#[derive(Clone, Default)]
pub struct Bodies(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    bytes: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// What one body holds of it.
struct Share {
    bodies: Bodies,
    network: IpAddr,
    bytes: usize,
}

/// Reads the body of a request that came from an address.
pub async fn read<S, B>(
    body: &mut Pin<&mut S>,
    from: IpAddr,
    headers: &HeaderMap,
    limits: &Limits,
    bodies: &Bodies,
) -> Result<Body, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limits.body_bytes_max) {
        return Err(too_large(limits));
    }
    let mut share = bodies.share(network(from));
    let capacity = announced
        .unwrap_or(0)
        .clamp(CAPACITY_BYTES.start, CAPACITY_BYTES.end);
    share.grow(capacity, limits.bodies_bytes_max)?;
    let mut bytes = Vec::with_capacity(capacity);
    let started_at = Instant::now();
    loop {
        let deadline = started_at + time_for(bytes.len()).min(limits.body_timeout);
        let chunk = timeout_at(deadline, body.next()).await;
        let Some(chunk) = chunk.map_err(|_| too_slow(limits))? else {
            break;
        };
        let chunk = chunk.map_err(|error| {
            let title = "the body could not be read";
            Problem::new(StatusCode::BAD_REQUEST, "broken-body", title, error)
        })?;
        let length = bytes.len() + chunk.remaining();
        if length > limits.body_bytes_max {
            return Err(too_large(limits));
        }
        if length > bytes.capacity() {
            // Twice as much each time, so that the bytes are moved about once.
            let capacity = length.max(2 * bytes.capacity()).min(limits.body_bytes_max);
            share.grow(capacity - bytes.capacity(), limits.bodies_bytes_max)?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.put(chunk);
    }
    Ok(Body {
        bytes: bytes.into(),
        _share: share,
    })
}

/// How long a body may have taken of which so much has come.
fn time_for(bytes: usize) -> Duration {
    GRACE + Duration::from_millis(bytes as u64 * 1000 / BYTES_PER_SECOND_MIN)
}

/// Reads the rest of a refused body for a while and throws it away, so that its sender gets to
/// read why: a connection that is closed on unread bytes takes the answer with it.
pub async fn discard<S, B>(body: &mut Pin<&mut S>, headers: &HeaderMap, limits: &Limits)
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    // Who asks first has sent nothing yet, and reads the answer instead.
    if headers.contains_key(EXPECT) {
        return;
    }
    let mut left = limits.body_bytes_max;
    let discarding = async {
        while let Some(Ok(chunk)) = body.next().await {
            match left.checked_sub(chunk.remaining()) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // Whether all could be read or not, the answer is the same.
    let _ = timeout(DISCARD_TIME, discarding).await;
}

impl Bodies {
    fn share(&self, network: IpAddr) -> Share {
        Share {
            bodies: self.clone(),
            network,
            bytes: 0,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Numbers are whole whoever panicked while holding them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    fn grow(&mut self, bytes: usize, bytes_max: usize) -> Result<(), Problem> {
        let mut held = self.bodies.held();
        let mine = held.by_network.get(&self.network).copied();
        let mine = mine.unwrap_or_default() + bytes;
        if held.bytes + bytes > bytes_max || mine > bytes_max / SHARES {
            return Err(Problem::busy(
                "too-many-bodies",
                "too much is being sent at once",
                "send the same again in a moment, over fewer connections",
            ));
        }
        held.bytes += bytes;
        held.by_network.insert(self.network, mine);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.bodies.held();
        held.bytes -= self.bytes;
        let mine = held.by_network.get_mut(&self.network).map(|mine| {
            *mine -= self.bytes;
            *mine
        });
        if mine == Some(0) {
            held.by_network.remove(&self.network);
        }
    }
}

fn too_slow(limits: &Limits) -> Problem {
    let (grace, whole) = (GRACE.as_secs(), limits.body_timeout.as_secs());
    let rate = BYTES_PER_SECOND_MIN >> 10;
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "timeout",
        "the body did not arrive in time",
        format!(
            "a body must arrive within {whole} s, and after {grace} s at {rate} KiB a second or \
             more: send less at once"
        ),
    )
}

fn too_large(limits: &Limits) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "the body is too large",
        format!(
            "a body has at most {} bytes: send it in parts",
            limits.body_bytes_max
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 400;

    #[test]
    fn one_address_takes_a_quarter_of_the_memory_for_bodies_and_gives_it_back() {
        let bodies = Bodies::default();
        let share = |from: &str| bodies.share(network(from.parse().expect("an address")));
        let mut first = share("2001:db8::1");
        assert!(first.grow(60, MAX).is_ok() && first.grow(41, MAX).is_err());
        let mut neighbour = share("2001:db8::2");
        assert!(neighbour.grow(41, MAX).is_err(), "it is the same /64");
        let others = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        let mut others = others.map(share);
        assert!(others.iter_mut().all(|other| other.grow(100, MAX).is_ok()));
        let mut last = share("192.0.2.4");
        assert!(last.grow(41, MAX).is_err(), "400 are the bound of all");
        drop(first);
        assert!(last.grow(41, MAX).is_ok());
        drop((neighbour, others, last));
        let held = bodies.held();
        assert!(held.bytes == 0 && held.by_network.is_empty());
    }

    #[test]
    fn what_comes_at_the_least_rate_may_go_on() {
        assert_eq!(time_for(0), GRACE);
        assert_eq!(time_for(80 << 10), GRACE + Duration::from_secs(10));
    }
}
