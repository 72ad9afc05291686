//! The environment and the file `.env`: read before anything else, and never half.
//!
//! In comes what an operator wrote; a line that cannot be read, or a name of ours that does not
//! exist, is an error with its place, since a setting that is passed over in silence starts
//! another service than was meant. Values are never repeated: they may be secrets.

use std::io::ErrorKind;
use std::path::Path;
use std::{env, fs};

/// How names of ours begin.
const PREFIX: &str = "TALLYFLOW_";

/// What is read beside the flags' own names.
const ALSO: [&str; 1] = ["TALLYFLOW_LOG"];

/// Names that only tests and measures read.
const TESTS: &str = "TALLYFLOW_TEST_";

/// Takes the variables of `.env` in the working directory, where there is one. One in a directory
/// above may be another's, and is not looked for.
pub fn read_file(path: &Path) -> anyhow::Result<()> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        // So some name the place of their Python.
        Err(error) if error.kind() == ErrorKind::IsADirectory => return Ok(()),
        Err(error) => {
            anyhow::bail!("could not read the file .env in the working directory: {error}")
        }
    };
    // Every line is looked at before the first is taken.
    variables(&text)?;
    Ok(dotenvy::from_read(text.as_bytes())?)
}

/// The variables of a file's text; the error names the line.
fn variables(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for variable in dotenvy::from_read_iter(text.as_bytes()) {
        match variable {
            Ok(variable) => found.push(variable),
            Err(dotenvy::Error::LineParse(line, _)) => {
                let first = line.lines().next().unwrap_or_default();
                let number = text
                    .lines()
                    .position(|it| it.contains(first))
                    .map_or(0, |at| at + 1);
                anyhow::bail!(
                    "could not read line {number} of the file .env in the working directory: write \
                     NAME=VALUE, and a value with blanks or quotes as NAME='VALUE'; nothing was \
                     started"
                );
            }
            Err(error) => {
                anyhow::bail!("could not read the file .env in the working directory: {error}")
            }
        }
    }
    Ok(found)
}

/// Refuses names of ours that do not exist. Gives those that Kubernetes has made for a service that
/// is called tallyflow, which mean nothing.
pub fn check(known: &[String]) -> anyhow::Result<Vec<String>> {
    let names = env::vars_os().filter_map(|(name, value)| {
        Some((
            name.into_string().ok()?,
            value.to_string_lossy().into_owned(),
        ))
    });
    check_all(names, known)
}

fn check_all(
    variables: impl Iterator<Item = (String, String)>,
    known: &[String],
) -> anyhow::Result<Vec<String>> {
    let mut passed_over = Vec::new();
    for (name, value) in variables {
        let is_read = known.contains(&name) || ALSO.contains(&name.as_str());
        if !name.starts_with(PREFIX) || name.starts_with(TESTS) || is_read && !is_link(&value) {
            continue;
        }
        if is_of_kubernetes(&name) || is_link(&value) {
            passed_over.push(name);
            continue;
        }
        let near = known
            .iter()
            .min_by_key(|known| strsim::levenshtein(known, &name));
        let near = near.map_or(String::new(), |near| format!("; is {near} meant?"));
        anyhow::bail!(
            "the environment, or the file .env, has {name}, and there is no such setting{near} \
             `tallyflow --help` names all"
        );
    }
    Ok(passed_over)
}

/// What Kubernetes and old Docker set for a service: `NAME_PORT=tcp://10.0.0.1:8080`.
fn is_link(value: &str) -> bool {
    value.starts_with("tcp://") || value.starts_with("udp://")
}

/// Their other names: `…_SERVICE_HOST`, `…_SERVICE_PORT…`, `…_PORT_8080_TCP…`.
fn is_of_kubernetes(name: &str) -> bool {
    let of_port = name.split("_PORT_").nth(1).is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            && ["_TCP", "_UDP", "_SCTP"]
                .iter()
                .any(|kind| rest.contains(kind))
    });
    name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || of_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let read = |text: &str| variables(text).map_err(|error| error.to_string());
        let good = read("# comment\nA=1\n\nexport B='x y'\nC=\"q\"\n").expect("variables");
        assert_eq!(good.len(), 3);
        for (text, line) in [
            ("A=1\nPASSWORD=my secret word\nB=2\n", "line 2"),
            ("A=1\n\nno equals sign\n", "line 3"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(line), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn names_that_do_not_exist_are_refused_but_for_those_of_kubernetes() {
        let known = [
            "TALLYFLOW_TOPIC".to_string(),
            "TALLYFLOW_LISTEN".to_string(),
        ];
        let check = |name: &str, value: &str| {
            let found = [(name.to_string(), value.to_string())];
            check_all(found.into_iter(), &known).map_err(|error| error.to_string())
        };
        for (name, value) in [
            ("TALLYFLOW_TOPIC", "votes"),
            ("TALLYFLOW_LOG", "debug"),
            ("TALLYFLOW_TEST_KAFKA", "x"),
            ("TALLYFLOWER", "x"),
            ("PATH", "x"),
        ] {
            assert_eq!(check(name, value), Ok(vec![]), "{name}");
        }
        for (name, value) in [
            ("TALLYFLOW_PORT", "tcp://10.0.0.1:8080"),
            ("TALLYFLOW_SERVICE_HOST", "10.0.0.1"),
            ("TALLYFLOW_SERVICE_PORT", "8080"),
            ("TALLYFLOW_SERVICE_PORT_HTTP", "8080"),
            ("TALLYFLOW_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("TALLYFLOW_WEB_PORT_8080_TCP_PROTO", "tcp"),
        ] {
            assert_eq!(check(name, value), Ok(vec![name.to_string()]), "{name}");
        }
        let error = check("TALLYFLOW_TOPICS", "secret").expect_err("no such setting");
        assert!(error.contains("TALLYFLOW_TOPIC meant"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
