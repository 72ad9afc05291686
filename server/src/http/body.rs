//! Reading a body within its limits: of size, of time, and of all bodies' memory together.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_LENGTH, EXPECT, HeaderMap};

use super::problem::Problem;
use super::settings::Limits;

/// How long a body that is refused is still read; beyond it the connection is cut.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// The first allocation for a body that does not say its size, and the largest on its word.
const CAPACITY_BYTES: std::ops::Range<usize> = 4 << 10..1 << 20;

/// A body, and its share of the memory for bodies.
pub struct Body {
    /// What was sent.
    pub bytes: Bytes,
    _share: Share,
}

/// Counts the memory of bodies in hand.
#[derive(Clone, Default)]
pub struct Bodies(Arc<AtomicUsize>);

struct Share {
    bodies: Bodies,
    bytes: usize,
}

/// Reads a body.
pub async fn read<S, B>(
    body: &mut Pin<&mut S>,
    headers: &HeaderMap,
    limits: &Limits,
    bodies: &Bodies,
) -> Result<Body, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let reading = collect(body, headers, limits, bodies);
    timeout(limits.body_timeout, reading)
        .await
        .unwrap_or_else(|_| {
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "the body did not arrive in time",
                format!(
                    "a body must arrive within {} s",
                    limits.body_timeout.as_secs()
                ),
            ))
        })
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

async fn collect<S, B>(
    body: &mut Pin<&mut S>,
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
    let capacity = announced
        .unwrap_or(0)
        .clamp(CAPACITY_BYTES.start, CAPACITY_BYTES.end);
    let mut share = Share {
        bodies: bodies.clone(),
        bytes: 0,
    };
    let mut bytes = BytesMut::with_capacity(capacity);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| {
            let title = "the body could not be read";
            Problem::new(StatusCode::BAD_REQUEST, "broken-body", title, error)
        })?;
        let length = chunk.remaining();
        if bytes.len() + length > limits.body_bytes_max {
            return Err(too_large(limits));
        }
        share.grow(length, limits.bodies_bytes_max)?;
        bytes.put(chunk);
    }
    Ok(Body {
        bytes: bytes.freeze(),
        _share: share,
    })
}

impl Share {
    fn grow(&mut self, bytes: usize, bytes_max: usize) -> Result<(), Problem> {
        self.bytes += bytes;
        let all = self.bodies.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if all > bytes_max {
            return Err(Problem::busy(
                "too-many-bodies",
                "too much is being sent at once",
                "send the same again in a moment",
            ));
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.bodies.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
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
