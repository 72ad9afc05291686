//! Reading a body within its limits: of size, of time, and of all bodies' memory together.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::{timeout, timeout_at};
use warp::http::StatusCode;
use warp::http::header::{CONTENT_LENGTH, HeaderMap};

use super::problem::Problem;
use super::settings::Limits;

/// How long a body that is refused is still read and thrown away, so that its sender gets to
/// read why; beyond it the connection is cut.
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
    body: S,
    headers: &HeaderMap,
    limits: &Limits,
    bodies: &Bodies,
) -> Result<Body, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut body = pin!(body);
    let deadline = tokio::time::Instant::now() + limits.body_timeout;
    let reading = collect(&mut body, headers, limits, bodies);
    match timeout_at(deadline, reading).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(problem)) => {
            let bytes_max = limits.body_bytes_max;
            // Whether it could be drained or not, the answer is the same.
            let _ = timeout(DISCARD_TIME, discard(&mut body, bytes_max)).await;
            Err(problem)
        }
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            "the body did not arrive in time",
            format!(
                "a body must arrive within {} s",
                limits.body_timeout.as_secs()
            ),
        )),
    }
}

async fn collect<S, B>(
    body: &mut std::pin::Pin<&mut S>,
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

async fn discard<S, B>(body: &mut std::pin::Pin<&mut S>, bytes_max: usize)
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut left = bytes_max;
    while let Some(Ok(chunk)) = body.next().await {
        match left.checked_sub(chunk.remaining()) {
            Some(less) => left = less,
            None => return,
        }
    }
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
