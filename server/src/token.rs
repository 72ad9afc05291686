//! The token that writers show: given by who starts the service, or made at the first start.
//!
//! ```text
//! --token ──────┐
//! --token-file ─┼─▶ Token ─▶ http/rules: does what a request shows match?
//! DIR/token ────┘
//! ```
//!
//! It is never shown: not in `Debug`, not in an error, not in a log.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::{private, secret};

/// The file of a token that the service has made, in the data directory.
pub const FILE: &str = "token";

/// A shorter one could be guessed over the network.
const CHARS_MIN: usize = 16;

/// A longer one is a wrong file; no header could carry much more.
const CHARS_MAX: usize = 1024;

/// How much of a file is read: a token, and lines after it.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// What writers must show. Clones share it, also once its file is read again.
#[derive(Clone)]
pub struct Token {
    hash: Arc<RwLock<blake3::Hash>>,
    file: Option<PathBuf>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Too easily guessed, or no token at all.
    #[error(
        "the token {from} has {chars} characters, and {CHARS_MIN} to {CHARS_MAX} are needed: make \
         one with `openssl rand -hex 32`, or leave it out and the service makes one"
    )]
    Length {
        /// Where it is from.
        from: GivenBy,
        /// How many it has.
        chars: usize,
    },
    /// It cannot be sent in a header.
    #[error(
        "the token {0} has a space or another character that no header can carry: make one with \
         `openssl rand -hex 32`, or leave it out and the service makes one"
    )]
    Characters(GivenBy),
    /// A file cannot be read.
    #[error("could not read the token {from}: give a file that this user may read")]
    Read {
        /// Which file.
        from: GivenBy,
        /// Why not.
        source: io::Error,
    },
    /// The file of a made token cannot be written.
    #[error(
        "could not keep a token in '{}': let this user write to the directory, or give a token \
         with --token-file FILE", .path.display()
    )]
    Keep {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system has no randomness.
    #[error("could not make a token, since the system gives no random numbers")]
    Random(getrandom::Error),
}

/// Where a token is from.
#[derive(Clone, Debug)]
pub enum GivenBy {
    /// The command line or the environment.
    Text,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for GivenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GivenBy::Text => write!(f, "of --token or TALLYFLOW_TOKEN"),
            GivenBy::File(path) => write!(f, "in '{}'", path.display()),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// A token as it was typed.
    pub fn parse(text: &str) -> Result<Token, TokenError> {
        Token::checked(text, GivenBy::Text)
    }

    /// The first line of a file.
    pub fn read(path: &Path) -> Result<Token, TokenError> {
        let from = GivenBy::File(path.to_path_buf());
        let read = || {
            let mut text = String::new();
            let file = File::open(path)?;
            file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|source| TokenError::Read {
            from: from.clone(),
            source,
        })?;
        Token::checked(text.lines().next().unwrap_or_default().trim(), from)
    }

    /// The token that a data directory keeps, made now if there is none; and its file.
    ///
    /// Processes that share a directory and start together get the same one.
    pub fn kept(directory: &Path) -> Result<(Token, PathBuf), TokenError> {
        let path = directory.join(FILE);
        match Token::read(&path) {
            Err(TokenError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            read => return Ok((read?, path)),
        }
        let text = secret::random().map_err(TokenError::Random)?;
        let kept = private::put_new(&path, format!("{text}\n").as_bytes());
        kept.map_err(|source| TokenError::Keep {
            path: path.clone(),
            source,
        })?;
        // Another process may have been first.
        Ok((Token::read(&path)?, path))
    }

    /// Whether this is what was shown. It takes as long for a wrong one as for the right one:
    /// hashes are compared, in constant time, so nothing tells how much of it fits.
    pub fn matches(&self, shown: &str) -> bool {
        *self.hash.read().unwrap_or_else(PoisonError::into_inner) == blake3::hash(shown.as_bytes())
    }

    /// Reads the file again, where the token is from one: from now on its first line is the token,
    /// and the one before is not. After an error it stays.
    pub fn read_again(&self) -> Result<(), TokenError> {
        if let Some(file) = &self.file {
            let now = Token::read(file)?;
            let now = *now.hash.read().unwrap_or_else(PoisonError::into_inner);
            *self.hash.write().unwrap_or_else(PoisonError::into_inner) = now;
        }
        Ok(())
    }

    fn checked(text: &str, from: GivenBy) -> Result<Token, TokenError> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Characters(from));
        }
        let chars = text.len();
        if !(CHARS_MIN..=CHARS_MAX).contains(&chars) {
            return Err(TokenError::Length { from, chars });
        }
        Ok(Token {
            hash: Arc::new(RwLock::new(blake3::hash(text.as_bytes()))),
            file: match from {
                GivenBy::Text => None,
                GivenBy::File(path) => Some(path),
            },
        })
    }
}

/// Where the token is, and a command that writes with it, from any directory of this machine.
pub fn how_to_write(file: &Path, listen: SocketAddr) -> String {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let file = quoted(&file.display().to_string());
    format!(
        "writing wants the token in {file}, which nobody else may read:\n  curl -H \"Authorization: \
         Bearer $(cat {file})\" -H 'Content-Type: application/json' http://{address}/api/v1/votes \
         -d '{{\"vote_id\":\"v1\",\"voter_id\":\"alice\",\"candidate_id\":\"ana\"}}'"
    )
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,@%".contains(&byte);
    match word.bytes().all(is_plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn a_token_has_sixteen_characters_that_a_header_can_carry() {
        let is_taken = |text: &str| Token::parse(text).is_ok();
        assert!(is_taken(TOKEN) && is_taken(&"x".repeat(CHARS_MAX)));
        let short = &TOKEN[1..];
        let long = "x".repeat(CHARS_MAX + 1);
        for wrong in [
            "",
            " ",
            "a",
            short,
            &long,
            "0123456789 abcdef",
            "0123456789abcdé",
        ] {
            let said = Token::parse(wrong).expect_err(wrong).to_string();
            assert!(said.contains("--token"), "{said}");
            assert!(wrong.len() < 3 || !said.contains(wrong), "{said}");
        }
    }

    #[test]
    fn only_the_token_matches() {
        let token = Token::parse(TOKEN).expect("a token");
        assert!(token.matches(TOKEN));
        for wrong in [
            "",
            "0",
            &TOKEN[1..],
            "0123456789abcdefg",
            "0123456789ABCDEF",
        ] {
            assert!(!token.matches(wrong), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn a_file_is_read_to_the_end_of_its_first_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret");
        for text in [TOKEN.to_string(), format!("  {TOKEN}\r\nan older one\n")] {
            std::fs::write(&path, text).expect("it is written");
            assert!(Token::read(&path).expect("a token").matches(TOKEN));
        }
        for (text, part) in [("short\n", "has 5 characters"), ("", "has 0 characters")] {
            std::fs::write(&path, text).expect("it is written");
            let said = Token::read(&path).expect_err(part).to_string();
            assert!(said.contains(part) && said.contains("secret"), "{said}");
        }
        let absent = Token::read(&directory.path().join("absent"));
        assert!(matches!(absent, Err(TokenError::Read { .. })));
    }

    #[test]
    fn a_token_is_made_once_and_for_nobody_else_to_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("a/data");
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let data = data.clone();
                std::thread::spawn(move || Token::kept(&data).expect("a token"))
            })
            .collect();
        let (_, path) = Token::kept(&data).expect("a token");
        let text = std::fs::read_to_string(&path).expect("it is there");
        assert_eq!(text.trim().len(), 64);
        for thread in threads {
            let (token, _) = thread.join().expect("a thread ends well");
            assert!(token.matches(text.trim()), "all have the same");
        }
        let mode = |path: &Path| {
            let metadata = std::fs::metadata(path).expect("it is there");
            metadata.permissions().mode() & 0o777
        };
        assert_eq!((mode(&path), mode(&data)), (0o600, 0o700));
        let names = std::fs::read_dir(&data).expect("a directory").count();
        assert_eq!(names, 1, "nothing else is left there");
    }

    #[test]
    fn how_to_write_is_a_command_for_a_shell() {
        let said = |file: &str, listen: &str| {
            how_to_write(Path::new(file), listen.parse().expect("an address"))
        };
        let plain = said("/srv/votes/token", "0.0.0.0:80");
        assert!(plain.contains("$(cat /srv/votes/token)"), "{plain}");
        assert!(
            plain.contains(" http://127.0.0.1:80/api/v1/votes "),
            "{plain}"
        );
        let odd = said("/srv/ann's votes/$x", "[::]:8080");
        assert!(odd.contains(r"$(cat '/srv/ann'\''s votes/$x')"), "{odd}");
        assert!(odd.contains(" http://[::1]:8080/api/v1/votes "), "{odd}");
    }

    #[test]
    fn a_file_that_is_read_again_replaces_the_token_unless_it_is_wrong() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret");
        std::fs::write(&path, TOKEN).expect("it is written");
        let token = Token::read(&path).expect("a token");
        let clone = token.clone();
        std::fs::write(&path, "fedcba9876543210").expect("it is written");
        token.read_again().expect("a token");
        assert!(clone.matches("fedcba9876543210") && !clone.matches(TOKEN));
        std::fs::write(&path, "short").expect("it is written");
        assert!(token.read_again().is_err());
        assert!(clone.matches("fedcba9876543210"));
        Token::parse(TOKEN)
            .expect("a token")
            .read_again()
            .expect("nothing to read");
    }

    #[test]
    fn a_short_one_in_the_data_directory_is_refused_not_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE);
        std::fs::write(&path, "mine").expect("it is written");
        assert!(Token::kept(directory.path()).is_err());
        assert_eq!(std::fs::read(&path).expect("it is there"), b"mine");
    }
}
