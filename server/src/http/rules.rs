//! Who may ask, and who may write.
//!
//! A server that listens on loopback is open to every program of its machine, and two of them bring
//! strangers along: a browser, to every page that its user visits, and a proxy, to everybody. So
//! where a request comes from says nothing. Writing wants the token, always. And on loopback every
//! request wants a loopback name in `Host`, which a page under a name that was bound to this
//! machine (DNS rebinding) does not have, and a write no `Origin` but our own. Pure: headers in,
//! verdict out.

use std::net::{Ipv4Addr, Ipv6Addr};

use warp::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use warp::http::{StatusCode, Uri};

use super::problem::Problem;
use crate::token::Token;

/// The two forms of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/json`: one event.
    One,
    /// `application/x-ndjson`: an event a line.
    Lines,
}

/// Whether a request is for us by name. One without `Host` (HTTP/1.0) is not: it costs its sender
/// a header, and there is no exception that a page could aim at.
pub fn check_name(is_loopback: bool, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    if !is_loopback {
        return Ok(());
    }
    let by_host = single(headers, &HOST).is_some_and(names_loopback);
    // The absolute form of a request's target overrides `Host` (RFC 9112, 3.2.2).
    let by_target = uri.authority().is_none_or(|it| names_loopback(it.as_str()));
    if by_host && by_target {
        return Ok(());
    }
    Err(forbidden(
        "foreign-host",
        "the service listens on this machine only: ask http://localhost or a loopback address; a \
         proxy must send 'Host: localhost'",
    ))
}

/// Whether a request may write, and in which form its body is.
pub fn check(token: &Token, is_loopback: bool, headers: &HeaderMap) -> Result<Form, Problem> {
    if is_loopback {
        from_no_other_page(headers)?;
    }
    authorize(token, headers)?;
    form(headers)
}

/// Whether a request shows the token.
pub fn authorize(token: &Token, headers: &HeaderMap) -> Result<(), Problem> {
    let shown = single(headers, &AUTHORIZATION).and_then(|value| {
        let (scheme, shown) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
    });
    match shown {
        Some(shown) if token.matches(shown) => Ok(()),
        Some(_) => Err(unauthorized(
            "the token is wrong: it is in the file 'token' of the service's data directory, unless \
             the service was given another",
            r#", error="invalid_token""#,
        )),
        None => Err(unauthorized(
            "send the header 'Authorization: Bearer TOKEN': the token is in the file 'token' of the \
             service's data directory, unless the service was given another",
            "",
        )),
    }
}

fn unauthorized(detail: &str, error: &str) -> Problem {
    let challenge = format!(r#"Bearer realm="tallyflow"{error}"#);
    let challenge = HeaderValue::from_str(&challenge).expect("the challenge is plain ASCII");
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "this wants a token",
        detail,
    )
    .header(WWW_AUTHENTICATE, challenge)
}

/// Refuses what another page than our own sends.
fn from_no_other_page(headers: &HeaderMap) -> Result<(), Problem> {
    let host = single(headers, &HOST).unwrap_or_default();
    let foreign = headers.contains_key(ORIGIN)
        && !single(headers, &ORIGIN).is_some_and(|origin| is_origin_of(origin, host));
    if foreign {
        return Err(forbidden(
            "foreign-origin",
            "the service listens on this machine only, and pages of other origins may not write",
        ));
    }
    Ok(())
}

fn forbidden(kind: &str, detail: &str) -> Problem {
    let title = "this request is not let in";
    Problem::new(StatusCode::FORBIDDEN, kind, title, detail)
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let unsupported = |detail| {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Problem::new(
            status,
            "unsupported-media-type",
            "the body is in no form we read",
            detail,
        )
        .header(
            ACCEPT,
            HeaderValue::from_static("application/json, application/x-ndjson"),
        )
    };
    let encoding = single(headers, &CONTENT_ENCODING);
    if headers.contains_key(CONTENT_ENCODING)
        && !encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case("identity"))
    {
        return Err(unsupported("bodies are read without a content encoding"));
    }
    let essence = single(headers, &CONTENT_TYPE).map(|value| {
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    });
    match essence.as_deref() {
        Some("application/json") => Ok(Form::One),
        Some("application/x-ndjson") => Ok(Form::Lines),
        _ => Err(unsupported(
            "'Content-Type' must be application/json (one event) or application/x-ndjson (an \
             event a line)",
        )),
    }
}

/// A header that is there exactly once, as text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

/// Whether `host[:port]` is localhost, in 127.0.0.0/8, or `[::1]`.
fn names_loopback(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of an address in brackets is none of a port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let v6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match v6 {
        Some(v6) => v6
            .parse::<Ipv6Addr>()
            .is_ok_and(|address| address.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host
                    .parse::<Ipv4Addr>()
                    .is_ok_and(|address| address.is_loopback())
        }
    }
}

/// Whether an origin is the one of pages that we serve under `host[:port]`.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let bare = |authority: &str| {
        authority
            .strip_suffix(":80")
            .unwrap_or(authority)
            .to_string()
    };
    origin
        .strip_prefix("http://")
        .is_some_and(|authority| bare(authority).eq_ignore_ascii_case(&bare(host)))
}

#[cfg(test)]
mod tests;
