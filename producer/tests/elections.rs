//! The embedded elections and one's own files: registers that a server takes, errors that help.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dataflow::register::Register;
use producer::election::Sums;
use producer::{Election, Options, Replay};

fn named(name: &str) -> Election {
    Election::named(name)
        .expect("it is embedded")
        .expect("it is sound")
}

fn seats(election: &Election) -> BTreeMap<String, u64> {
    let replay = Replay::new(election, &Options::default()).expect("no shares always fit");
    let mut seats = BTreeMap::new();
    for row in replay.expected().locations.iter().filter(|row| row.leaf) {
        *seats
            .entry(row.leader.clone().expect("none is tied"))
            .or_default() += 1;
    }
    seats
}

#[test]
fn registers_are_sound_and_survive_both_formats() {
    for name in Election::NAMES {
        let register = named(name).register();
        assert_eq!(register.check(), []);
        assert_eq!(
            register.default_contest(),
            Some(&*register.contests[0].contest_id)
        );
        assert_eq!(register.contests[0].revote, "last");
        assert!(!register.elections[0].test);
        let toml = toml::to_string(&register).expect("it is plain data");
        assert_eq!(
            toml::from_str::<Register>(&toml).expect("it reads back"),
            register
        );
        let json = serde_json::to_string(&register).expect("it is plain data");
        assert_eq!(
            serde_json::from_str::<Register>(&json).expect("it reads back"),
            register
        );
    }
}

#[test]
fn montreal_is_as_published() {
    let election = named("montreal-2013");
    let register = election.register();
    assert_eq!(register.elections[0].election_id, "montreal-2013");
    assert_eq!(register.contests[0].contest_id, "mayor");
    assert_eq!(register.locations.len(), 58);
    let names: Vec<_> = register
        .candidates
        .iter()
        .map(|c| c.candidate_name.as_deref())
        .collect();
    let names_expected = ["Denis Coderre", "Mélanie Joly", "Richard Bergeron"];
    assert_eq!(names, names_expected.map(Some));
    let mile_end = register.locations.iter().find(|row| row.location == "111");
    assert_eq!(
        mile_end.and_then(|row| row.name.as_deref()),
        Some("Mile-End")
    );
    assert_eq!(election.ballots(), 391_166);
    let led = [("bergeron", 15), ("coderre", 29), ("joly", 14)];
    assert_eq!(
        seats(&election),
        led.map(|(id, n)| (id.to_string(), n)).into()
    );
}

#[test]
fn montreals_outlines_are_of_its_locations() {
    let register = named("montreal-2013").register();
    let url = register.elections[0]
        .geojson_url
        .as_deref()
        .expect("it has outlines");
    let file_name = url.rsplit('/').next().expect("a url has a last part");
    let outlines = Election::geojson(file_name).expect("they are embedded");
    let outlines: serde_json::Value = serde_json::from_str(outlines).expect("it is JSON");
    let features = outlines["features"].as_array().expect("it has features");
    let ids: BTreeSet<&str> = features.iter().filter_map(|f| f["id"].as_str()).collect();
    let codes: BTreeSet<&str> = register
        .locations
        .iter()
        .map(|row| &*row.location)
        .collect();
    assert_eq!(ids, codes);
}

#[test]
fn the_united_kingdom_is_as_published() {
    let election = named("uk-2019");
    let register = election.register();
    assert_eq!(register.contests[0].contest_id, "westminster");
    let parents: BTreeSet<_> = register
        .locations
        .iter()
        .filter_map(|l| l.parent.as_deref())
        .collect();
    let leaves: Vec<_> = register
        .locations
        .iter()
        .filter(|l| !parents.contains(&*l.location))
        .collect();
    assert_eq!(leaves.len(), 650);
    assert_eq!(
        leaves.iter().filter_map(|l| l.registered).sum::<u64>(),
        47_567_752
    );
    let roots = register.locations.iter().filter(|l| l.parent.is_none());
    assert_eq!(roots.count(), 4);
    let by_code: HashMap<_, _> = register
        .locations
        .iter()
        .map(|l| (l.location.as_str(), l))
        .collect();
    let (region, county) = (by_code["england/london"], by_code["england/london/london"]);
    assert_eq!(
        (region.name.as_deref(), county.name.as_deref()),
        (Some("London"), Some("London"))
    );
    assert_eq!(
        by_code["W07000049"].parent.as_deref(),
        Some("wales/wales/west-glamorgan")
    );
    let seats = seats(&election);
    for (party, count) in [
        ("conservative", 365),
        ("labour", 202),
        ("snp", 48),
        ("liberal-democrats", 11),
    ] {
        assert_eq!(seats[party], count, "{party}");
    }
    assert_eq!(seats.values().sum::<u64>(), 650);
}

const CSV: &str = "\
location,candidate,votes,location_name,parent,registered,candidate_name,party,extra
n1,ana,10,North 1,Town/North,40,Ana A.,Apples,x
n1,ben,5,,,,Ben B.,,
n1,,2,,,,,,
s1,ana,1,\"South, the first\",Town/South,,,,
";

#[test]
fn ones_own_csv_makes_a_tree() {
    let mut sums = Sums::from_csv(CSV.as_bytes(), "a test").expect("it is sound");
    sums.election_id = "own".to_string();
    let election = Election::from_sums(sums).expect("it is sound");
    let register = election.register();
    assert_eq!(register.check(), []);
    let codes: Vec<_> = register
        .locations
        .iter()
        .map(|l| (&*l.location, l.parent.as_deref()))
        .collect();
    let codes_expected = [
        ("Town", None),
        ("Town/North", Some("Town")),
        ("n1", Some("Town/North")),
        ("Town/South", Some("Town")),
        ("s1", Some("Town/South")),
    ];
    assert_eq!(codes, codes_expected);
    assert_eq!(register.locations[2].registered, Some(40));
    assert_eq!(
        register.locations[4].name.as_deref(),
        Some("South, the first")
    );
    assert_eq!(register.candidates[0].party.as_deref(), Some("Apples"));
    assert_eq!(election.ballots(), 18);
}

#[test]
fn ones_own_files_are_read_by_their_ending() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let csv = folder.path().join("club-2024.csv");
    std::fs::write(&csv, CSV).expect("the file can be written");
    let found = Election::find(csv.to_str().expect("the path is text")).expect("it is sound");
    assert_eq!((found.election_id(), found.ballots()), ("club-2024", 18));
    let json = folder.path().join("club.JSON");
    let text = r#"{"election_id":"club","contest_id":"chair","revote":"first",
        "starts_at":"2024-05-01T20:00:00+02:00","hours":2,
        "sums":[{"candidate":"ana","votes":3},{"candidate":"ben","votes":4},{"votes":1}]}"#;
    std::fs::write(&json, text).expect("the file can be written");
    let found = Election::read(&json).expect("it is sound");
    assert_eq!((found.election_id(), found.ballots()), ("club", 8));
    assert_eq!(found.contest().revote, "first");
    assert_eq!(found.evening().offset_minutes, 120);
    assert!(found.register().locations.is_empty());
}

/// What is wrong is said, in words that the text holds.
fn check_error(sums: Result<Sums, producer::ElectionError>, words: &str) {
    let error = sums
        .and_then(Election::from_sums)
        .expect_err("it is not sound");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    let said = format!("{error}: {}", source.unwrap_or_default());
    assert!(said.contains(words), "'{said}' does not say '{words}'");
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    for (csv, words) in [
        ("location,candidate\nn,a\n", "votes"),
        ("location,candidate,votes\nn,a,-1\n", "line: 2"),
        ("location,candidate,votes\n", "it has no votes"),
        ("location,candidate,votes\nn,a,1\nn,a,2\n", "there twice"),
        (
            "location,candidate,votes\nn,a,1\n,a,2\n",
            "have no location",
        ),
        (
            "location,candidate,votes,parent\nn,a,1,\nm,a,2,n\n",
            "has locations below it",
        ),
        (
            "location,candidate,votes\nn,a,5000000000\n",
            "at most 4294967295",
        ),
    ] {
        let sums = Sums::from_csv(csv.as_bytes(), "a test").map(|sums| Sums {
            election_id: "own".to_string(),
            ..sums
        });
        check_error(sums, words);
    }
    for (json, words) in [
        (
            r#"{"sums":[{"candidat":"a","votes":1}]}"#,
            "unknown field `candidat`",
        ),
        (
            r#"{"election_id":"x","revote":"best","sums":[{"candidate":"a","votes":1}]}"#,
            "best",
        ),
        (
            r#"{"election_id":"x","hours":0,"sums":[{"candidate":"a","votes":1}]}"#,
            "hours",
        ),
        (
            r#"{"election_id":"x","starts_at":"noon","sums":[{"candidate":"a","votes":1}]}"#,
            "starts_at",
        ),
        (
            r#"{"election_id":"x","candidates":[{"candidate_id":"b"}],"sums":[{"candidate":"a","votes":1}]}"#,
            "no candidate 'a'",
        ),
    ] {
        check_error(Sums::from_json(json.as_bytes(), "a test"), words);
    }
    let unknown = Election::find("montreal-2031").expect_err("there is none");
    assert!(unknown.to_string().contains("montreal-2013, uk-2019"));
}
