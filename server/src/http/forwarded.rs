//! Whose request a proxy brings: `X-Forwarded-For`, and `Forwarded` (RFC 7239). Pure.
//!
//! Both are lists to which each proxy adds, at the end, whom it had the request from; anything
//! before that may be made up by whoever sent it. So they are read from the end, as far as proxies
//! are trusted, and from no other peer at all.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use warp::http::header::{FORWARDED, HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether an address is that of a trusted proxy.
pub fn is_trusted(address: IpAddr, proxies: &[IpNet]) -> bool {
    let address = address.to_canonical();
    proxies.iter().any(|network| network.contains(&address))
}

/// The client of a request that came from a peer: the peer itself, unless that is a trusted proxy.
///
/// A proxy adds to one of the two headers and passes the other one on as it came. So if both name
/// somebody, and not the same one, neither is believed, and the request is the proxy's own.
pub fn client(peer: IpAddr, proxies: &[IpNet], headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, proxies) {
        return peer;
    }
    let list = list(headers, &X_FORWARDED_FOR);
    let first = nearest(peer, proxies, list.map(address));
    let list = self::list(headers, &FORWARDED);
    let second = nearest(peer, proxies, list.map(|element| address(node(element)?)));
    match (first, second) {
        (Some(first), Some(second)) if first == second => first,
        (Some(client), None) | (None, Some(client)) => client,
        _ => peer,
    }
}

/// The elements of a header that is a list, the last one first.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    let lines = headers.get_all(name).iter().rev();
    lines.flat_map(|line| line.to_str().unwrap_or("unknown").rsplit(','))
}

/// The first address that is none of a trusted proxy; of a list that tells no more, the last proxy
/// that it names. `None` for no list.
fn nearest(
    peer: IpAddr,
    proxies: &[IpNet],
    hops: impl Iterator<Item = Option<IpAddr>>,
) -> Option<IpAddr> {
    let mut nearest = None;
    for hop in hops {
        let before = nearest.unwrap_or(peer);
        nearest = Some(hop.unwrap_or(before));
        if !hop.is_some_and(|hop| is_trusted(hop, proxies)) {
            break;
        }
    }
    nearest
}

/// What an element of `Forwarded` says of whom it is for.
fn node(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_for = name.trim().eq_ignore_ascii_case("for");
        is_for.then(|| value.trim().trim_matches('"'))
    })
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|it: IpAddr| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client of a request with these headers that comes from a peer; 10.0.0.0/8 is trusted.
    fn check(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a value"));
        }
        let proxies = ["10.0.0.0/8".parse().expect("a network")];
        client(peer.parse().expect("an address"), &proxies, &headers).to_string()
    }

    const FOR: &str = "x-forwarded-for";

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(check("192.0.2.1", &[(FOR, "198.51.100.7")]), "192.0.2.1");
        assert_eq!(check("10.0.0.1", &[(FOR, "198.51.100.7")]), "198.51.100.7");
        assert_eq!(
            check("::ffff:10.0.0.1", &[(FOR, "198.51.100.7")]),
            "198.51.100.7"
        );
        assert_eq!(check("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_the_client_made_up_is_passed_over() {
        let made_up = (FOR, "203.0.113.9, 198.51.100.7, 10.2.2.2");
        assert_eq!(check("10.0.0.1", &[made_up]), "198.51.100.7");
        let lines = [(FOR, "203.0.113.9"), (FOR, "198.51.100.7")];
        assert_eq!(check("10.0.0.1", &lines), "198.51.100.7");
        assert_eq!(
            check("10.0.0.1", &[(FOR, "198.51.100.7, nonsense")]),
            "10.0.0.1"
        );
        assert_eq!(
            check("10.0.0.1", &[(FOR, "nonsense, 10.3.3.3")]),
            "10.3.3.3"
        );
        let both = [(FOR, "198.51.100.7"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(check("10.0.0.1", &both), "10.0.0.1");
    }

    #[test]
    fn ports_brackets_and_both_headers_are_read() {
        assert_eq!(
            check("10.0.0.1", &[(FOR, "198.51.100.7:4711")]),
            "198.51.100.7"
        );
        assert_eq!(
            check("10.0.0.1", &[(FOR, "[2001:db8::7]:4711")]),
            "2001:db8::7"
        );
        assert_eq!(check("10.0.0.1", &[(FOR, "2001:db8::7")]), "2001:db8::7");
        let forwarded = "for=203.0.113.9;proto=http, For=\"[2001:db8::7]:4711\";by=10.0.0.1";
        assert_eq!(
            check("10.0.0.1", &[("forwarded", forwarded)]),
            "2001:db8::7"
        );
        let both = [(FOR, "198.51.100.7"), ("forwarded", "for=198.51.100.7")];
        assert_eq!(check("10.0.0.1", &both), "198.51.100.7");
    }
}
