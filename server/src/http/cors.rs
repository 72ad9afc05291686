//! Which pages of other origins may read (and, with a token, write): the CORS headers.
//!
//! A page that is not allowed gets no header, and its browser keeps the answer from it. Whether
//! a request may write is not decided here, but by the rules of writing.

use warp::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, VARY,
};

use super::settings::Origins;

impl Origins {
    /// Adds to an answer's headers what its request's origin may do with it.
    pub fn allow(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let allowed = match self {
            Origins::None => return,
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(origins) => {
                // A shared cache must not give one origin's answer to another.
                headers.append(VARY, HeaderValue::from(ORIGIN));
                let listed = |origin: &&HeaderValue| {
                    let origin = origin.to_str().unwrap_or_default();
                    origins.iter().any(|each| each.eq_ignore_ascii_case(origin))
                };
                origin.filter(listed).cloned()
            }
        };
        if let Some(allowed) = allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            let exposed = HeaderValue::from_static("etag, retry-after");
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    /// Adds what a preflight asks, once `allow` has let its origin in.
    pub fn preflight(methods: HeaderValue, headers: &mut HeaderMap) {
        if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        let names = "authorization, content-type, if-none-match, last-event-id, cache-control";
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(names),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(cors: &Origins, origin: Option<&'static str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        let origin = origin.map(HeaderValue::from_static);
        cors.allow(origin.as_ref(), &mut headers);
        let value = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN)?;
        Some(value.to_str().expect("an origin").to_string())
    }

    #[test]
    fn only_listed_origins_are_let_in() {
        let listed = Origins::Listed(vec!["https://a.example".to_string()]);
        let a = "https://a.example";
        assert_eq!(allowed(&Origins::None, Some(a)), None);
        assert_eq!(allowed(&Origins::Any, Some(a)).as_deref(), Some("*"));
        assert_eq!(allowed(&listed, Some(a)).as_deref(), Some(a));
        assert_eq!(allowed(&listed, Some("https://a.example.org")), None);
        assert_eq!(allowed(&listed, None), None);
    }
}
