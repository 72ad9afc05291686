//! What is said of a failure: one sentence for the public, and all of it for the operator.
//!
//! ```text
//! an error ─▶ Told { public, full } ─┬─ public ─▶ /status, /readyz, problems, the stream
//!                                    └─ full ───▶ the log, /api/v1/operations
//! ```
//!
//! The public sentence names no path, host, user, person or content of a row; a list and a
//! number of a row it may name. It is never made from an error's own text, which may name them.

use std::error::Error;
use std::fmt;

use serde::{Serialize, Serializer};

/// A failure in both forms.
///
/// Its `Display` is the public sentence, so that one who forgets which to show shows too little
/// and not too much. It is no `Serialize`: an answer names the one that it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// For everybody: what does not work, and what that means for the count.
    pub public: String,
    /// For the operator: what was attempted, with what, and what to do.
    pub full: String,
}

impl Told {
    /// Both forms.
    pub fn new(public: impl Into<String>, full: impl Into<String>) -> Told {
        Told {
            public: public.into(),
            full: full.into(),
        }
    }

    /// A sentence that everybody may read whole.
    pub fn same(text: impl Into<String>) -> Told {
        let text = text.into();
        Told {
            public: text.clone(),
            full: text,
        }
    }

    /// A public sentence, and an error with everything underneath it.
    pub fn of(public: impl Into<String>, error: &dyn Error) -> Told {
        Told::new(public, chain(error))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}

/// For `serialize_with`: what everybody may read.
pub fn public<S: Serializer>(told: &Option<Told>, to: S) -> Result<S::Ok, S::Error> {
    told.as_ref().map(|told| &told.public).serialize(to)
}

/// For `serialize_with`: what operators read.
pub fn full<S: Serializer>(told: &Option<Told>, to: S) -> Result<S::Ok, S::Error> {
    told.as_ref().map(|told| &told.full).serialize(to)
}

/// An error with everything underneath it, in one line; what an error's own text already ends
/// with is not said again.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        below = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not write '{0}'")]
    struct Outer(&'static str, #[source] std::io::Error);

    #[test]
    fn what_is_displayed_is_public() {
        let error = Outer("/home/ann/votes", std::io::Error::other("no such disk"));
        let told = Told::of("the checkpoint cannot be written", &error);
        assert_eq!(told.to_string(), "the checkpoint cannot be written");
        assert_eq!(told.full, "could not write '/home/ann/votes': no such disk");
    }

    #[test]
    fn a_cause_that_is_said_already_is_not_said_again() {
        let error = Outer(
            "no such disk",
            std::io::Error::other("could not write 'no such disk'"),
        );
        assert_eq!(chain(&error), "could not write 'no such disk'");
    }
}
