//! A block: many records of one partition as one value of the store, with its own checksum.
//!
//! Messages come in and are laid one after the other; a [`Block`] goes out, compressed where that
//! pays, and is sealed with its place and time when these are known. [`unpack`] is the way back.
//! Never trusts what it reads: a value is whole and in its place, or it is an error.

use xxhash_rust::xxh3::xxh3_64;

/// The most bytes of records in a block, unless one record alone is larger. A reader holds one
/// block unpacked, and a POST packs this much between two yields to the runtime.
pub(super) const BLOCK_BYTES_MAX: usize = 256 * 1024;

/// The most records in a block: how far a poll may overshoot.
pub(super) const BLOCK_RECORDS_MAX: u32 = 1024;

/// Below it LZ4 finds nothing worth its time.
const COMPRESS_BYTES_MIN: usize = 256;

const HEADER_BYTES: usize = 48;
const LENGTH_BYTES: usize = 4;
const KIND_PLAIN: u32 = 1;
const KIND_LZ4: u32 = 2;

/// Records laid one after the other, each behind its length.
#[derive(Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    count: u32,
}

impl Records {
    pub(super) fn push(&mut self, record: &[u8]) {
        // An append, and so a record, is limited far below 4 GiB.
        self.bytes
            .extend_from_slice(&(record.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.count += 1;
    }

    /// Whether so many more, of so many bytes together, stay within a block.
    pub(super) fn has_room(&self, records: u32, bytes: usize) -> bool {
        self.count == 0
            || self.count + records <= BLOCK_RECORDS_MAX
                && self.bytes.len() + bytes <= BLOCK_BYTES_MAX
    }

    pub(super) fn join(&mut self, later: &Records) {
        self.bytes.extend_from_slice(&later.bytes);
        self.count += later.count;
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The bytes that they take, with their lengths.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that a record will take.
    pub(super) fn size_of(record: &[u8]) -> usize {
        record.len() + LENGTH_BYTES
    }
}

/// Records packed for the store; complete once sealed.
#[derive(Debug)]
pub(super) struct Block {
    value: Vec<u8>,
    count: u32,
    records_bytes: u32,
    kind: u32,
    payload_hash: u64,
}

impl Block {
    pub(super) fn pack(records: &Records) -> Block {
        let raw = &records.bytes;
        let compressed = (raw.len() >= COMPRESS_BYTES_MIN)
            .then(|| compress(raw))
            .flatten();
        let (kind, value) = match compressed {
            Some(value) => (KIND_LZ4, value),
            None => {
                let mut value = vec![0; HEADER_BYTES];
                value.extend_from_slice(raw);
                (KIND_PLAIN, value)
            }
        };
        Block {
            payload_hash: xxh3_64(&value[HEADER_BYTES..]),
            value,
            count: records.count,
            records_bytes: raw.len() as u32,
            kind,
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Gives it its place and time, and so the value to store.
    pub(super) fn seal(self, partition: u32, first_offset: i64, log_time_ms: i64) -> Vec<u8> {
        let header = Header {
            kind: self.kind,
            partition,
            first_offset,
            log_time_ms,
            count: self.count,
            records_bytes: self.records_bytes,
            payload_hash: self.payload_hash,
        };
        let mut value = self.value;
        value[..HEADER_BYTES].copy_from_slice(&header.encode());
        value
    }
}

/// LZ4 behind room for the header; `None` where it does not get smaller by a sixteenth.
fn compress(raw: &[u8]) -> Option<Vec<u8>> {
    let mut value = vec![0; HEADER_BYTES + lz4_flex::block::get_maximum_output_size(raw.len())];
    let size = lz4_flex::block::compress_into(raw, &mut value[HEADER_BYTES..]).ok()?;
    (size < raw.len() - raw.len() / 16).then(|| {
        value.truncate(HEADER_BYTES + size);
        value
    })
}

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    kind: u32,
    /// Its partition.
    pub(super) partition: u32,
    /// The offset of its first record; the others follow without gaps.
    pub(super) first_offset: i64,
    /// The log time of all its records.
    pub(super) log_time_ms: i64,
    /// How many records it holds.
    pub(super) count: u32,
    records_bytes: u32,
    payload_hash: u64,
}

impl Header {
    /// The offset after its last record.
    pub(super) fn next_offset(&self) -> i64 {
        self.first_offset + i64::from(self.count)
    }

    /// Its records in the buffer that it was unpacked into.
    pub(super) fn records<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[..self.records_bytes as usize]
    }

    /// 40 bytes of fields, little-endian, the payload's hash among them, and a hash of these.
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.partition.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first_offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.log_time_ms.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.count.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.records_bytes.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.payload_hash.to_le_bytes());
        let checksum = xxh3_64(&bytes[..40]);
        bytes[40..48].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(value: &[u8]) -> Result<Header, &'static str> {
        let (bytes, _) = value
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or("a block is cut short")?;
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
        let long = |at: usize| u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| bytes[at + i]));
        if xxh3_64(&bytes[..40]) != long(40) {
            return Err("the checksum of a block's head does not fit");
        }
        Ok(Header {
            kind: word(0),
            partition: word(4),
            first_offset: long(8) as i64,
            log_time_ms: long(16) as i64,
            count: word(24),
            records_bytes: word(28),
            payload_hash: long(32),
        })
    }
}

/// Checks a stored block and unpacks its records into the front of `buffer`, which grows to the
/// largest block that it ever held; [`Header::records`] finds them there.
///
/// The error says what does not fit.
pub(super) fn unpack(value: &[u8], buffer: &mut Vec<u8>) -> Result<Header, &'static str> {
    let header = Header::decode(value)?;
    let payload = &value[HEADER_BYTES..];
    if xxh3_64(payload) != header.payload_hash {
        return Err("the checksum of a block does not fit");
    }
    let size = header.records_bytes as usize;
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    let unpacked = &mut buffer[..size];
    match header.kind {
        KIND_PLAIN if payload.len() == size => unpacked.copy_from_slice(payload),
        KIND_LZ4 => {
            let got = lz4_flex::block::decompress_into(payload, unpacked)
                .map_err(|_| "a block cannot be decompressed")?;
            if got != size {
                return Err("a block decompresses to another size");
            }
        }
        _ => return Err("a block is of no known kind"),
    }
    let mut rest = &*unpacked;
    for _ in 0..header.count {
        next_record(&mut rest).ok_or("a block holds fewer records than it says")?;
    }
    if !rest.is_empty() {
        return Err("a block holds more records than it says");
    }
    Ok(header)
}

/// Takes the first record off `rest`.
pub(super) fn next_record<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let (record, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = tail;
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(records: &[&[u8]]) -> Vec<u8> {
        let mut laid = Records::default();
        for record in records {
            laid.push(record);
        }
        Block::pack(&laid).seal(3, 70, 1_383_508_800_123)
    }

    fn records_of(value: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
        let mut buffer = vec![9; 3];
        let header = unpack(value, &mut buffer)?;
        let mut rest = header.records(&buffer);
        let records: Vec<_> =
            std::iter::from_fn(|| next_record(&mut rest).map(<[u8]>::to_vec)).collect();
        assert_eq!(header.count as usize, records.len());
        assert_eq!(header.next_offset(), 70 + records.len() as i64);
        Ok(records)
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let repeated = b"{\"voter_id\":\"a\"}".repeat(100);
        for records in [
            vec![b"one".as_slice()],
            vec![b"".as_slice(), b"two", b""],
            vec![repeated.as_slice(), b"after"],
        ] {
            assert_eq!(records_of(&value_of(&records)).unwrap(), records);
        }
        assert!(value_of(&[&repeated]).len() < repeated.len() / 4);
    }

    #[test]
    fn no_single_bit_may_differ() {
        for value in [value_of(&[b"one", b"two"]), value_of(&[&[7; 400]])] {
            for bit in 0..value.len() * 8 {
                let mut damaged = value.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(records_of(&damaged).is_err(), "bit {bit} may differ");
            }
        }
    }

    #[test]
    fn no_cut_passes() {
        let value = value_of(&[b"one", b"two"]);
        for size in 0..value.len() {
            assert!(records_of(&value[..size]).is_err(), "{size} bytes pass");
        }
    }
}
