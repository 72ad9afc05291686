//! What the log says of itself in its own store: format, topic's ends, and whether it was closed.
//!
//! Written with every commit, so that it always agrees with the blocks; read when the log is
//! opened, to hold the blocks against it.

use xxhash_rust::xxh3::xxh3_64;

use super::PARTITIONS;

/// The version of everything that is written. Another one is refused.
pub(super) const FORMAT: u32 = 1;

const PARTITION_BYTES: usize = 16;
const FIELDS_BYTES: usize = 8 + PARTITIONS as usize * PARTITION_BYTES;

/// Where a partition ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The offset that the next record gets.
    pub(super) next_offset: i64,
    /// The log time of the last one.
    pub(super) log_time_ms: i64,
}

/// The state of the log after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Where each partition ends.
    pub(super) ends: [End; PARTITIONS as usize],
    /// Whether the log was closed after its last commit. Otherwise its process was killed, or the
    /// machine lost power.
    pub(super) closed: bool,
}

/// Why a state cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is of another version of the format.
    Format(u32),
    /// It is not what was written.
    Damaged,
}

impl State {
    /// A log without records.
    pub(super) const EMPTY: State = State {
        ends: [End {
            next_offset: 0,
            log_time_ms: i64::MIN,
        }; PARTITIONS as usize],
        closed: true,
    };

    /// The time of the last record of all; the earliest there is, of none.
    pub(super) fn last_ms(&self) -> i64 {
        let times = self.ends.iter().map(|end| end.log_time_ms);
        times.max().unwrap_or(i64::MIN)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIELDS_BYTES + 8);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.closed).to_le_bytes());
        for end in &self.ends {
            bytes.extend_from_slice(&end.next_offset.to_le_bytes());
            bytes.extend_from_slice(&end.log_time_ms.to_le_bytes());
        }
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<State, Unfit> {
        let (format, _) = bytes.split_first_chunk::<4>().ok_or(Unfit::Damaged)?;
        let format = u32::from_le_bytes(*format);
        if format != FORMAT {
            return Err(Unfit::Format(format));
        }
        let (fields, checksum) = bytes.split_last_chunk::<8>().ok_or(Unfit::Damaged)?;
        if fields.len() != FIELDS_BYTES || xxh3_64(fields).to_le_bytes() != *checksum {
            return Err(Unfit::Damaged);
        }
        let long = |at: usize| i64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| fields[at + i]));
        let mut state = State {
            closed: fields[4] == 1,
            ..State::EMPTY
        };
        for (index, end) in state.ends.iter_mut().enumerate() {
            let at = 8 + index * PARTITION_BYTES;
            *end = End {
                next_offset: long(at),
                log_time_ms: long(at + 8),
            };
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut state = State::EMPTY;
        state.ends[7] = End {
            next_offset: 12,
            log_time_ms: -5,
        };
        state.closed = false;
        assert_eq!(State::decode(&state.encode()), Ok(state));
    }

    #[test]
    fn another_format_and_damage_are_told_apart() {
        let mut bytes = State::EMPTY.encode();
        bytes[0] = 9;
        assert_eq!(State::decode(&bytes), Err(Unfit::Format(9)));
        let mut bytes = State::EMPTY.encode();
        bytes[20] ^= 1;
        assert_eq!(State::decode(&bytes), Err(Unfit::Damaged));
        assert_eq!(State::decode(&[]), Err(Unfit::Damaged));
    }
}
