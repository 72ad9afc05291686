//! Conditional requests (RFC 9110, 13.1.2): whether the caller already has what we would send.

use warp::http::header::{HeaderMap, IF_NONE_MATCH};

/// Whether `If-None-Match` names this entity tag, by the weak comparison that it asks for.
pub fn matches(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        value.trim() == "*" || tags(value).any(|tag| tag == etag.trim_start_matches("W/"))
    })
}

/// The opaque tags of a list, in their quotes, without `W/`.
///
/// A tag may hold a comma, so the list is read quote by quote.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let begin = rest.find('"')?;
        let length = rest[begin + 1..].find('"')? + 2;
        let tag = &rest[begin..begin + length];
        rest = &rest[begin + length..];
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_NONE_MATCH, line.parse().expect("a header value"));
        }
        matches(&headers, "\"17-ab\"")
    }

    #[test]
    fn lists_weak_tags_and_the_star_match() {
        assert!(check(&["\"17-ab\""]));
        assert!(check(&["W/\"17-ab\""]));
        assert!(check(&["*"]));
        assert!(check(&["\"16-ab\", W/\"x,y\",\"17-ab\""]));
        assert!(check(&["\"16-ab\"", "\"17-ab\""]));
        assert!(!check(&[]));
        assert!(!check(&["17-ab"]));
        assert!(!check(&["\"17-a\""]));
        assert!(!check(&["\"a\"17-ab\""]));
        assert!(!check(&["\"17-ab"]));
    }
}
