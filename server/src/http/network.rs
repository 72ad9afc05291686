//! Networks of addresses: what counts as one sender. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// What one sender may have many of: an address of IPv4, or the /64 of one of IPv6.
pub fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}
