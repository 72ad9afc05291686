//! A source that gives what it is told to: what is in force after it, and who reads what.

use std::collections::VecDeque;

use dataflow::hash::KeyedHash;

use super::reading::Reading;
use super::*;

/// Gives one text after the other.
struct Texts(VecDeque<String>);

impl RegisterSource for Texts {
    fn name(&self) -> String {
        "'/srv/secret/r.json'".to_string()
    }

    fn public_name(&self) -> &'static str {
        "in a file"
    }

    fn is_waited_for(&self) -> bool {
        false
    }

    fn read(&mut self, _: &Register) -> Result<Option<Register>, RegisterError> {
        let text = self.0.pop_front().expect("a text");
        let reading = Reading::new(KeyedHash::new([1; 16]));
        let read = parse::parse(std::path::Path::new("r.json"), text.as_bytes(), reading);
        let read = read.map_err(|wrong| RegisterError::wrong(self.name(), wrong))?;
        Ok(Some(read.register))
    }

    fn wait(&mut self, _: &AtomicBool) {}
}

fn text(voters: usize, voter: impl Fn(usize) -> String) -> String {
    let voters: Vec<String> = (0..voters).map(voter).collect();
    format!(
        r#"{{"elections":[{{"election_id":"club","roll":true}}],
            "contests":[{{"contest_id":"chair","election_id":"club"}}],
            "candidates":[{{"contest_id":"chair","candidate_id":"ana"}}],
            "voters":[{}]}}"#,
        voters.join(",")
    )
}

fn voter(number: usize) -> String {
    format!(
        r#"{{"voter_id":"secret-{number}","election_id":"club","name":"Secret Person",
            "email":"secret{number}@example.org","registration_date":"2013-01-02"}}"#
    )
}

/// Follows texts after a first sound one; gives what is said of the last of them.
fn told(
    last_good: Option<Arc<Register>>,
    texts: &[String],
    allow_drop: bool,
) -> (Followed, Option<Told>) {
    let change = RegisterChange {
        allow_drop,
        recounted: false,
    };
    let error = LastError::default();
    let source = Box::new(Texts(texts.iter().cloned().collect()));
    let stop = AtomicBool::new(false);
    let followed = Followed::open(source, last_good, change, error.clone(), |_| {}, &stop);
    let mut followed = followed.expect("the first is sound");
    for _ in 1..texts.len() {
        followed.look(&|_| {});
    }
    (followed, error.get())
}

#[test]
fn a_voter_of_a_refused_register_is_shown_to_nobody() {
    let sound = text(40, voter);
    let broken = [
        text(40, |number| voter(number % 39)),
        text(40, |number| {
            voter(number).replace(r#""club","#, r#""guild","#)
        }),
        text(40, |number| {
            voter(number).replace("2013-01-02", "secret day")
        }),
        text(40, |number| {
            voter(number).replace(r#"0@example.org","#, r#"0@example.org,"#)
        }),
        text(40, |number| {
            voter(number).replace("\"voter_id\"", "\"voter_id\":\"secret\",\"voter_id\"")
        }),
        text(40, |number| {
            voter(number).replace("\"email\"", "\"secret@example.org\"")
        }) + "}",
        text(40, |number| {
            voter(number).replace("\"secret-3\"", "[\"secret-3\"]")
        }),
        text(10, voter),
        text(0, voter),
    ];
    for broken in broken {
        let (followed, told) = told(None, &[sound.clone(), broken.clone()], false);
        let told = told.unwrap_or_else(|| panic!("it is refused: {broken}"));
        for said in [&told.public, &told.full] {
            for secret in ["secret-", "Secret", "example", "@", "day\""] {
                assert!(!said.contains(secret), "{secret}: {said}");
            }
        }
        assert!(!told.public.contains("/srv"), "{}", told.public);
        assert!(told.full.contains("'/srv/secret/r.json'"), "{}", told.full);
        let voters = followed.in_force().voters.by_election()["club"];
        assert_eq!(voters, 40, "the last good one");
    }
}

#[test]
fn a_roll_that_was_cut_is_held_back_while_counting_and_at_a_start() {
    let (whole, cut) = (text(40, voter), text(10, voter));
    let held = |told: Option<Told>| {
        let said = told.expect("it is held back").public;
        for part in ["'club'", "40 voters", "to 10", "--allow-drop"] {
            assert!(said.contains(part), "{part} in {said}");
        }
    };
    let (followed, said) = told(None, &[whole.clone(), cut.clone()], false);
    held(said);
    let kept = followed.in_force();
    // As a checkpoint has it.
    let kept = serde_json::to_string(&*kept).expect("it is plain data");
    let kept: Arc<Register> = Arc::new(serde_json::from_str(&kept).expect("it was just written"));
    let (followed, said) = told(Some(Arc::clone(&kept)), std::slice::from_ref(&cut), false);
    held(said);
    assert_eq!(followed.in_force().voters.by_election()["club"], 40);
    for last_good in [Some(kept), None] {
        let texts = [whole.clone(), cut.clone()];
        let (followed, said) = told(last_good, &texts, true);
        assert_eq!(said, None);
        assert_eq!(followed.in_force().voters.by_election()["club"], 10);
    }
}

#[test]
fn the_same_register_again_is_no_new_one() {
    let (one, other) = (text(40, voter), text(40, |number| voter(39 - number)));
    let renamed = text(40, |number| {
        voter(number).replace("Secret Person", "Another Name")
    });
    let (followed, _) = told(None, std::slice::from_ref(&one), false);
    let in_force = followed.in_force();
    for again in [one, other, renamed] {
        let (followed, said) = told(Some(Arc::clone(&in_force)), &[again], false);
        assert_eq!(said, None);
        let now = followed.in_force();
        assert!(
            Arc::ptr_eq(&now, &in_force),
            "nothing that counts is different"
        );
    }
}

#[test]
fn where_a_database_is_and_who_asks_it_is_for_the_operator() {
    let error = RegisterError::Database(PostgresError::Migrate(
        "permission denied for schema public of votes at db.internal".to_string(),
    ));
    let told = error.told(&Register::default());
    assert!(
        told.full.contains("db.internal") && !told.public.contains("db."),
        "{told:?}"
    );
    let error = RegisterError::Read {
        path: PathBuf::from("/srv/secret/r.json"),
        error: std::io::Error::other("it is a directory"),
    };
    let told = error.told(&Register::default());
    assert!(
        told.full.contains("/srv") && !told.public.contains("/srv"),
        "{told:?}"
    );
}
