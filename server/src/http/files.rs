//! The page and its files, and the outlines of the demo's locations, built into the binary.
//!
//! A path comes in, a file goes out, or 404. Only kinds of files that a page needs are served,
//! so that what else lies in its folder (its tests, notes) stays there.

use std::borrow::Cow;

use bytes::Bytes;
use producer::Election;
use rust_embed::{Embed, EmbeddedFile};
use warp::http::header::{HeaderMap, HeaderValue};
use warp::reply::Response;
use xxhash_rust::xxh3::xxh3_64;

use super::answers;
use super::problem::Problem;

#[derive(Embed)]
#[folder = "web/"]
#[exclude = "tests/*"]
#[exclude = "package.json"]
struct Page;

/// Content types by the ends of names; nothing else is served.
const KINDS: [(&str, &str); 9] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("webmanifest", "application/manifest+json"),
    ("geojson", "application/geo+json"),
];

/// Where the page's tests lie.
const TESTS: &str = "tests/";

/// Where the outlines of the demo's locations are.
const OUTLINES: &str = "geo/";

/// Whether a path is a file of the page.
pub fn exists(path: &str) -> bool {
    find(path).is_some()
}

/// Answers with a file.
pub fn file(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let Some(file) = find(path) else {
        let (title, detail) = ("there is no such file", "/ is the page");
        return Err(Problem::not_found("unknown-file", title, detail));
    };
    let content_type = HeaderValue::from_static(file.content_type);
    Ok(answers::tagged(content_type, file.body, &file.tag, headers))
}

struct File {
    content_type: &'static str,
    body: Bytes,
    tag: String,
}

fn find(path: &str) -> Option<File> {
    let name = match path.strip_prefix('/')? {
        "" => "index.html",
        name => name,
    };
    let (_, end) = name.rsplit_once('.')?;
    let (_, content_type) = KINDS.iter().find(|(kind, _)| *kind == end)?;
    if let Some(outlines) = name.strip_prefix(OUTLINES) {
        let text = Election::geojson(outlines)?;
        let tag = format!("\"{:016x}\"", xxh3_64(text.as_bytes()));
        return Some(File {
            content_type,
            body: Bytes::from_static(text.as_bytes()),
            tag,
        });
    }
    if name.starts_with(TESTS) || name.contains("..") {
        return None;
    }
    let EmbeddedFile { data, metadata, .. } = Page::get(name)?;
    let hash: String = metadata.sha256_hash()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let body = match data {
        Cow::Borrowed(built_in) => Bytes::from_static(built_in),
        Cow::Owned(read) => read.into(),
    };
    Some(File {
        content_type,
        body,
        tag: format!("\"{hash}\""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_is_served() {
        assert!(exists("/") && exists("/index.html") && exists("/geo/montreal-2013.geojson"));
        for path in [
            "",
            "/nothing",
            "/package.json",
            "/tests/",
            "/../Cargo.toml",
            "//index.html",
            "/geo/nothing.geojson",
        ] {
            assert!(!exists(path), "{path}");
        }
    }

    #[test]
    fn who_has_a_file_gets_304() {
        let first = file("/", &HeaderMap::new()).expect("the page");
        assert_eq!(first.headers()["content-type"], "text/html; charset=utf-8");
        let mut asked = HeaderMap::new();
        asked.insert("if-none-match", first.headers()["etag"].clone());
        let second = file("/", &asked).expect("the page");
        assert_eq!(second.status(), 304);
    }
}
