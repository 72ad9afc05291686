//! Errors as `application/problem+json` (RFC 9457): what a caller is told, never more.

use serde::Serialize;
use utoipa::ToSchema;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use warp::http::{Response as HttpResponse, StatusCode};
use warp::reply::Response;

use crate::publish::{Progress, json};

/// An answer that is an error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem, for programs: `urn:tallyflow:problem:unknown-contest`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, for people.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The query parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<&'static str>,
    /// The line of the body that is wrong, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Why that line is refused, one of the reasons for refused messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// How far the start has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of a kind, which is also the end of its `type`.
    pub fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl ToString) -> Self {
        Problem {
            kind: format!("urn:tallyflow:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.to_string(),
            parameter: None,
            line: None,
            reason: None,
            progress: None,
            headers: Vec::new(),
        }
    }

    /// 400 for a query parameter.
    pub fn parameter(name: &'static str, detail: impl ToString) -> Problem {
        let title = "a query parameter is wrong";
        Problem {
            parameter: Some(name),
            ..Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", title, detail)
        }
    }

    /// 404 for what does not exist.
    pub fn not_found(kind: &str, title: &'static str, detail: impl ToString) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, kind, title, detail)
    }

    /// 503 for what a later try may get.
    pub fn busy(kind: &str, title: &'static str, detail: impl ToString) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail).retry_after(1)
    }

    /// 429 for who takes more than its share.
    pub fn too_many(kind: &str, title: &'static str, detail: impl ToString) -> Problem {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, kind, title, detail).retry_after(1)
    }

    /// 503 while the start is not over.
    pub fn catching_up(progress: &Progress) -> Problem {
        let detail = match (&progress.waiting_for, progress.share) {
            (Some(told), _) => told.public.clone(),
            (None, Some(share)) => {
                format!("{:.1} % of the log is counted; ask again", share * 100.0)
            }
            (None, None) => "the server is starting; ask again".to_string(),
        };
        Problem {
            progress: Some(progress.clone()),
            ..Problem::busy(
                "catching-up",
                "the server is catching up after its start",
                detail,
            )
        }
    }

    /// With the line that is wrong, and the reason for which it is refused.
    pub fn event(mut self, line: Option<usize>, reason: Option<&'static str>) -> Problem {
        (self.line, self.reason) = (line, reason);
        self
    }

    /// With a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.headers.push((name, value));
        self
    }

    /// With the seconds after which to try again.
    pub fn retry_after(self, seconds: u16) -> Problem {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }
}

impl warp::Reply for Problem {
    fn into_response(self) -> Response {
        let mut response = HttpResponse::new(json(&self).into());
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Response {
        warp::Reply::into_response(problem)
    }
}
