//! Reading a body within its limits: of size, of time, and of all bodies' memory together.
//!
//! A body that comes slowly holds its connection and the memory that it has used so far, and
//! nothing that another request waits for. No address takes more than a quarter of the memory.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};
use warp::http::StatusCode;
use warp::http::header::{CONTENT_LENGTH, EXPECT, HeaderMap};

use super::problem::Problem;
use super::settings::Limits;
use super::shares::{Share, Shares};

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
const ADDRESSES_MIN: usize = 4;

/// A body, and its share of the memory for bodies.
pub struct Body {
    /// What was sent.
    pub bytes: Bytes,
    _share: Share,
}

/// The memory of all bodies in hand.
pub fn bodies(limits: &Limits) -> Shares {
    let all = limits.bodies_bytes_max;
    Shares::new(all, all / ADDRESSES_MIN)
}

/// Reads the body of a request that came from an address.
pub async fn read<S, B>(
    body: &mut Pin<&mut S>,
    from: IpAddr,
    headers: &HeaderMap,
    limits: &Limits,
    bodies: &Shares,
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
    let mut share = bodies.share(from);
    let capacity = announced
        .unwrap_or(0)
        .clamp(CAPACITY_BYTES.start, CAPACITY_BYTES.end);
    grow(&mut share, capacity)?;
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
            grow(&mut share, capacity - bytes.capacity())?;
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

fn grow(share: &mut Share, bytes: usize) -> Result<(), Problem> {
    share.grow(bytes).map_err(|_| {
        Problem::busy(
            "too-many-bodies",
            "too much is being sent at once",
            "send the same again in a moment, over fewer connections",
        )
    })
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

    #[test]
    fn what_comes_at_the_least_rate_may_go_on() {
        assert_eq!(time_for(0), GRACE);
        assert_eq!(time_for(80 << 10), GRACE + Duration::from_secs(10));
    }
}
