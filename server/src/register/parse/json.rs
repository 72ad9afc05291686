//! A register as JSON: rows out of objects while the text is read, so that a long list of voters
//! is never held as values.

use std::borrow::Cow;
use std::fmt;

use dataflow::register::List;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::list;
use crate::register::reading::Reading;
use crate::register::row::{Cell, Row};

/// Gives the rows of a text.
pub(super) fn read(text: &str, reading: &mut Reading) {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Lists(reading).deserialize(&mut json);
    if let Err(error) = read.and_then(|()| json.end()) {
        // Of an error of the text it says no more than what was expected there, and where. What
        // is a value, and not the right one, is said by who takes it.
        reading.wrong("json", || error.to_string());
    }
}

/// What any value is: all of it is read, and only what is asked for is kept.
enum Value<'de> {
    Cell(Cell<'de>),
    List,
    Object,
}

impl Value<'_> {
    fn words(&self) -> &'static str {
        match self {
            Value::Cell(Cell::Nothing) => "null",
            Value::Cell(Cell::Flag(_)) => "true or false",
            Value::Cell(Cell::Text(_)) => "a text",
            Value::Cell(_) => "a number",
            Value::List => "a list",
            Value::Object => "an object",
        }
    }
}

/// Reads a value; the elements and the fields of what is more than a cell are given on.
trait Take<'de>: Sized {
    /// Whether and how a list's elements are read.
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::List)
    }

    /// The same of an object's fields.
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Value<'de>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object)
    }
}

/// A value that is visited.
struct Any<T>(T);

impl<'de, T: Take<'de>> DeserializeSeed<'de> for Any<T> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: Take<'de>> Visitor<'de> for Any<T> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Cell(Cell::Nothing))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value<'de>, E> {
        Ok(Value::Cell(Cell::Flag(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Cell(Cell::Integer(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        let large = || Cell::Other(Cow::Borrowed("a number of more than 64 bits"));
        let cell = i64::try_from(number).map_or_else(|_| large(), Cell::Integer);
        Ok(Value::Cell(cell))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        let words = "a number with a fraction or an exponent, or of more than 64 bits";
        Ok(Value::Cell(Cell::Other(Cow::Borrowed(words))))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Cell(Cell::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Cell(Cell::Text(Cow::Owned(text.to_string()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Value<'de>, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Value<'de>, A::Error> {
        self.0.object(object)
    }
}

/// The whole text: an object of lists.
struct Lists<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Lists<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let reading = self.0;
        match Any(Whole(reading)).deserialize(from)? {
            Value::Object => {}
            other => reading.wrong("json", || {
                format!("it is {}, not an object of lists", other.words())
            }),
        }
        Ok(())
    }
}

struct Whole<'r>(&'r mut Reading);

impl<'de> Take<'de> for Whole<'_> {
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Value<'de>, A::Error> {
        let reading = self.0;
        let mut seen = Vec::new();
        while let Some(name) = object.next_key_seed(Name)? {
            let Some(list) = list(&name) else {
                object.next_value::<IgnoredAny>()?;
                reading.unknown(&name);
                continue;
            };
            if seen.contains(&list) {
                object.next_value::<IgnoredAny>()?;
                reading.wrong(list.name(), || {
                    format!("the list '{name}' is there twice; write all its rows in one")
                });
                continue;
            }
            seen.push(list);
            match object.next_value_seed(Any(Rows(list, reading)))? {
                Value::List => {}
                other => reading.wrong(list.name(), || {
                    format!("'{name}' is not a list, but {}", other.words())
                }),
            }
        }
        Ok(Value::Object)
    }
}

/// A list of rows.
struct Rows<'r>(List, &'r mut Reading);

impl<'de> Take<'de> for Rows<'_> {
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        let Rows(of, reading) = self;
        loop {
            if reading.is_full(of) {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Value::List);
            }
            let mut row = Row::new(of);
            match list.next_element_seed(Any(OneRow(&mut row)))? {
                Some(Value::Object) => reading.row(of, row),
                Some(other) => reading.no_row(of, other.words()),
                None => return Ok(Value::List),
            }
        }
    }
}

/// One row of it.
struct OneRow<'r, 'de>(&'r mut Row<'de>);

impl<'de> Take<'de> for OneRow<'_, 'de> {
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Value<'de>, A::Error> {
        while let Some(name) = object.next_key_seed(Name)? {
            let cell = match object.next_value_seed(Any(Nobody))? {
                Value::Cell(cell) => cell,
                other => Cell::Other(Cow::Borrowed(other.words())),
            };
            self.0.put(name, cell);
        }
        Ok(Value::Object)
    }
}

/// Wants nothing of what is in a value.
struct Nobody;

impl<'de> Take<'de> for Nobody {}

/// The name of a field, borrowed where it has no escape.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cow<'de, str>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_string()))
    }
}
