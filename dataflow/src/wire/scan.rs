//! The shortcut for usual messages: one flat JSON object without escapes, in one pass.
//!
//! Text in; the same fields out that serde_json would find, or `None` where the message is
//! anything but usual, sound or not: then serde_json has the word. Never refuses by itself.

use super::fields::{Fields, Name, Value};

/// Notes the known fields of an object whose values are texts without escapes, integers and nulls,
/// with nothing but spaces between; `None` if it is not such, and then what is noted means nothing.
#[inline]
pub(super) fn flat<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    // Without these two kinds of byte every quotation mark opens or closes a text.
    let unusual = |byte: u8| byte < b' ' || byte == b'\\';
    if text
        .bytes()
        .fold(false, |found, byte| found | unusual(byte))
    {
        return None;
    }
    let mut cursor = Cursor { text, at: 0 };
    cursor.expect(b'{')?;
    if cursor.next()? == b'}' {
        cursor.at += 1;
        return cursor.is_at_the_end().then_some(());
    }
    loop {
        let name = cursor.text()?;
        cursor.expect(b':')?;
        let value = match cursor.next()? {
            b'"' => Value::Text(cursor.text()?),
            b'n' => Value::Json(cursor.null()?),
            _ => Value::Json(cursor.integer()?),
        };
        if let Some(name) = Name::of(name.as_bytes())
            && !fields.note(name, value)
        {
            return None;
        }
        let end = cursor.next()?;
        cursor.at += 1;
        match end {
            b',' => {}
            b'}' => return cursor.is_at_the_end().then_some(()),
            _ => return None,
        }
    }
}

/// Where a scan is.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is no space, which is not passed.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if byte != b' ' {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }

    fn is_at_the_end(&mut self) -> bool {
        self.next().is_none()
    }

    /// A text, without its quotation marks.
    fn text(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let len = quotation_mark(rest)?;
        let text = self.text.get(self.at..self.at + len)?;
        self.at += len + 1;
        Some(text)
    }

    fn null(&mut self) -> Option<&'a str> {
        let null = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        (null == "null").then_some(null)
    }

    /// An integer as JSON writes it. Whatever follows it that is no end of a value is found by
    /// the caller.
    fn integer(&mut self) -> Option<&'a str> {
        let bytes = &self.text.as_bytes()[self.at..];
        let sign = usize::from(bytes.first() == Some(&b'-'));
        let digits = bytes[sign..].iter();
        let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || (digits > 1 && bytes[sign] == b'0') {
            return None;
        }
        let integer = &self.text[self.at..self.at + sign + digits];
        self.at += sign + digits;
        Some(integer)
    }
}

/// How many bytes come before the next quotation mark; eight of them are looked at at once.
fn quotation_mark(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const MARK: u64 = u64::from_ne_bytes([b'"'; 8]);
    let mut words = bytes.chunks_exact(8);
    let mut at = 0;
    for word in words.by_ref() {
        // A byte that is zero after this is a mark (Mycroft's test); the lowest found is exact.
        let word = u64::from_le_bytes(word.try_into().ok()?) ^ MARK;
        let found = word.wrapping_sub(LOW) & !word & HIGH;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = words.remainder().iter().position(|byte| *byte == b'"')?;
    Some(at + rest)
}
