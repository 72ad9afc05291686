//! The real elections in the binary, from the files in `data/` as their sources publish them.
//!
//! Comes in as embedded CSV; goes on as sums. The numbers are never touched.

use serde::Deserialize;

use super::ElectionError;
use super::sums::{CandidateEntry, Gathered, Sum, Sums};

pub(super) const MONTREAL_2013: &str = "montreal-2013";
pub(super) const UK_2019: &str = "uk-2019";

const MONTREAL_CSV: &str = include_str!("../../data/montreal-2013.csv");
const MONTREAL_GEOJSON: &str = include_str!("../../data/montreal-2013.geojson");
const UK_CSV: &str = include_str!("../../data/uk-2019.csv");

/// Id, name, party, colour.
const MONTREAL_CANDIDATES: [[&str; 4]; 3] = [
    [
        "coderre",
        "Denis Coderre",
        "Équipe Denis Coderre pour Montréal",
        "#7b3f98",
    ],
    [
        "joly",
        "Mélanie Joly",
        "Vrai changement pour Montréal - Groupe Mélanie Joly",
        "#e07b12",
    ],
    ["bergeron", "Richard Bergeron", "Projet Montréal", "#3d9b35"],
];

/// Id, name, party as the source writes it, colour.
const UK_CANDIDATES: [[&str; 4]; 14] = [
    [
        "conservative",
        "Conservative Party",
        "Conservative Party",
        "#0087dc",
    ],
    ["labour", "Labour Party", "Labour", "#e4003b"],
    [
        "liberal-democrats",
        "Liberal Democrats",
        "Liberal Democrats",
        "#faa61a",
    ],
    ["snp", "Scottish National Party", "SNP", "#d9c300"],
    ["green", "Green parties", "Green", "#02a95b"],
    ["brexit", "Brexit Party", "Brexit", "#12b6cf"],
    ["dup", "Democratic Unionist Party", "DUP", "#d46a4c"],
    ["sinn-fein", "Sinn Féin", "Sinn Fein", "#326760"],
    ["plaid-cymru", "Plaid Cymru", "Plaid Cymru", "#005b54"],
    ["alliance", "Alliance Party", "Alliance", "#c9a01e"],
    [
        "sdlp",
        "Social Democratic and Labour Party",
        "SDLP",
        "#2aa82c",
    ],
    ["uup", "Ulster Unionist Party", "UUP", "#48a5ee"],
    ["speaker", "The Speaker", "Speaker", "#777777"],
    ["other", "Other candidates", "Other", "#a09a90"],
];

/// The sums of an embedded election; `None` if there is none of this name.
pub(super) fn sums(name: &str) -> Option<Result<Sums, ElectionError>> {
    let read = match name {
        MONTREAL_2013 => montreal_2013(),
        UK_2019 => uk_2019(),
        _ => return None,
    };
    Some(read.map_err(|source| ElectionError::Csv {
        what: format!("the embedded election '{name}'"),
        source,
    }))
}

/// The outlines of an embedded election, by the name of the file.
pub(super) fn geojson(file_name: &str) -> Option<&'static str> {
    (file_name == "montreal-2013.geojson").then_some(MONTREAL_GEOJSON)
}

#[derive(Deserialize)]
struct MontrealLine {
    district: String,
    #[serde(rename = "Coderre")]
    coderre: u64,
    #[serde(rename = "Joly")]
    joly: u64,
    #[serde(rename = "Bergeron")]
    bergeron: u64,
    district_id: String,
}

fn montreal_2013() -> Result<Sums, csv::Error> {
    let mut gathered = Gathered::default();
    for line in csv::Reader::from_reader(MONTREAL_CSV.as_bytes()).deserialize() {
        let line: MontrealLine = line?;
        let name = line
            .district
            .split_once('-')
            .map(|(_, name)| name.to_string());
        gathered.location(&line.district_id).name = name;
        for (id, votes) in [
            ("coderre", line.coderre),
            ("joly", line.joly),
            ("bergeron", line.bergeron),
        ] {
            gathered.sums.sums.push(sum(&line.district_id, id, votes));
        }
    }
    Ok(Sums {
        election_id: MONTREAL_2013.to_string(),
        name: Some("Montréal 2013".to_string()),
        date: Some("2013-11-03".to_string()),
        time_zone: Some("America/Montreal".to_string()),
        geojson_url: Some("/geo/montreal-2013.geojson".to_string()),
        contest_id: Some("mayor".to_string()),
        contest_name: Some("Mayor of Montréal".to_string()),
        starts_at: Some("2013-11-03T20:00:00-05:00".to_string()),
        hours: Some(4),
        candidates: MONTREAL_CANDIDATES.map(candidate).to_vec(),
        ..gathered.sums
    })
}

#[derive(Deserialize)]
struct UkLine {
    ons_id: String,
    constituency: String,
    county: Option<String>,
    region: String,
    country: String,
    electorate: u64,
    party: String,
    votes: u64,
}

fn uk_2019() -> Result<Sums, csv::Error> {
    let mut gathered = Gathered::default();
    for line in csv::Reader::from_reader(UK_CSV.as_bytes()).deserialize() {
        let line: UkLine = line?;
        let mut path = format!("{}/{}", line.country, line.region);
        if let Some(county) = &line.county {
            path = format!("{path}/{county}");
        }
        let parent = gathered.group(&path, |path| path.to_lowercase().replace(' ', "-"));
        let entry = gathered.location(&line.ons_id);
        entry.name = Some(title_case(&line.constituency));
        entry.parent = Some(parent);
        entry.registered = Some(line.electorate);
        let [id, ..] = UK_CANDIDATES
            .into_iter()
            .find(|[_, _, party, _]| *party == line.party)
            .unwrap_or(UK_CANDIDATES[UK_CANDIDATES.len() - 1]);
        gathered.sums.sums.push(sum(&line.ons_id, id, line.votes));
    }
    Ok(Sums {
        election_id: UK_2019.to_string(),
        name: Some("United Kingdom 2019".to_string()),
        date: Some("2019-12-12".to_string()),
        time_zone: Some("Europe/London".to_string()),
        contest_id: Some("westminster".to_string()),
        contest_name: Some("House of Commons, votes by party".to_string()),
        starts_at: Some("2019-12-12T22:00:00Z".to_string()),
        hours: Some(6),
        candidates: UK_CANDIDATES.map(candidate).to_vec(),
        ..gathered.sums
    })
}

fn candidate([id, name, party, color]: [&str; 4]) -> CandidateEntry {
    CandidateEntry {
        candidate_id: id.to_string(),
        candidate_name: Some(name.to_string()),
        party: Some(party.to_string()),
        color: Some(color.to_string()),
        photo_url: None,
    }
}

fn sum(location: &str, candidate: &str, votes: u64) -> Sum {
    Sum {
        location: Some(location.to_string()),
        candidate: Some(candidate.to_string()),
        votes,
    }
}

/// `STOKE-ON-TRENT NORTH` as `Stoke-on-Trent North`: the source shouts.
fn title_case(name: &str) -> String {
    let mut title = String::with_capacity(name.len());
    for word in name.split_inclusive([' ', '-']) {
        let is_small = matches!(
            word.trim_end_matches([' ', '-']),
            "AND" | "AN" | "LE" | "OF" | "ON" | "SUPER" | "THE" | "UNDER" | "UPON"
        );
        let start = word.find(char::is_alphabetic).map_or(0, |at| at + 1);
        let head = if is_small && !title.is_empty() {
            0
        } else {
            start
        };
        title.push_str(&word[..head]);
        title.push_str(&word[head..].to_lowercase());
    }
    title
}

#[cfg(test)]
mod tests {
    use super::title_case;

    #[test]
    fn constituencies_are_written_as_people_write_them() {
        for (shouted, written) in [
            ("STOKE-ON-TRENT NORTH", "Stoke-on-Trent North"),
            ("THE COTSWOLDS", "The Cotswolds"),
            ("RICHMOND (YORKS)", "Richmond (Yorks)"),
            ("NA H-EILEANAN AN IAR", "Na H-Eileanan an Iar"),
            ("AYR, CARRICK AND CUMNOCK", "Ayr, Carrick and Cumnock"),
        ] {
            assert_eq!(title_case(shouted), written);
        }
    }
}
