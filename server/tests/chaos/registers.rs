//! The registers of a seed: the first, and those that it changes to.
//!
//! Two elections. The town has locations in a tree, the club has none and sometimes a roll. Ids
//! hold what has to be encoded in keys and addresses. Every later register renames somebody and
//! brings a candidate whose votes were set aside until then.

use dataflow::register::Register;
use serde_json::{Value as Json, json};

use crate::dice::Dice;

/// How many registers a seed has; a change beyond the last finds none.
const REGISTERS: usize = 4;

/// The contest with locations.
pub const TOWN: &str = "mayor/1";

/// The contest without.
pub const CLUB: &str = "song 100%";

/// Voters of the club's roll: every other voter of the generator's.
pub const ROLL_STEP: usize = 2;

/// What votes may name in a contest.
#[derive(Clone, Debug)]
pub struct Paper {
    /// The contest.
    pub contest: String,
    /// Everybody who stands, or will.
    pub candidates: Vec<String>,
    /// Where votes count; none where the election has no locations.
    pub leaves: Vec<String>,
    /// Locations above others, which no vote may name.
    pub inner: Vec<String>,
}

/// The registers, in the order in which they are in force.
pub fn registers(seed: u64, base_ms: i64, voters: &[String]) -> Vec<Register> {
    let mut dice = Dice::new(seed, "register");
    let mut register = first(&mut dice, base_ms, voters);
    let mut all = Vec::new();
    for number in 0..REGISTERS {
        all.push(serde_json::from_value(register.clone()).expect("a register is plain data"));
        change(&mut register, number, &mut dice);
    }
    all
}

/// What votes may name under the last of some registers.
pub fn papers(registers: &[Register]) -> Vec<Paper> {
    let last = registers.last().expect("there is a register");
    let paper = |contest: &dataflow::register::Contest| {
        let candidates = last.candidates.iter();
        let candidates = candidates.filter(|row| row.contest_id == contest.contest_id);
        let places: Vec<_> = last
            .locations
            .iter()
            .filter(|row| row.election_id == contest.election_id)
            .collect();
        let is_inner = |code: &String| places.iter().any(|row| row.parent.as_ref() == Some(code));
        let codes = places.iter().map(|row| row.location.clone());
        let (inner, leaves) = codes.partition(is_inner);
        Paper {
            contest: contest.contest_id.clone(),
            candidates: candidates.map(|row| row.candidate_id.clone()).collect(),
            leaves,
            inner,
        }
    };
    last.contests.iter().map(paper).collect()
}

fn first(dice: &mut Dice, base_ms: i64, voters: &[String]) -> Json {
    let mut revotes = ["first", "last", "all"];
    dice.shuffle(&mut revotes);
    let default = *dice.pick(&[Some(TOWN), Some(TOWN), Some(CLUB), None]);
    // Long slides keep all windows of a run within what one stream shows.
    let slides_ms = [3_000, 5_000];
    let mut contest = |id: &str, election: &str, revote: &str| {
        let slide_ms = *dice.pick(&slides_ms);
        json!({"contest_id": id, "election_id": election, "revote": revote,
               "is_default": default == Some(id), "slide_ms": slide_ms,
               "window_ms": slide_ms * dice.between(1, 4)})
    };
    let town = contest(TOWN, "town", revotes[0]);
    let mut club = contest(CLUB, "club", revotes[1]);
    if dice.once_in(2) {
        club["opens_at"] = json!(base_ms - 25_000);
        club["closes_at"] = json!(base_ms + 3_600_000);
    }
    let roll = dice.once_in(2);
    let on_roll = voters.iter().step_by(ROLL_STEP).filter(|_| roll);
    json!({
        "elections": [{"election_id": "town", "name": "Town"},
                      {"election_id": "club", "roll": roll}],
        "contests": [town, club],
        "candidates": candidates(dice),
        "locations": locations(dice),
        "voters": on_roll.map(|id| json!({"voter_id": id, "election_id": "club"}))
            .collect::<Vec<_>>(),
    })
}

fn candidates(dice: &mut Dice) -> Vec<Json> {
    let ids = ["ada", "5", "bo/b%20", "çelik", "-17", "dee"];
    let mut rows = Vec::new();
    for contest in [TOWN, CLUB] {
        for id in &ids[..dice.between(3, ids.len() as i64) as usize] {
            rows.push(json!({
                "contest_id": contest, "candidate_id": id, "position": dice.between(1, 3),
                "candidate_name": format!("The {id}"), "party": dice.pick(&[None, Some("P")]),
                "photo_url": dice.pick(&[None, Some("https://example.org/a.png")]),
                "campaign_promises": dice.pick(&[None, Some("more \"bread\"")]),
            }));
        }
    }
    rows
}

/// Two regions with leaves of any number, one root that is a leaf itself.
fn locations(dice: &mut Dice) -> Vec<Json> {
    let mut rows = vec![
        json!({"election_id": "town", "location": "north/west", "name": "North"}),
        json!({"election_id": "town", "location": "south"}),
        json!({"election_id": "town", "location": "postal", "registered": 900}),
    ];
    for leaf in 0..dice.between(3, 8) {
        let parent = dice.pick(&["north/west", "south"]);
        let registered = (!dice.once_in(6)).then_some(100 * (leaf + 1));
        rows.push(json!({"election_id": "town", "location": format!("{leaf}"),
                         "parent": parent, "registered": registered}));
    }
    rows
}

/// One renamed, one more that votes already name.
fn change(register: &mut Json, number: usize, dice: &mut Dice) {
    let rows = register["candidates"].as_array_mut().expect("candidates");
    let renamed = dice.below(rows.len() as u64) as usize;
    rows[renamed]["candidate_name"] = json!(format!("Renamed {number}"));
    let contest = dice.pick(&[TOWN, CLUB]);
    rows.push(
        json!({"contest_id": contest, "candidate_id": format!("coming-{number}"),
                     "position": number}),
    );
    let rows = register["locations"].as_array_mut().expect("locations");
    rows[2]["registered"] = json!(901 + number);
}
