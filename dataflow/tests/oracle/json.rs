//! JSON as RFC 8259 has it and nothing more, read from bytes.
//!
//! In comes one message; out go the fields of one object in their order, doubled names and all,
//! with numbers as they were written and lone surrogates told apart. Never recursive: a message
//! may nest as deep as it is long.

/// A text after unescaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// One that Unicode can say.
    Whole(String),
    /// One with a surrogate that has no partner.
    Lone,
}

/// A value, as deep as an event needs it: a list of scalars, the rest only as being there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number as it was written.
    Number(String),
    /// A text.
    Text(Text),
    /// A list; lists and objects within it are [`Value::Nested`].
    List(Vec<Value>),
    /// An object, or a list within a list.
    Nested {
        /// Whether a lone surrogate is anywhere in it.
        lone: bool,
    },
}

impl Value {
    /// Whether a lone surrogate is anywhere in it.
    pub fn has_lone_surrogate(&self) -> bool {
        match self {
            Value::Null | Value::Bool | Value::Number(_) => false,
            Value::Text(text) => *text == Text::Lone,
            Value::List(items) => items.iter().any(Value::has_lone_surrogate),
            Value::Nested { lone } => *lone,
        }
    }
}

/// Reads a message that is one object; `None` if it is anything else.
pub fn read_object(bytes: &[u8]) -> Option<Vec<(Text, Value)>> {
    // Every byte that the grammar gives a meaning to is ASCII, so that bytes can be walked.
    std::str::from_utf8(bytes).ok()?;
    let mut reader = Reader { bytes, at: 0 };
    reader.skip_space();
    let fields = reader.object()?;
    reader.skip_space();
    (reader.at == bytes.len()).then_some(fields)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn object(&mut self) -> Option<Vec<(Text, Value)>> {
        let mut fields = Vec::new();
        self.expect(b'{')?;
        self.skip_space();
        if self.take(b'}') {
            return Some(fields);
        }
        loop {
            let name = self.name()?;
            self.skip_space();
            fields.push((name, self.value()?));
            self.skip_space();
            if !self.take(b',') {
                self.expect(b'}')?;
                return Some(fields);
            }
        }
    }

    /// A name with its colon.
    fn name(&mut self) -> Option<Text> {
        self.skip_space();
        let name = self.text()?;
        self.skip_space();
        self.expect(b':')?;
        Some(name)
    }

    fn value(&mut self) -> Option<Value> {
        if self.peek()? != b'[' {
            return self.item();
        }
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Some(Value::List(items));
        }
        loop {
            self.skip_space();
            items.push(self.item()?);
            self.skip_space();
            if !self.take(b',') {
                self.expect(b']')?;
                return Some(Value::List(items));
            }
        }
    }

    fn item(&mut self) -> Option<Value> {
        match self.peek()? {
            b'[' | b'{' => Some(Value::Nested {
                lone: self.nested()?,
            }),
            _ => self.scalar(),
        }
    }

    /// Walks over a list or an object of any depth; says whether it has a lone surrogate.
    fn nested(&mut self) -> Option<bool> {
        let mut awaited = Vec::new();
        let mut lone = false;
        loop {
            self.skip_space();
            let opened = self.peek()?;
            if opened == b'[' || opened == b'{' {
                self.at += 1;
                let closer = if opened == b'[' { b']' } else { b'}' };
                self.skip_space();
                if !self.take(closer) {
                    awaited.push(closer);
                    lone |= closer == b'}' && self.name()? == Text::Lone;
                    continue;
                }
            } else {
                lone |= self.scalar()?.has_lone_surrogate();
            }
            // A value is over: what is around it goes on, or is over too.
            loop {
                let Some(&closer) = awaited.last() else {
                    return Some(lone);
                };
                self.skip_space();
                if self.take(b',') {
                    lone |= closer == b'}' && self.name()? == Text::Lone;
                    break;
                }
                self.expect(closer)?;
                awaited.pop();
            }
        }
    }

    fn scalar(&mut self) -> Option<Value> {
        match self.peek()? {
            b'"' => self.text().map(Value::Text),
            b'n' => self.word("null").then_some(Value::Null),
            b't' => self.word("true").then_some(Value::Bool),
            b'f' => self.word("false").then_some(Value::Bool),
            _ => self.number().map(Value::Number),
        }
    }

    fn number(&mut self) -> Option<String> {
        let from = self.at;
        self.take(b'-');
        let whole_from = self.at;
        self.digits()?;
        if self.bytes[whole_from] == b'0' && self.at > whole_from + 1 {
            return None;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let written = &self.bytes[from..self.at];
        Some(String::from_utf8_lossy(written).into_owned())
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn text(&mut self) -> Option<Text> {
        self.expect(b'"')?;
        let mut bytes = Vec::new();
        let mut lone = false;
        loop {
            let byte = self.next()?;
            match byte {
                b'"' => break,
                0..0x20 => return None,
                b'\\' => match self.escaped()? {
                    Some(letter) => {
                        bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    None => lone = true,
                },
                other => bytes.push(other),
            }
        }
        if lone {
            return Some(Text::Lone);
        }
        String::from_utf8(bytes).ok().map(Text::Whole)
    }

    /// What follows a backslash; `Some(None)` for a surrogate without a partner.
    fn escaped(&mut self) -> Option<Option<char>> {
        let plain = match self.next()? {
            letter @ (b'"' | b'\\' | b'/') => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unit_and_partner(),
            _ => return None,
        };
        Some(Some(plain))
    }

    fn unit_and_partner(&mut self) -> Option<Option<char>> {
        let unit = self.unit()?;
        if !(0xd800..0xdc00).contains(&unit) {
            // A low surrogate on its own is no character.
            return Some(char::from_u32(unit));
        }
        let before = self.at;
        if self.take(b'\\') && self.take(b'u') {
            let low = self.unit()?;
            if (0xdc00..0xe000).contains(&low) {
                let letter = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Some(char::from_u32(letter));
            }
        }
        // What follows is no partner: it is read again for itself.
        self.at = before;
        Some(None)
    }

    fn unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + char::from(self.next()?).to_digit(16)?;
        }
        Some(unit)
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }
}
