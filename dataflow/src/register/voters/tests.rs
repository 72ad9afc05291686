//! Lists of voters and the rolls that they become.

use super::*;
use crate::register::Register;

fn register(rows: &[(&str, &str)]) -> Register {
    let election = |id: &str, roll| Election {
        election_id: id.to_string(),
        roll,
        ..Election::default()
    };
    let voter = |(election_id, voter_id): &(&str, &str)| Voter {
        election_id: election_id.to_string(),
        voter_id: voter_id.to_string(),
    };
    Register {
        elections: vec![
            election("e", true),
            election("f", true),
            election("g", false),
        ],
        voters: rows.iter().map(voter).collect::<Vec<_>>().into(),
        ..Register::default()
    }
}

fn keyed(register: &Register, key: u8) -> Register {
    let rolls = register
        .voters
        .rolls(&KeyedHash::new([key; 16]), &register.elections);
    Register {
        voters: Voters::from(BTreeMap::clone(&rolls)),
        ..register.clone()
    }
}

#[test]
fn a_version_is_of_the_rolls_in_any_order_and_under_any_key() {
    let rows = [("e", "1"), ("e", "2"), ("f", "1")];
    let one = register(&rows);
    let mut turned = rows;
    turned.reverse();
    let same = [
        register(&turned),
        keyed(&one, 1),
        keyed(&register(&turned), 2),
        // Nobody's vote depends on a list that is no roll.
        register(&[("e", "1"), ("g", "1"), ("e", "2"), ("f", "1")]),
    ];
    for other in same {
        assert_eq!(other.version(), one.version());
    }
    let others: [&[(&str, &str)]; 5] = [
        &[("e", "1"), ("e", "3"), ("f", "1")],
        &[("e", "1"), ("f", "2"), ("f", "1")],
        &[("e", "1"), ("e", "2"), ("f", "1"), ("f", "3")],
        &[("e", "12"), ("f", "1")],
        &[],
    ];
    for other in others {
        assert_ne!(register(other).version(), one.version(), "{other:?}");
    }
}

#[test]
fn a_roll_is_written_without_anybodys_id_and_read_again() {
    let named = register(&[("e", "voter-ada"), ("f", "voter-bob"), ("g", "voter-cyd")]);
    let kept = keyed(&named, 7);
    assert!(kept.voters.is_keyed() && !named.voters.is_keyed());
    assert_eq!(kept.voters.by_election(), [("e", 1), ("f", 1)].into());
    let text = serde_json::to_string(&kept).expect("it is plain data");
    assert!(!text.contains("voter-"), "{text}");
    let again: Register = serde_json::from_str(&text).expect("it was just written");
    assert_eq!(again, kept);
    assert_eq!(again.version(), named.version());
    // Nor does anybody's stand where it is shown.
    assert!(!format!("{named:?} {kept:?}").contains("voter-"));
    for damaged in [
        text.replace("\"hashes\":\"", "\"hashes\":\"0"),
        text.replace("\"digest\":\"", "\"digest\":\"g"),
    ] {
        assert!(
            serde_json::from_str::<Register>(&damaged).is_err(),
            "{damaged}"
        );
    }
}

#[test]
fn none_in_either_form_is_none() {
    let none = Voters::from(BTreeMap::new());
    assert_eq!(none, Voters::default());
    assert!(none.is_empty() && Voters::default().is_keyed());
    assert_ne!(register(&[("e", "1")]).voters, none);
}
