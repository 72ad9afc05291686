//! The page and its files, and the outlines of the demo's locations, built into the binary.
//!
//! A path comes in, a file goes out, or 404; compressed for who takes that, which is done once.
//! Only kinds of files that a page needs are served, so that what else lies in its folder (its
//! tests, notes) stays there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use producer::Election;
use rust_embed::{Embed, EmbeddedFile};
use warp::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY};
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

/// Compressed files by their tags.
static COMPRESSED: LazyLock<Mutex<HashMap<String, Bytes>>> = LazyLock::new(Mutex::default);

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
    let is_packed = file.content_type.starts_with("image/png");
    let gzip = !is_packed && takes_gzip(headers);
    let mut response = if gzip {
        // Other bytes, so another tag.
        let tag = format!("{}-gzip\"", file.tag.trim_end_matches('"'));
        answers::tagged(content_type, compressed(&file), &tag, headers)
    } else {
        answers::tagged(content_type, file.body, &file.tag, headers)
    };
    let has_body = response.status().is_success();
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from(ACCEPT_ENCODING));
    if gzip && has_body {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// Whether a request takes what is compressed.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let given = headers.get_all(ACCEPT_ENCODING).iter();
    given
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            let wanted = weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0);
            name.trim().eq_ignore_ascii_case("gzip") && wanted
        })
}

fn compressed(file: &File) -> Bytes {
    let mut kept = COMPRESSED.lock().unwrap_or_else(PoisonError::into_inner);
    let made = kept.entry(file.tag.clone()).or_insert_with(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(&file.body);
        let packed = written.and_then(|()| encoder.finish());
        packed.expect("memory takes everything").into()
    });
    made.clone()
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
    fn a_file_is_compressed_for_who_takes_that() {
        use std::io::Read;

        let ask = |coding: &'static str| {
            let mut asked = HeaderMap::new();
            asked.insert(ACCEPT_ENCODING, HeaderValue::from_static(coding));
            let answer = file("/styles.css", &asked).expect("the style sheet");
            let encoding = answer.headers().get(CONTENT_ENCODING).cloned();
            assert_eq!(answer.headers()[VARY], "accept-encoding");
            (encoding, answer.headers()["etag"].clone())
        };
        for coding in ["gzip", "br, GZIP;q=0.5", "deflate , gzip; q=1"] {
            assert_eq!(ask(coding).0.expect("an encoding"), "gzip", "{coding}");
        }
        for coding in ["", "br", "gzip;q=0", "xgzip"] {
            assert_eq!(ask(coding).0, None, "{coding}");
        }
        assert_ne!(ask("gzip").1, ask("br").1);
        let found = find("/styles.css").expect("the style sheet");
        let mut text = Vec::new();
        let packed = compressed(&found);
        let mut decoder = flate2::read::GzDecoder::new(packed.as_ref());
        decoder.read_to_end(&mut text).expect("it is whole");
        assert!(text == found.body && packed.len() * 3 < text.len());
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
