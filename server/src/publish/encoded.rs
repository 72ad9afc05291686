//! Bytes that many are sent: as they are, and compressed once for all who take that.
//!
//! Compressed bytes are blocks of DEFLATE (RFC 1951) that end in a full flush: they refer to
//! nothing before them, so a stream may begin with any of them, and whatever comes next follows.
//! With the head and the end of gzip (RFC 1952) around them they are a file.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

use super::budget::Budget;

/// What a file of gzip begins with: no name, no time, any system.
pub const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The last block of DEFLATE, with nothing in it.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Text of ours becomes a tenth; the next levels take twice the time for a twentieth less.
const LEVEL: u32 = 4;

/// Less is not worth it.
const COMPRESSED_MIN: usize = 512;

thread_local! {
    /// A third of a megabyte, so it is used again.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
}

/// See the module. Clones share it.
#[derive(Clone, Debug)]
pub struct Encoded(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    plain: Bytes,
    budget: Budget,
    blocks: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
}

impl Encoded {
    /// Bytes that the budget counts, as it will what is made of them.
    pub fn new(plain: Bytes, budget: Budget) -> Encoded {
        let (blocks, gzip) = Default::default();
        Encoded(Arc::new(Inner {
            plain,
            budget,
            blocks,
            gzip,
        }))
    }

    /// As they are.
    pub fn plain(&self) -> &Bytes {
        &self.0.plain
    }

    /// As blocks.
    pub fn blocks(&self) -> &Bytes {
        let Inner { plain, budget, .. } = &*self.0;
        self.0.blocks.get_or_init(|| budget.count(compress(plain)))
    }

    /// Whether it is worth to compress it.
    pub fn is_worth_it(&self) -> bool {
        self.plain().len() >= COMPRESSED_MIN
    }

    /// As a file of gzip.
    pub fn gzip(&self) -> &Bytes {
        self.0.gzip.get_or_init(|| {
            let mut sum = Checksum::default();
            sum.add(self.plain());
            let file = [&GZIP_HEAD[..], &compress(self.plain()), &sum.end()].concat();
            self.0.budget.count(file.into())
        })
    }
}

/// What a file of gzip says of its content at its end.
#[derive(Debug, Default)]
pub struct Checksum {
    crc: Hasher,
    bytes: u32,
}

impl Checksum {
    /// Adds what the next blocks hold.
    pub fn add(&mut self, plain: &[u8]) {
        self.crc.update(plain);
        self.bytes = self.bytes.wrapping_add(plain.len() as u32);
    }

    /// What comes after the blocks.
    pub fn end(self) -> Vec<u8> {
        let mut end = LAST_BLOCK.to_vec();
        end.extend_from_slice(&self.crc.finalize().to_le_bytes());
        end.extend_from_slice(&self.bytes.to_le_bytes());
        end
    }
}

fn compress(plain: &[u8]) -> Bytes {
    let mut blocks = Vec::with_capacity(plain.len() / 8 + 64);
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        loop {
            let rest = &plain[compress.total_in() as usize..];
            let done = compress.compress_vec(rest, &mut blocks, FlushCompress::Full);
            done.expect("all levels and flushes are known");
            // It has flushed everything once it leaves room.
            if compress.total_in() as usize == plain.len() && blocks.len() < blocks.capacity() {
                break;
            }
            blocks.reserve(blocks.len().max(1024));
        }
    });
    blocks.into_boxed_slice().into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn unpacked(file: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(file)
            .read_to_end(&mut plain)
            .expect("a file of gzip");
        plain
    }

    proptest! {
        #[test]
        fn any_blocks_after_each_other_are_a_file(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..6),
        ) {
            let (mut file, mut sum) = (GZIP_HEAD.to_vec(), Checksum::default());
            for part in &parts {
                let encoded = Encoded::new(part.clone().into(), Budget::default());
                file.extend_from_slice(encoded.blocks());
                sum.add(part);
            }
            file.extend(sum.end());
            prop_assert_eq!(unpacked(&file), parts.concat());
        }
    }

    #[test]
    fn an_answer_is_a_file_that_is_smaller() {
        let row = r#"{"location":"213","accepted":1204,"votes":{"a":600,"b":604}},"#;
        let encoded = Encoded::new(row.repeat(1000).into(), Budget::default());
        let file = encoded.gzip();
        assert!(encoded.is_worth_it());
        assert!(file.len() * 8 < encoded.plain().len(), "{}", file.len());
        assert_eq!(unpacked(file), row.repeat(1000).into_bytes());
        assert!(!Encoded::new("small".into(), Budget::default()).is_worth_it());
    }
}
