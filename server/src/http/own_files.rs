//! Files of the operator, from `--files DIR` under `/files/`: outlines and portraits that a register
//! names, served from our own origin, so that a page needs no other.
//!
//! A path comes in, a file goes out, or a problem that says why not. Only files in the directory
//! and of kinds that a page shows; none that is hidden, and no link that leads out of it.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue};
use warp::reply::Response;

use super::answers::full;
use super::files::File;
use super::problem::Problem;
use crate::publish::{Budget, Full};

/// Where they are.
pub const FOLDER: &str = "/files/";

/// The largest file: outlines of a whole country are some megabytes.
const BYTES_MAX: u64 = 32 << 20;

/// Content types by the ends of names; nothing else is served.
const KINDS: [(&str, &str); 10] = [
    ("geojson", "application/geo+json"),
    ("topojson", "application/json"),
    ("json", "application/json"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("svg", "image/svg+xml"),
];

/// A picture may hold scripts, and is shown to whoever opens it by itself.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// Answers with a file of a directory, which is read each time it is asked for and has changed.
pub fn answer(
    directory: &Path,
    path: &str,
    headers: &HeaderMap,
    budget: &Budget,
) -> Result<Response, Problem> {
    let (path, kind) = find(directory, path)?;
    let metadata = fs::metadata(&path).map_err(|_| unknown())?;
    if metadata.len() > BYTES_MAX {
        let detail = format!("it has more than {} MiB: make it smaller", BYTES_MAX >> 20);
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Err(Problem::new(
            status,
            "file-too-large",
            "the file is too large",
            detail,
        ));
    }
    let file = File {
        content_type: kind,
        body: read(&path, budget)?,
        tag: tag(&metadata),
        for_ever: false,
    };
    let mut response = file.answer(headers);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, POLICY);
    Ok(response)
}

fn read(path: &Path, budget: &Budget) -> Result<Bytes, Problem> {
    enum Unread {
        Full(Full),
        File(io::Error),
    }
    impl From<Full> for Unread {
        fn from(full: Full) -> Unread {
            Unread::Full(full)
        }
    }
    let read = budget.make(|| fs::read(path).map(Bytes::from).map_err(Unread::File));
    read.map_err(|unread| match unread {
        Unread::Full(why) => full(why),
        Unread::File(error) => {
            tracing::warn!(path = %path.display(), %error, "a file of --files cannot be read");
            let detail = "the log of the service says why";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "file-unreadable", "the file cannot be read", detail)
        }
    })
}

/// The file of a path, and its content type.
fn find(directory: &Path, path: &str) -> Result<(PathBuf, &'static str), Problem> {
    let name = path.strip_prefix(FOLDER).ok_or_else(unknown)?;
    let name = percent_decode_str(name)
        .decode_utf8()
        .map_err(|_| unknown())?;
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(part) => !part.as_encoded_bytes().starts_with(b"."),
        _ => false,
    };
    if name.contains('\0') || !Path::new(&*name).components().all(is_plain) {
        return Err(unknown());
    }
    let end = name
        .rsplit_once('.')
        .map(|(_, end)| end.to_ascii_lowercase());
    let kind = end.and_then(|end| KINDS.iter().find(|(kind, _)| *kind == end));
    let Some((_, kind)) = kind else {
        let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        let detail = format!("files that end in these are served: {}", kinds.join(", "));
        let title = "a file of this kind is not served";
        return Err(Problem::not_found("unknown-file", title, detail));
    };
    let inside = directory.canonicalize().map_err(|_| unknown())?;
    let file = inside.join(&*name).canonicalize().map_err(|_| unknown())?;
    match file.starts_with(&inside) && file.is_file() {
        true => Ok((file, kind)),
        false => Err(unknown()),
    }
}

/// Another size or time of change is another file.
fn tag(metadata: &Metadata) -> String {
    let modified = metadata.modified().ok();
    let since = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let nanos = since.map_or(0, |since| since.as_nanos());
    format!("\"{:x}-{nanos:x}\"", metadata.len())
}

fn unknown() -> Problem {
    let (title, detail) = (
        "there is no such file",
        "the directory of --files has none of that name",
    );
    Problem::not_found("unknown-file", title, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_directory_are_served() {
        let above = tempfile::tempdir().expect("a directory");
        let directory = above.path().join("files");
        fs::create_dir_all(directory.join("a b")).expect("a directory");
        for name in ["map.GeoJSON", "a b/é.png", ".hidden.png", "key", "x.html"] {
            fs::write(directory.join(name), name).expect("it is written");
        }
        fs::write(above.path().join("secret.json"), "secret").expect("it is written");
        let link = directory.join("link.json");
        std::os::unix::fs::symlink(above.path().join("secret.json"), link).expect("a link");
        let find = |path: &str| find(&directory, path).map(|(_, kind)| kind);
        assert_eq!(
            find("/files/map.GeoJSON").expect("a file"),
            "application/geo+json"
        );
        assert_eq!(
            find("/files/a%20b/%C3%A9.png").expect("a file"),
            "image/png"
        );
        for path in [
            "/files/",
            "/files/absent.png",
            "/files/.hidden.png",
            "/files/key",
            "/files/x.html",
            "/files/link.json",
            "/files/../secret.json",
            "/files/%2e%2e/secret.json",
            "/files/a b/../../secret.json",
            "/files//etc/passwd.json",
            "/files/a%00.json",
            "/files/a b",
        ] {
            assert_eq!(find(path).expect_err(path).status, 404, "{path}");
        }
    }
}
