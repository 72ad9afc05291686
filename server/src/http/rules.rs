//! Who may write: the token, or on loopback nothing that a web page could send.
//!
//! Without a token the server listens on loopback only, and a browser there is still open to
//! every page that its user visits. Three checks keep such pages out: a content type that needs
//! a preflight, a `Host` that no rebound name has, and no `Origin` but our own. Pure: headers
//! in, verdict out.

use std::net::{Ipv4Addr, Ipv6Addr};

use warp::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use warp::http::{StatusCode, Uri};

use super::problem::Problem;

/// The two forms of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/json`: one event.
    One,
    /// `application/x-ndjson`: an event a line.
    Lines,
}

/// Whether a request may write, and in which form its body is.
pub fn check(token: Option<&str>, uri: &Uri, headers: &HeaderMap) -> Result<Form, Problem> {
    match token {
        Some(token) => authorized(token, headers)?,
        None => from_here(uri, headers)?,
    }
    form(headers)
}

fn authorized(token: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let shown = single(headers, &AUTHORIZATION).and_then(|value| {
        let (scheme, shown) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
    });
    // Hashes of fixed length are compared in constant time: nothing tells how much fits.
    match shown {
        Some(shown) if blake3::hash(shown.as_bytes()) == blake3::hash(token.as_bytes()) => Ok(()),
        Some(_) => Err(unauthorized(
            "the token is wrong",
            r#", error="invalid_token""#,
        )),
        None => Err(unauthorized(
            "send the header 'Authorization: Bearer' with the token",
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
        "writing wants a token",
        detail,
    )
    .header(WWW_AUTHENTICATE, challenge)
}

/// Refuses what came by another name or from another page than our own.
fn from_here(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let forbidden = |detail| {
        let title = "this request may not write";
        Problem::new(StatusCode::FORBIDDEN, "forbidden", title, detail)
    };
    let Some(host) = single(headers, &HOST).filter(|host| is_loopback(host)) else {
        return Err(forbidden(
            "without a token, 'Host' must be localhost or a loopback address",
        ));
    };
    // The absolute form of a request's target overrides `Host` (RFC 9112, 3.2.2).
    if uri
        .authority()
        .is_some_and(|authority| !is_loopback(authority.as_str()))
    {
        return Err(forbidden(
            "without a token, the target must be a loopback address",
        ));
    }
    let foreign = headers.contains_key(ORIGIN)
        && !single(headers, &ORIGIN).is_some_and(|origin| is_origin_of(origin, host));
    if foreign {
        return Err(forbidden(
            "without a token, pages of other origins may not write",
        ));
    }
    Ok(())
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
fn is_loopback(authority: &str) -> bool {
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
