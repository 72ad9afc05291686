//! Files that nobody but the user of this service may read: votes, checkpoints, key, tokens.
//!
//! What is made gets its mode from the mask that [`mask`] sets once. What an earlier version or a
//! careless copy left open is tightened at the start, as far as it is ours by its name; what
//! cannot be is warned of.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::warnings::Warnings;

/// The mode of a file.
const FILE: u32 = 0o600;

/// The mode of a directory.
const DIRECTORY: u32 = 0o700;

/// How the names of files begin that are not whole yet.
const UNFINISHED: &str = ".unfinished-";

/// What others may do, in a mode.
const OTHERS: u32 = 0o077;

/// A directory in which anybody may make files: a temporary one, and nobody's own.
const STICKY: u32 = 0o1000;

/// Makes every file and directory of this process its user's alone, whatever the mask was.
pub fn mask() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(OTHERS));
}

/// Makes a directory, and those above it, if it is not there.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY)
        .create(path)
}

/// Puts a file where there is none: whole or not at all, and durable on return. One that is there
/// already stays, since another process may have been first.
pub fn put_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match written_beside(path, bytes)?.persist_noclobber(path) {
        Err(failed) if failed.error.kind() != ErrorKind::AlreadyExists => Err(failed.error),
        _ => sync(parent(path)),
    }
}

/// Puts a file in the place of the one before: whole or not at all, and durable on return. Nobody
/// else may put the same one at the same time. What a crash leaves beside it is written over by the
/// next one.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    make_directory(parent(path))?;
    let mut name = OsString::from(UNFINISHED);
    name.push(path.file_name().unwrap_or_default());
    let beside = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(FILE);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync(parent(path))
}

/// Whether a file is one that a crash left beside one that was to be put.
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED)
}

/// A file of another name in the same directory, which is made if it is not there.
fn written_beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    make_directory(parent(path))?;
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(Permissions::from_mode(FILE))
        .tempfile_in(parent(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes a file's or a directory's name durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    sync(parent(path))
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The directory of a file.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Takes what others may do from a file of ours; a failure is said in the log.
pub fn tighten_file(path: &Path, metadata: &Metadata) {
    if let Err(error) = set(path, metadata, FILE) {
        tracing::warn!(path = %path.display(), %error, "other users may read this file: chmod 600 it");
    }
}

/// A directory of ours, and which of its files are.
pub struct Ours<'a> {
    /// Where.
    pub directory: &'a Path,
    /// By name.
    pub is_ours: &'a dyn Fn(&str) -> bool,
}

/// Tightens what is there of some directories, and warns of what stays open.
pub fn tighten(directories: &[Ours<'_>], warnings: &Warnings) {
    let mut open = Vec::new();
    for ours in directories {
        if let Err(error) = tighten_one(ours, &mut open)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %ours.directory.display(), %error, "modes were not looked at");
        }
    }
    if open.is_empty() {
        return;
    }
    for path in &open {
        tracing::warn!(path = %path.display(), "other users of this machine may read this: chmod it to 600, a directory to 700");
    }
    let message = "other users of the machine may read files of this service, and it could not or \
                   would not change that: the log names them; chmod them to 600, directories to 700";
    warnings.raise("loose_modes", message);
}

fn tighten_one(ours: &Ours<'_>, open: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut has_others = false;
    for entry in fs::read_dir(ours.directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_str().is_some_and(ours.is_ours) {
            has_others = true;
            continue;
        }
        // Of the entry itself: a link is not followed.
        let metadata = entry.metadata()?;
        let mode = match metadata.file_type() {
            kind if kind.is_dir() => DIRECTORY,
            kind if kind.is_file() => FILE,
            _ => continue,
        };
        if set(&entry.path(), &metadata, mode).is_err() {
            open.push(entry.path());
        }
    }
    let metadata = fs::metadata(ours.directory)?;
    let mode = metadata.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    // Somebody's home, say: what else is in it may be meant for others.
    let is_shared = has_others || mode & STICKY != 0;
    if is_shared || set(ours.directory, &metadata, DIRECTORY).is_err() {
        open.push(ours.directory.to_path_buf());
    }
    Ok(())
}

fn set(path: &Path, metadata: &Metadata, mode: u32) -> io::Result<()> {
    if metadata.permissions().mode() & OTHERS == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_whole_for_its_user_alone_and_only_once_where_it_is_to_be_new() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("deep").join("secret");
        put_new(&path, b"first").unwrap();
        put_new(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        put(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!((mode(&path), mode(parent(&path))), (0o600, 0o700));
        let names = fs::read_dir(parent(&path)).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn open_file(path: &Path) {
        fs::write(path, "x").unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    }

    #[test]
    fn what_is_ours_is_tightened_and_what_is_not_is_left_and_warned_of() {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path().join("data");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        open_file(&directory.join("key"));
        let ours = Ours {
            directory: &directory,
            is_ours: &|name| name == "key",
        };
        let warnings = Warnings::default();
        tighten(&[ours], &warnings);
        assert_eq!(
            (mode(&directory), mode(&directory.join("key"))),
            (0o700, 0o600)
        );
        assert_eq!(warnings.list(), []);

        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        open_file(&directory.join("page.html"));
        let ours = Ours {
            directory: &directory,
            is_ours: &|name| name == "key",
        };
        tighten(&[ours], &warnings);
        assert_eq!(mode(&directory), 0o755);
        assert_eq!(mode(&directory.join("page.html")), 0o644);
        assert_eq!(warnings.list()[0].code, "loose_modes");
    }
}
