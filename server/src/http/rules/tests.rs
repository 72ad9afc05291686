//! Every header that matters to asking and writing, right and wrong.

use super::*;

const TOKEN: &str = "a-token-of-16-or-more";
const BEARER: (&str, &str) = ("authorization", "Bearer a-token-of-16-or-more");
const JSON: (&str, &str) = ("content-type", "application/json");

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("a header name");
        headers.append(name, value.parse().expect("a header value"));
    }
    headers
}

/// The status that a request gets by its name; 200 for one that is let in.
fn named(is_loopback: bool, target: &str, lines: &[(&str, &str)]) -> u16 {
    let uri = target.parse().expect("a target");
    let checked = check_name(is_loopback, &uri, &headers(lines));
    checked.map_or_else(|problem| problem.status, |()| 200)
}

/// The status that a POST with these headers gets, or the form of its body.
fn write(is_loopback: bool, lines: &[(&str, &str)]) -> Result<Form, u16> {
    let token = Token::parse(TOKEN).expect("a token");
    check(&token, is_loopback, &headers(lines)).map_err(|problem| problem.status)
}

const PATH: &str = "/api/v1/votes";

#[test]
fn on_loopback_the_host_is_loopback() {
    let good = [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1",
        "127.1.2.3:1",
        "[::1]",
        "[::1]:8080",
    ];
    for host in good {
        assert_eq!(named(true, PATH, &[("host", host)]), 200, "{host}");
    }
    let bad = [
        "",
        "example.org",
        "localhost.example.org",
        "127.0.0.1.example.org",
        "::1",
        "[::2]",
        "[::1",
        "localhost:",
        "localhost:x",
        "localhost:99999",
        "128.0.0.1",
        "0.0.0.0",
        "127.1",
        "user@localhost",
        "[::ffff:10.0.0.1]",
        "localhost:80:80",
    ];
    for host in bad {
        assert_eq!(named(true, PATH, &[("host", host)]), 403, "{host}");
        assert_eq!(named(false, PATH, &[("host", host)]), 200, "{host}");
    }
    let local = ("host", "localhost");
    assert_eq!(named(true, PATH, &[]), 403);
    assert_eq!(named(true, PATH, &[local, local]), 403);
    let absolute = "http://example.org/api/v1/votes";
    assert_eq!(named(true, absolute, &[local]), 403);
    assert_eq!(named(true, "http://127.0.0.1/healthz", &[local]), 200);
}

#[test]
fn on_loopback_the_origin_of_a_write_is_ours_or_absent() {
    let open = |host, origin: Option<&'static str>| {
        let mut lines = vec![("host", host), JSON, BEARER];
        lines.extend(origin.map(|origin| ("origin", origin)));
        write(true, &lines)
    };
    let host = "localhost:8080";
    assert_eq!(open(host, None), Ok(Form::One));
    assert_eq!(open(host, Some("http://localhost:8080")), Ok(Form::One));
    assert_eq!(open(host, Some("http://LOCALHOST:8080")), Ok(Form::One));
    assert_eq!(
        open("localhost", Some("http://localhost:80")),
        Ok(Form::One)
    );
    let foreign = [
        "null",
        "",
        "http://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "https://localhost:8080",
        "http://example.org",
        "localhost:8080",
    ];
    for origin in foreign {
        assert_eq!(open(host, Some(origin)), Err(403), "{origin}");
        // Whether it knows the token or not.
        let lines = [("host", host), JSON, ("origin", origin)];
        assert_eq!(write(true, &lines), Err(403), "{origin}");
    }
}

#[test]
fn the_content_type_is_one_of_two() {
    let form = |types: &[&str]| {
        let mut lines = vec![("host", "localhost"), BEARER];
        lines.extend(types.iter().map(|each| ("content-type", *each)));
        write(true, &lines)
    };
    assert_eq!(form(&["application/json"]), Ok(Form::One));
    assert_eq!(form(&["Application/JSON; charset=utf-8"]), Ok(Form::One));
    assert_eq!(
        form(&["application/x-ndjson;charset=utf-8"]),
        Ok(Form::Lines)
    );
    for bad in [
        "",
        "text/plain",
        "application/jsonl",
        "application/json, text/plain",
    ] {
        assert_eq!(form(&[bad]), Err(415), "{bad}");
    }
    assert_eq!(form(&[]), Err(415));
    assert_eq!(form(&["application/json", "application/json"]), Err(415));
    let encoded = |encoding| {
        let host = ("host", "localhost");
        write(true, &[host, BEARER, JSON, ("content-encoding", encoding)])
    };
    assert_eq!(encoded("identity"), Ok(Form::One));
    assert_eq!(encoded("gzip"), Err(415));
}

#[test]
fn a_write_shows_the_token_wherever_it_comes_from() {
    for is_loopback in [true, false] {
        let host = ("host", "localhost");
        let shown = |value| write(is_loopback, &[host, JSON, ("authorization", value)]);
        assert_eq!(shown(BEARER.1), Ok(Form::One));
        assert_eq!(shown("bearer  a-token-of-16-or-more "), Ok(Form::One));
        for wrong in [
            "",
            TOKEN,
            "Basic a-token-of-16-or-more",
            "Bearer",
            "Bearer ",
            "Bearer a-token-of-16-or-mor",
            "Bearer a-token-of-16-or-more-",
            "Bearer A-TOKEN-OF-16-OR-MORE",
        ] {
            assert_eq!(shown(wrong), Err(401), "{wrong}");
        }
        assert_eq!(write(is_loopback, &[host, JSON]), Err(401));
        assert_eq!(write(is_loopback, &[host, JSON, BEARER, BEARER]), Err(401));
        // What the body is, is told to writers only.
        assert_eq!(write(is_loopback, &[host]), Err(401));
        assert_eq!(write(is_loopback, &[host, BEARER]), Err(415));
    }
}

#[test]
fn elsewhere_pages_that_know_the_token_may_write() {
    let proxied = [
        ("host", "votes.example.org"),
        ("origin", "https://example.org"),
        JSON,
        BEARER,
    ];
    assert_eq!(write(false, &proxied), Ok(Form::One));
}
