//! The script files beside the tests.
//!
//! In comes the folder; out go all cases of all files, in the order of their names.

use std::path::Path;

use super::{Case, parse};

/// Every case of every script; panics with the line of a script that cannot be read.
pub fn all_cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = std::fs::read_dir(&folder).expect("the folder of scripts is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a script is listed").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "script"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scripts in {}", folder.display());
    let mut cases = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("a script is text");
        match parse(&name, &text) {
            Ok(more) => cases.extend(more),
            Err(error) => panic!("a script that cannot be read: {error}"),
        }
    }
    cases
}
