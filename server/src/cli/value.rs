//! Values of flags: the text that was typed in, addresses, pairs and times out, or what to write
//! instead.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// Reads `HOST:PORT`, `:PORT` or `PORT`. Of a name's addresses the first, an IPv4 one if there is.
pub(super) fn parse_listen(typed: &str) -> Result<SocketAddr, String> {
    let form = "write it as HOST:PORT, such as 127.0.0.1:8080, localhost:8080 or [::1]:8080; PORT \
                alone is of this machine only, and :PORT of all its addresses";
    let port = |text: &str| text.parse::<u16>().map_err(|_| form.to_string());
    if let Some(of_all) = typed.strip_prefix(':') {
        return Ok((Ipv4Addr::UNSPECIFIED, port(of_all)?).into());
    }
    if !typed.contains(':') {
        return Ok((Ipv4Addr::LOCALHOST, port(typed)?).into());
    }
    if let Ok(address) = typed.parse() {
        return Ok(address);
    }
    let (host, of_host) = typed.rsplit_once(':').ok_or(form)?;
    if host.is_empty() || host.contains([':', '/', ' ']) {
        return Err(form.to_string());
    }
    let found = (host, port(of_host)?).to_socket_addrs();
    let found: Vec<SocketAddr> = found
        .map_err(|error| format!("'{host}' is no host that is known here ({error}): {form}"))?
        .collect();
    let is_v4 = |address: &&SocketAddr| matches!(address.ip(), IpAddr::V4(_));
    let first = found.iter().find(is_v4).or(found.first());
    first
        .copied()
        .ok_or_else(|| format!("'{host}' has no address: {form}"))
}

/// Reads `key=value`.
pub(super) fn parse_option(typed: &str) -> Result<(String, String), String> {
    match typed.split_once('=') {
        // The value may be a secret, so it is in no message.
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_string(), value.to_string()))
        }
        _ => Err("write it as key=value".to_string()),
    }
}

/// Reads `10s`, `500ms`, `1min`; a bare number is seconds.
pub(super) fn parse_interval(typed: &str) -> Result<Duration, String> {
    let interval = parse_duration(typed)?;
    if interval < INTERVAL_MIN {
        return Err("at least 100ms".to_string());
    }
    Ok(interval)
}

/// The shortest time between two checkpoints.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// The longest lateness and horizon: what fits beside any instant.
const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Reads `90`, `90s`, `15min`, `24h`, `1h 30m`; a bare number is seconds.
pub(super) fn parse_duration(typed: &str) -> Result<Duration, String> {
    let form = "write it as 90s, 15min or 24h";
    if let Ok(seconds) = typed.parse() {
        return in_range(Duration::from_secs(seconds));
    }
    let parsed: jiff::SignedDuration = typed.parse().map_err(|_| form.to_string())?;
    in_range(Duration::try_from(parsed).map_err(|_| form.to_string())?)
}

fn in_range(duration: Duration) -> Result<Duration, String> {
    if duration > DURATION_MAX {
        return Err("at most a hundred years".to_string());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_a_name_or_a_port() {
        for (typed, address) in [
            ("127.0.0.1:9301", "127.0.0.1:9301"),
            ("[::1]:0", "[::1]:0"),
            ("9301", "127.0.0.1:9301"),
            (":9301", "0.0.0.0:9301"),
            ("localhost:9301", "127.0.0.1:9301"),
        ] {
            assert_eq!(parse_listen(typed), Ok(address.parse().unwrap()), "{typed}");
        }
        for typed in [
            "",
            ":",
            "localhost",
            "127.0.0.1",
            "a:b:9301",
            "http://x:1",
            "x:70000",
            "::1",
        ] {
            let error = parse_listen(typed).expect_err(typed);
            assert!(error.contains("HOST:PORT"), "{typed}: {error}");
        }
    }

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        for (typed, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("15min", 900),
            ("1h 30m", 5400),
            ("0", 0),
        ] {
            assert_eq!(
                parse_duration(typed),
                Ok(Duration::from_secs(seconds)),
                "{typed}"
            );
        }
        for typed in ["", "soon", "-1s", "1000000h"] {
            assert!(parse_duration(typed).is_err(), "{typed}");
        }
    }
}
