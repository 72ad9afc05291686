//! Where a message lies in the log, as one number that orders by partition and then by offset.

use serde::{Deserialize, Serialize};

const OFFSET_BITS: u32 = 48;

/// A partition and an offset in it: 16 and 48 bits, so that a ballot can keep it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LogPlace(u64);

impl LogPlace {
    /// The largest number of a partition. Brokers advise against a hundredth of it.
    pub const PARTITION_MAX: u32 = (1 << (u64::BITS - OFFSET_BITS)) - 1;

    /// The largest offset: a million messages a second in one partition for nine years.
    pub const OFFSET_MAX: i64 = (1 << OFFSET_BITS) - 1;

    /// A place; numbers beyond the largest are taken for these, so whoever opens a log sees to it
    /// that there are none.
    pub fn new(partition: u32, offset: i64) -> LogPlace {
        let partition = u64::from(partition.min(LogPlace::PARTITION_MAX));
        let offset = offset.clamp(0, LogPlace::OFFSET_MAX);
        LogPlace(partition << OFFSET_BITS | offset.cast_unsigned())
    }

    /// The partition.
    pub fn partition(self) -> u32 {
        (self.0 >> OFFSET_BITS) as u32
    }

    /// The offset.
    pub fn offset(self) -> i64 {
        (self.0 & ((1 << OFFSET_BITS) - 1)).cast_signed()
    }

    /// The place as a number that orders as places do.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The place of such a number.
    pub fn from_bits(bits: u64) -> LogPlace {
        LogPlace(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_order_by_partition_and_then_by_offset() {
        let (partition_max, offset_max) = (LogPlace::PARTITION_MAX, LogPlace::OFFSET_MAX);
        let all = [
            (0, 0),
            (0, 1),
            (0, offset_max),
            (1, 0),
            (partition_max, offset_max),
        ];
        assert!(all.is_sorted_by_key(|(partition, offset)| LogPlace::new(*partition, *offset)));
        for (partition, offset) in all {
            let place = LogPlace::new(partition, offset);
            assert_eq!((place.partition(), place.offset()), (partition, offset));
            assert_eq!(LogPlace::from_bits(place.to_bits()), place);
        }
    }
}
