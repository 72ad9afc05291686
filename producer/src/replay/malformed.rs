//! Messages that are no valid event, one kind for each way to be none.
//!
//! Each is written with the reason for which it must be refused. None holds a newline, so that
//! they travel as lines; so an empty message is not among them.

use std::collections::BTreeMap;

/// Over it a message is too large.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Of so many malformed messages one is too large: they would fill a log otherwise.
const LARGE_EVERY: u64 = 500;

/// A way to be no event.
pub(crate) struct Kind {
    /// The reason, in the words of the event contract.
    pub(crate) reason: &'static str,
    form: Shape,
}

enum Shape {
    /// `V` stands for a vote id, `W` for a voter id, `T` for an instant; each in angle brackets.
    Text(&'static str),
    /// Bytes before and after the vote id.
    Bytes(&'static [u8], &'static [u8]),
    /// A valid cast but for a field of so many bytes.
    Long { field: &'static str, bytes: usize },
    /// A valid cast but for more choices than are allowed.
    ManyChoices,
}

const fn text(reason: &'static str, text: &'static str) -> Kind {
    Kind {
        reason,
        form: Shape::Text(text),
    }
}

const TOO_LARGE: Kind = Kind {
    reason: "too_large",
    form: Shape::Long {
        field: "note",
        bytes: MESSAGE_BYTES_MAX,
    },
};

const KINDS: [Kind; 27] = [
    text(
        "malformed_json",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"1"#,
    ),
    text(
        "malformed_json",
        r#"[{"vote_id":"<V>","voter_id":"<W>","candidate_id":"1","timestamp":"<T>"}]"#,
    ),
    text(
        "malformed_json",
        r#"{"vote_id":"<V>","vote_id":"<V>","voter_id":"<W>","candidate_id":"1","timestamp":"<T>"}"#,
    ),
    text(
        "malformed_json",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"\ud800","timestamp":"<T>"}"#,
    ),
    text(
        "malformed_json",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"1","timestamp":"<T>"} {}"#,
    ),
    text("malformed_json", "<V>;<W>;1;<T>"),
    text("malformed_json", r#""<V>""#),
    Kind {
        reason: "malformed_json",
        form: Shape::Bytes(b"\xef\xbb\xbf{\"vote_id\":\"", b"\"}"),
    },
    Kind {
        reason: "malformed_json",
        form: Shape::Bytes(b"{\"voter_id\":\"\xff\xfe\",\"vote_id\":\"", b"\"}"),
    },
    text(
        "bad_field",
        r#"{"type":"recall","vote_id":"<V>","voter_id":"<W>","candidate_id":"1","timestamp":"<T>"}"#,
    ),
    text(
        "missing_field",
        r#"{"vote_id":"<V>","candidate_id":"1","timestamp":"<T>"}"#,
    ),
    text(
        "missing_field",
        r#"{"vote_id":"<V>","voter_id":null,"candidate_id":"1","timestamp":"<T>"}"#,
    ),
    text(
        "missing_field",
        r#"{"vote_id":"<V>","voter_id":"<W>","timestamp":"<T>"}"#,
    ),
    text("missing_field", r#"{"type":"void","vote_id":"<V>"}"#),
    text(
        "bad_field",
        r#"{"vote_id":"","voter_id":"<W>","candidate_id":"1","timestamp":"<T>"}"#,
    ),
    text(
        "bad_field",
        r#"{"vote_id":"<V>","voter_id":7.5,"candidate_id":"1","timestamp":"<T>"}"#,
    ),
    text(
        "bad_field",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":1.5,"timestamp":"<T>"}"#,
    ),
    text(
        "bad_field",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"a\u0000","timestamp":"<T>"}"#,
    ),
    text(
        "bad_field",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"1","choices":["1"],"timestamp":"<T>"}"#,
    ),
    text(
        "bad_field",
        r#"{"vote_id":"<V>","voter_id":"<W>","choices":["1",1],"timestamp":"<T>"}"#,
    ),
    text(
        "bad_field",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"1","timestamp":"yesterday"}"#,
    ),
    text(
        "bad_field",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"1","timestamp":"2013-11-03T23:59:61Z"}"#,
    ),
    text(
        "bad_field",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"1","timestamp":1383508800.5}"#,
    ),
    text(
        "bad_field",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"1","location":{},"timestamp":"<T>"}"#,
    ),
    Kind {
        reason: "bad_field",
        form: Shape::Long {
            field: "location",
            bytes: 129,
        },
    },
    Kind {
        reason: "bad_field",
        form: Shape::ManyChoices,
    },
    text(
        "future_timestamp",
        r#"{"vote_id":"<V>","voter_id":"<W>","candidate_id":"1","timestamp":"9999-12-31T23:59:59Z"}"#,
    ),
];

/// The kind of a malformed message, by its number from zero.
pub(crate) fn kind(number: u64) -> &'static Kind {
    if number.is_multiple_of(LARGE_EVERY) {
        return &TOO_LARGE;
    }
    &KINDS[(number % KINDS.len() as u64) as usize]
}

/// How many of the first so many malformed messages are refused for which reason.
pub(crate) fn reasons(messages: u64) -> BTreeMap<String, u64> {
    let mut reasons = BTreeMap::new();
    for number in 0..messages {
        *reasons.entry(kind(number).reason).or_insert(0) += 1;
    }
    let named = reasons.into_iter();
    named
        .map(|(reason, count)| (reason.to_string(), count))
        .collect()
}

impl Kind {
    /// Appends a message of the kind, from a vote id and a voter id.
    pub(crate) fn write(&self, lines: &mut Vec<u8>, [vote, voter]: [&str; 2], instant: &str) {
        let fill = |text: &str| {
            text.replace("<V>", vote)
                .replace("<W>", voter)
                .replace("<T>", instant)
        };
        let cast_with = |rest: &str| {
            let cast = r#"{"vote_id":"<V>","voter_id":"<W>","timestamp":"<T>","#;
            fill(cast) + rest + "}"
        };
        match self.form {
            Shape::Text(text) => lines.extend_from_slice(fill(text).as_bytes()),
            Shape::Bytes(before, after) => {
                lines.extend_from_slice(before);
                lines.extend_from_slice(vote.as_bytes());
                lines.extend_from_slice(after);
            }
            Shape::Long { field, bytes } => {
                let value = "x".repeat(bytes);
                let rest = format!(r#""candidate_id":"1","{field}":"{value}""#);
                lines.extend_from_slice(cast_with(&rest).as_bytes());
            }
            Shape::ManyChoices => {
                let choices: Vec<String> = (1..=65).map(|choice| choice.to_string()).collect();
                let rest = format!(r#""choices":[{}]"#, choices.join(","));
                lines.extend_from_slice(cast_with(&rest).as_bytes());
            }
        }
    }
}
