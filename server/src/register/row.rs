//! One row as a source has it: named cells in, values of the register's types out.
//!
//! What cannot be read is said with the list, the row's number and the field; what was written
//! there only to the operator, and of a person's row to nobody.

use std::borrow::Cow;
use std::collections::HashSet;

use dataflow::register::{
    ID_BYTES_MAX, Instant, Kind, List, Problems, RowName, is_date, is_id, quoted,
};
use dataflow::time::{INSTANT_MS_MAX, INSTANT_MS_MIN, parse_rfc3339};
use dataflow::wire::time_zone;

/// The most fields of a list.
const FIELDS_MAX: usize = 11;

/// So many names of a row that are not known are noted.
const UNKNOWN_MAX: usize = 64;

/// The fields of a list, as its table has them.
pub(super) fn fields(list: List) -> &'static [&'static str] {
    match list {
        List::Elections => &[
            "election_id",
            "name",
            "date",
            "time_zone",
            "test",
            "roll",
            "geojson_url",
            "geojson_property",
        ],
        List::Contests => &[
            "contest_id",
            "election_id",
            "name",
            "is_default",
            "kind",
            "revote",
            "window_ms",
            "slide_ms",
            "opens_at",
            "closes_at",
        ],
        List::Candidates => &[
            "contest_id",
            "candidate_id",
            "candidate_name",
            "short_name",
            "party",
            "biography",
            "campaign_promises",
            "photo_url",
            "color",
            "position",
            "withdrawn_at",
        ],
        List::Locations => &["election_id", "location", "name", "parent", "registered"],
        List::Voters => &[
            "voter_id",
            "election_id",
            "name",
            "email",
            "registration_date",
            "location",
        ],
    }
}

/// A value, as all sources have them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Cell<'a> {
    /// Not there, or nothing.
    #[default]
    Nothing,
    /// True or false.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A text; also a date or an instant.
    Text(Cow<'a, str>),
    /// What no field can be, in words such as "a list".
    Other(Cow<'static, str>),
}

impl Cell<'_> {
    /// What it is, in words.
    fn words(&self) -> &str {
        match self {
            Cell::Nothing => "nothing",
            Cell::Flag(_) => "true or false",
            Cell::Integer(_) => "a number",
            Cell::Text(_) => "a text",
            Cell::Other(words) => words,
        }
    }

    /// What was written, to be shown.
    fn written(&self) -> Option<String> {
        match self {
            Cell::Flag(flag) => Some(flag.to_string()),
            Cell::Integer(number) => Some(number.to_string()),
            Cell::Text(text) => Some(quoted(text)),
            Cell::Nothing | Cell::Other(_) => None,
        }
    }
}

/// A row of a list.
#[derive(Debug)]
pub(super) struct Row<'a> {
    list: List,
    cells: [Cell<'a>; FIELDS_MAX],
    has: [bool; FIELDS_MAX],
    unknown: HashSet<Cow<'a, str>>,
    /// The first field that was there again; a name that is not known is not shown.
    twice: Option<&'static str>,
}

impl<'a> Row<'a> {
    /// One without fields.
    pub(super) fn new(list: List) -> Row<'a> {
        Row {
            list,
            cells: Default::default(),
            has: [false; FIELDS_MAX],
            unknown: HashSet::new(),
            twice: None,
        }
    }

    /// Sets a field.
    pub(super) fn put(&mut self, name: Cow<'a, str>, cell: Cell<'a>) {
        let known = fields(self.list);
        match known.iter().position(|known| *known == name) {
            Some(at) => self.put_at(at, cell),
            None if self.unknown.contains(&name) => {
                self.twice.get_or_insert("a field that is not known");
            }
            None if self.unknown.len() < UNKNOWN_MAX => {
                self.unknown.insert(name);
            }
            None => {}
        }
    }

    /// Sets a field by its place in [`fields`].
    pub(super) fn put_at(&mut self, at: usize, cell: Cell<'a>) {
        if self.has[at] {
            self.twice.get_or_insert(fields(self.list)[at]);
        }
        self.has[at] = true;
        self.cells[at] = cell;
    }

    /// The names that are not known. Those of a person's row could be anything.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        let list = self.list;
        let shown = move |name| match list {
            List::Voters => "a field of a voter",
            _ => name,
        };
        self.unknown.iter().map(move |name| shown(&**name))
    }
}

/// The ends of time: what an instant that is none stands for.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    /// Before it nothing counts: from ever on, or never.
    Opens,
    /// From it on nothing counts.
    Closes,
    /// From it on it holds.
    Since,
}

impl Ends {
    fn read(self, text: &str) -> Option<Option<Instant>> {
        let (first, last) = (Instant(INSTANT_MS_MIN), Instant(INSTANT_MS_MAX));
        match (text, self) {
            ("infinity", Ends::Opens) => Some(Some(last)),
            ("-infinity", Ends::Closes | Ends::Since) => Some(Some(first)),
            ("infinity", _) | ("-infinity", Ends::Opens) => Some(None),
            _ => None,
        }
    }
}

/// Takes a row's fields, and notes what cannot be read.
pub(super) struct Fields<'p, 'a> {
    row: Row<'a>,
    at: usize,
    key: Option<(String, Option<String>)>,
    problems: &'p mut Problems,
    failed: bool,
}

impl<'p, 'a> Fields<'p, 'a> {
    /// The fields of the row of this number.
    pub(super) fn new(row: Row<'a>, at: usize, problems: &'p mut Problems) -> Fields<'p, 'a> {
        let mut fields = Fields {
            row,
            at,
            key: None,
            problems,
            failed: false,
        };
        if let Some(name) = fields.row.twice {
            fields.say(
                name,
                format!(", {name}: it is there twice; write it once"),
                None,
            );
        }
        fields
    }

    /// Says what the row is called in what is said from here on.
    pub(super) fn key(&mut self, id: Option<&str>, within: Option<&str>) {
        // Nobody is told a voter's.
        if self.row.list != List::Voters {
            self.key = id.map(|id| (id.to_string(), within.map(str::to_string)));
        }
    }

    /// Whether anything could not be read.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    fn take(&mut self, name: &'static str) -> Cell<'a> {
        let known = fields(self.row.list);
        let at = known.iter().position(|known| *known == name);
        at.map_or(Cell::Nothing, |at| std::mem::take(&mut self.row.cells[at]))
    }

    fn say(&mut self, field: &'static str, what: String, written: Option<String>) {
        self.failed = true;
        let list = self.row.list;
        let key = self.key.as_ref();
        let row = RowName {
            list,
            at: self.at,
            key: key.map(|(id, within)| (id.as_str(), within.as_deref())),
        };
        let full = match written {
            Some(written) if !matches!(list, List::Candidates | List::Voters) => {
                format!("{what}; it is {written}")
            }
            _ => what.clone(),
        };
        let kind: Kind = (list.name(), field);
        self.problems.row_with(kind, row, what, full);
    }

    fn wrong(&mut self, field: &'static str, cell: &Cell<'_>, wanted: &str) {
        let what = match cell {
            Cell::Text(_) => format!(", {field}: the text is not {wanted}"),
            _ => format!(", {field}: {} is not {wanted}", cell.words()),
        };
        self.say(field, what, cell.written());
    }

    /// An id that must be there; `None` once it is said why it is none.
    pub(super) fn id(&mut self, field: &'static str) -> Option<Cow<'a, str>> {
        match self.take(field) {
            Cell::Nothing => {
                self.say(field, format!(", {field}: it is missing"), None);
                None
            }
            cell => self.read_id(field, cell),
        }
    }

    /// An id that may be absent.
    pub(super) fn optional_id(&mut self, field: &'static str) -> Option<Cow<'a, str>> {
        match self.take(field) {
            Cell::Nothing => None,
            cell => self.read_id(field, cell),
        }
    }

    fn read_id(&mut self, field: &'static str, cell: Cell<'a>) -> Option<Cow<'a, str>> {
        match cell {
            Cell::Integer(number) => Some(number.to_string().into()),
            Cell::Text(text) if is_id(&text) => Some(text),
            cell => {
                let wanted = format!(
                    "an id: a text of 1 to {ID_BYTES_MAX} bytes without U+0000, or a whole number"
                );
                self.wrong(field, &cell, &wanted);
                None
            }
        }
    }

    /// A text.
    pub(super) fn text(&mut self, field: &'static str) -> Option<String> {
        match self.take(field) {
            Cell::Nothing => None,
            Cell::Text(text) => Some(text.into_owned()),
            cell => {
                self.wrong(field, &cell, "a text");
                None
            }
        }
    }

    /// True or false; false where absent.
    pub(super) fn flag(&mut self, field: &'static str) -> bool {
        match self.take(field) {
            Cell::Nothing => false,
            Cell::Flag(flag) => flag,
            cell => {
                self.wrong(field, &cell, "true or false");
                false
            }
        }
    }

    /// A whole number.
    pub(super) fn integer(&mut self, field: &'static str) -> Option<i64> {
        match self.take(field) {
            Cell::Nothing => None,
            Cell::Integer(number) => Some(number),
            cell => {
                self.wrong(field, &cell, "a whole number of 64 bits");
                None
            }
        }
    }

    /// A whole number that is not below zero.
    pub(super) fn count(&mut self, field: &'static str) -> Option<u64> {
        match self.take(field) {
            Cell::Nothing => None,
            Cell::Integer(number @ 0..) => Some(number.unsigned_abs()),
            cell => {
                self.wrong(field, &cell, "a whole number from 0 on");
                None
            }
        }
    }

    /// A day.
    pub(super) fn date(&mut self, field: &'static str) -> Option<String> {
        match self.take(field) {
            Cell::Nothing => None,
            Cell::Text(text) if is_date(&text) => Some(text.into_owned()),
            cell => {
                self.wrong(field, &cell, "a day that there is, written as 2013-11-03");
                None
            }
        }
    }

    /// A time zone's name.
    pub(super) fn time_zone(&mut self, field: &'static str) -> Option<String> {
        match self.take(field) {
            Cell::Nothing => None,
            Cell::Text(text) if time_zone(&text).is_some() => Some(text.into_owned()),
            cell => {
                self.wrong(
                    field,
                    &cell,
                    "a time zone of the IANA database, as America/Montreal",
                );
                None
            }
        }
    }

    /// An instant.
    pub(super) fn instant(&mut self, field: &'static str, ends: Ends) -> Option<Instant> {
        let cell = self.take(field);
        let read = match &cell {
            Cell::Nothing => Some(None),
            Cell::Integer(ms) => Some(Some(Instant(*ms))),
            Cell::Text(text) => match parse_rfc3339(text.as_bytes()) {
                Some(ms) => Some(Some(Instant(ms))),
                None => ends.read(text),
            },
            Cell::Flag(_) | Cell::Other(_) => None,
        };
        let in_years = |at: Option<Instant>| {
            at.is_none_or(|at| (INSTANT_MS_MIN..=INSTANT_MS_MAX).contains(&at.0))
        };
        match read {
            Some(at) if in_years(at) => at,
            _ => {
                let wanted = "an instant of the years 0001 to 9999; write it as \
                              2013-11-03T20:00:00-05:00, or as milliseconds since 1970";
                self.wrong(field, &cell, wanted);
                None
            }
        }
    }
}
