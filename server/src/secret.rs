//! Secrets that lie in files, so that no list of processes shows them.
//!
//! A path comes in, the text of the file goes out, without the end of its line. Never says what a
//! file holds. One that every user of the machine can read is used, with a warning in the log.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The longest secret. What is longer is another file, named by mistake.
const BYTES_MAX: u64 = 4096;

/// Why a secret cannot be had from a file.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("could not read the file '{}' that {flag} names", .path.display())]
    Read {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no secret in it.
    #[error(
        "the file '{}' that {flag} names {what}: write the secret into it, as one line of text, \
         and nothing else", .path.display()
    )]
    NoSecret {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Reads the secret in the file that a flag names.
pub fn read(flag: &'static str, path: &Path) -> Result<String, SecretError> {
    let (bytes, mode) = bytes(path).map_err(|source| SecretError::Read {
        flag,
        path: path.to_path_buf(),
        source,
    })?;
    let secret = text(bytes).map_err(|what| SecretError::NoSecret {
        flag,
        path: path.to_path_buf(),
        what,
    })?;
    if mode & 0o004 != 0 {
        tracing::warn!(
            file = %path.display(),
            "every user of this machine can read the secret of {flag}: make it its owner's alone, \
             with chmod 600"
        );
    }
    Ok(secret)
}

fn bytes(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    // A pipe will do, too: a shell makes one of `<(command that prints the secret)`.
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok((bytes, mode))
}

fn text(bytes: Vec<u8>) -> Result<String, &'static str> {
    if bytes.len() as u64 > BYTES_MAX {
        return Err("has more than 4096 bytes");
    }
    let Ok(mut text) = String::from_utf8(bytes) else {
        return Err("is no text");
    };
    // Editors end the last line, and some put a mark before the first.
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        text = rest.to_string();
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.trim().is_empty() {
        return Err("is empty");
    }
    if text.contains(['\n', '\r', '\0']) {
        return Err("has more than one line");
    }
    Ok(text)
}

/// A new secret: 64 hexadecimal digits.
pub fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(blake3::Hash::from_bytes(bytes).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_of_text() {
        for (bytes, secret) in [
            (&b"s3cret\n"[..], "s3cret"),
            (b"s3cret", "s3cret"),
            (b"s3cret\r\n", "s3cret"),
            (b"\xef\xbb\xbfs3cret\n", "s3cret"),
            // A space may be part of it.
            (b" s3cret \n", " s3cret "),
        ] {
            assert_eq!(text(bytes.to_vec()).as_deref(), Ok(secret));
        }
        let long = [b'x'; 4097];
        for (bytes, what) in [
            (&b""[..], "is empty"),
            (b"\n\n", "is empty"),
            (b" \t\n", "is empty"),
            (b"one\ntwo\n", "more than one line"),
            (b"one\0two", "more than one line"),
            (b"\xff\xfe", "is no text"),
            (&long, "more than 4096 bytes"),
        ] {
            assert!(text(bytes.to_vec()).unwrap_err().contains(what), "{what}");
        }
    }

    #[test]
    fn no_error_says_what_a_file_holds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "s3cret\nsecond\n").unwrap();
        let error = read("--postgres-password-file", &path).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains("--postgres-password-file"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        assert!(read("--token-file", directory.path()).is_err());
        assert!(read("--token-file", &directory.path().join("none")).is_err());
    }
}
