//! The page's files, and the outlines of the demo's locations, built into the binary.
//!
//! A path comes in, a file goes out, or 404; compressed for who takes that, which is done once.
//! Below `page/HASH/`, with the hash of all files together, a file may be kept for ever, and a page
//! never mixes files of two versions. Only kinds of files that a page needs are served, so that
//! what else lies in its folder (its tests, notes) stays there.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use producer::Election;
use rust_embed::{Embed, EmbeddedFile};
use warp::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY,
};
use warp::reply::Response;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::answers;
use super::problem::Problem;

#[derive(Embed)]
#[folder = "web/"]
#[exclude = "tests/*"]
#[exclude = "charts/*"]
#[exclude = "*.json"]
struct Page;

/// The charts' library; empty where the build could not make it.
const CHARTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/echarts.js"));

/// The charts' library as a file of the page.
const CHARTS_NAME: &str = "echarts.js";

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

/// What lies in the page's folder and is not of the page.
const APART: [&str; 2] = ["tests/", "charts/"];

/// Where the page's files are, with or without their hash.
const FOLDER: &str = "page/";

/// A file below its hash never changes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Where the outlines of the demo's locations are.
const OUTLINES: &str = "geo/";

/// The page itself is another with every register; what was compressed for old ones goes.
const COMPRESSED_MAX: usize = 128;

/// Compressed files by their tags.
static COMPRESSED: LazyLock<Mutex<HashMap<String, Bytes>>> = LazyLock::new(Mutex::default);

/// The hash of all files of the page together.
static VERSION: LazyLock<String> = LazyLock::new(hash_of_all);

/// Whether a path is a file of the page.
pub fn exists(path: &str) -> bool {
    find(path).is_some()
}

/// Whether the build made the charts' library.
pub fn has_charts() -> bool {
    !CHARTS.is_empty()
}

/// The hash of all files of the page together; read anew where they are not built in.
pub fn version() -> String {
    if cfg!(debug_assertions) {
        hash_of_all()
    } else {
        VERSION.clone()
    }
}

/// The text of the page itself.
pub fn index() -> String {
    let file = find("/index.html").expect("the page is built in");
    String::from_utf8_lossy(&file.body).into_owned()
}

/// Answers with a file.
pub fn file(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let Some(file) = find(path) else {
        let (title, detail) = ("there is no such file", "/ is the page");
        return Err(Problem::not_found("unknown-file", title, detail));
    };
    Ok(file.answer(headers))
}

/// A file as it is served.
pub struct File {
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub body: Bytes,
    /// Its entity tag.
    pub tag: String,
    /// Whether it never changes under its address.
    pub for_ever: bool,
}

impl File {
    /// A file whose tag is made of what is in it.
    pub fn new(content_type: &'static str, body: Bytes) -> File {
        let tag = format!("\"{:016x}\"", xxh3_64(&body));
        File {
            content_type,
            body,
            tag,
            for_ever: false,
        }
    }

    /// Answers with it, compressed for who takes that.
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        let content_type = HeaderValue::from_static(self.content_type);
        let is_packed = self.content_type.starts_with("image/png");
        let gzip = !is_packed && takes_gzip(headers);
        let mut response = if gzip {
            // Other bytes, so another tag.
            let tag = format!("{}-gzip\"", self.tag.trim_end_matches('"'));
            answers::tagged(content_type, compressed(self), &tag, headers)
        } else {
            answers::tagged(content_type, self.body.clone(), &self.tag, headers)
        };
        let has_body = response.status().is_success();
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from(ACCEPT_ENCODING));
        if gzip && has_body {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if self.for_ever {
            headers.insert(CACHE_CONTROL, FOR_EVER);
        }
        response
    }
}

/// Whether a request takes what is compressed.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
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
    if kept.len() > COMPRESSED_MAX {
        kept.clear();
    }
    let made = kept.entry(file.tag.clone()).or_insert_with(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(&file.body);
        let packed = written.and_then(|()| encoder.finish());
        packed.expect("memory takes everything").into()
    });
    made.clone()
}

fn find(path: &str) -> Option<File> {
    let path = path.strip_prefix('/')?;
    let (name, hash) = match path.strip_prefix(FOLDER).map(|rest| rest.split_once('/')) {
        Some(Some((hash, name))) => (name, Some(hash)),
        Some(None) => (path.strip_prefix(FOLDER)?, None),
        None if path.is_empty() => ("index.html", None),
        None => (path, None),
    };
    if hash.is_some_and(|hash| hash != version()) {
        return None;
    }
    let (_, end) = name.rsplit_once('.')?;
    let (_, content_type) = KINDS.iter().find(|(kind, _)| *kind == end)?;
    if let Some(outlines) = name.strip_prefix(OUTLINES) {
        let text = Election::geojson(outlines)?;
        return Some(File::new(content_type, Bytes::from_static(text.as_bytes())));
    }
    let mut file = if name == CHARTS_NAME {
        let charts = has_charts().then_some(CHARTS)?;
        File::new(content_type, Bytes::from_static(charts))
    } else {
        File::new(content_type, built_in(name)?)
    };
    file.for_ever = hash.is_some();
    Some(file)
}

/// A file of the page's folder.
fn built_in(name: &str) -> Option<Bytes> {
    if APART.iter().any(|folder| name.starts_with(folder)) || name.contains("..") {
        return None;
    }
    let EmbeddedFile { data, .. } = Page::get(name)?;
    Some(match data {
        Cow::Borrowed(built_in) => Bytes::from_static(built_in),
        Cow::Owned(read) => read.into(),
    })
}

fn hash_of_all() -> String {
    let mut hash = Xxh3::new();
    for name in Page::iter() {
        if let Some(body) = built_in(&name) {
            hash.update(name.as_bytes());
            hash.update(&body);
        }
    }
    hash.update(CHARTS);
    format!("{:016x}", hash.digest())
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
            "/charts/echarts.js",
            "/charts/package-lock.json",
            "/page/",
            "/page/0000000000000000/app.js",
            "/page/tests/page.mjs",
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
    fn a_file_below_its_hash_is_kept_for_ever() {
        let kept = |path: &str| {
            let answer = file(path, &HeaderMap::new()).expect("a file");
            answer.headers()[CACHE_CONTROL].clone()
        };
        assert_eq!(kept(&format!("/page/{}/app.js", version())), FOR_EVER);
        assert_eq!(kept("/page/app.js"), "no-cache");
        assert_eq!(kept("/app.js"), "no-cache");
        assert_eq!(exists("/page/echarts.js"), has_charts());
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
