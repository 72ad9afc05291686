//! Messages on their way to a target: their bytes behind one another, one a line.
//!
//! Filled by the replay, read by targets. Holds no newline inside a message, so that all bytes
//! together are NDJSON.

/// Messages in the order of their sending; reused from one filling to the next.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    lines: Vec<u8>,
    entries: Vec<Entry>,
}

/// One message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The voter's id; of a refused message just some bytes, to spread them over partitions.
    pub key: &'a [u8],
    /// What a log holds, without a newline.
    pub bytes: &'a [u8],
    /// Why it is no valid event, in the words of the event contract; `None` for a valid one.
    pub refused: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// After its last byte, before its newline.
    end: usize,
    key_at: usize,
    key_bytes: usize,
    refused: Option<&'static str>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// How many messages it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All messages, each followed by a newline.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The messages in order.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let starts = self.entries.iter().map(|entry| entry.end + 1);
        let spans = std::iter::once(0).chain(starts).zip(&self.entries);
        spans.map(|(start, entry)| Message {
            key: &self.lines[entry.key_at..entry.key_at + entry.key_bytes],
            bytes: &self.lines[start..entry.end],
            refused: entry.refused,
        })
    }

    /// Takes all messages out and keeps the room for them.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.entries.clear();
    }

    /// Adds a message. `write` appends its bytes, without a newline, and says where in them the
    /// key is, counted from the first byte it appended.
    pub fn add(
        &mut self,
        refused: Option<&'static str>,
        write: impl FnOnce(&mut Vec<u8>) -> std::ops::Range<usize>,
    ) {
        let start = self.lines.len();
        let key = write(&mut self.lines);
        let end = self.lines.len();
        debug_assert!(!self.lines[start..end].contains(&b'\n'));
        self.entries.push(Entry {
            end,
            key_at: start + key.start,
            key_bytes: key.len(),
            refused,
        });
        self.lines.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::Batch;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let mut batch = Batch::new();
        for text in ["one", "", "three"] {
            batch.add(None, |lines| {
                lines.extend_from_slice(text.as_bytes());
                0..text.len().min(2)
            });
        }
        let all: Vec<_> = batch.messages().map(|m| (m.key, m.bytes)).collect();
        let expected: [(&[u8], &[u8]); 3] = [(b"on", b"one"), (b"", b""), (b"th", b"three")];
        assert_eq!(all, expected);
        assert_eq!(batch.lines(), b"one\n\nthree\n");
    }
}
