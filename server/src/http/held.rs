//! A body that holds something for as long as it is being sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use warp::http::Response;

/// A body, and what it holds.
pub struct Held<B, T> {
    body: B,
    _held: T,
}

/// Names the body of a response, where its own library does not.
pub trait HasBody {
    /// The body.
    type Body;
}

impl<B> HasBody for Response<B> {
    type Body = B;
}

impl<B, T> Held<B, T> {
    /// A body that holds something.
    pub fn new(body: B, held: T) -> Held<B, T> {
        Held { body, _held: held }
    }
}

impl<B: Body + Unpin, T: Unpin> Body for Held<B, T> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
