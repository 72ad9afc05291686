//! Messages that are no events: every reason to refuse one, in several ways.
//!
//! In comes the text of a good vote; out goes a body that is to be refused. Which reason holds is
//! the oracle's to say.

use serde_json::json;

use crate::dice::Dice;

/// Just above and well above what a message may have.
const LARGE_BYTES: [usize; 2] = [65_600, 150_000];

/// A body that is no event; `None` for a message without one.
pub fn body(dice: &mut Dice, vote: &str, base_ms: i64) -> Option<Vec<u8>> {
    let bytes = match dice.below(9) {
        0 => return None,
        1 | 2 => malformed(dice, vote),
        3 => missing(dice).into_bytes(),
        4 | 5 => bad(dice).into_bytes(),
        6 => {
            let bytes = *dice.pick(&LARGE_BYTES);
            with_field(vote, &format!("\"padding\":\"{}\"", "x".repeat(bytes))).into_bytes()
        }
        _ => {
            let ahead_ms = *dice.pick(&[3_600_000, 86_400_000_000]);
            json!({"voter_id": "early", "vote_id": "1", "candidate_id": "ada",
                   "timestamp": base_ms + ahead_ms})
            .to_string()
            .into_bytes()
        }
    };
    Some(bytes)
}

fn malformed(dice: &mut Dice, vote: &str) -> Vec<u8> {
    let mut bytes = vote.as_bytes().to_vec();
    match dice.below(8) {
        0 => bytes.truncate(dice.below(bytes.len() as u64) as usize),
        1 => drop(bytes.splice(0..0, [0xef, 0xbb, 0xbf])),
        2 => bytes.push(b'}'),
        3 => bytes = with_field(vote, "\"vote_id\":\"again\"").into_bytes(),
        4 => bytes = format!("[{vote}]").into_bytes(),
        5 => bytes = with_field(vote, "\"type\":\"\\ud800\"").into_bytes(),
        6 => bytes = vec![0xff; 40],
        _ => bytes = b"\"votes\"".to_vec(),
    }
    bytes
}

fn missing(dice: &mut Dice) -> String {
    let texts = [
        r#"{"vote_id":"1","candidate_id":"ada"}"#,
        r#"{"voter_id":"x","vote_id":"1"}"#,
        r#"{"voter_id":null,"vote_id":"1","choices":[]}"#,
        r#"{"voter_id":"x"}"#,
        r#"{"type":"void","vote_id":"1"}"#,
        "{}",
    ];
    dice.pick(&texts).to_string()
}

fn bad(dice: &mut Dice) -> String {
    let fields = [
        r#""type":"poll""#,
        r#""choices":["a","a"]"#,
        r#""choices":"ada""#,
        r#""candidate_id":"ada","choices":["ada"]"#,
        r#""candidate_id":1.5"#,
        r#""candidate_id":"ada","timestamp":"yesterday""#,
        r#""candidate_id":"ada","timestamp":"2013-11-03T20:00:61Z""#,
        r#""candidate_id":"ada","location":5.5"#,
        r#""candidate_id":"ada","contest_id":"""#,
        r#""candidate_id":"""#,
    ];
    with_field(
        r#"{"voter_id":"x","vote_id":"1"}"#,
        dice.pick::<&str>(&fields),
    )
}

/// An object with one more field at its end.
fn with_field(object: &str, field: &str) -> String {
    let open = object.strip_suffix('}').expect("an object ends so");
    format!("{open},{field}}}")
}
