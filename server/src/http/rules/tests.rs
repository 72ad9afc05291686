//! Every header that matters to writing, right and wrong.

use super::*;

/// The status that a POST with these headers gets, or the form of its body.
fn check_with(token: Option<&str>, target: &str, lines: &[(&str, &str)]) -> Result<Form, u16> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("a header name");
        headers.append(name, value.parse().expect("a header value"));
    }
    let uri = target.parse().expect("a target");
    check(token, &uri, &headers).map_err(|problem| problem.status)
}

const PATH: &str = "/api/v1/votes";

fn open(host: &str, origin: Option<&str>) -> Result<Form, u16> {
    let mut lines = vec![("host", host), ("content-type", "application/json")];
    lines.extend(origin.map(|origin| ("origin", origin)));
    check_with(None, PATH, &lines)
}

#[test]
fn without_a_token_the_host_is_loopback() {
    let good = [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1",
        "127.1.2.3:1",
        "[::1]",
        "[::1]:8080",
    ];
    for host in good {
        assert_eq!(open(host, None), Ok(Form::One), "{host}");
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
        assert_eq!(open(host, None), Err(403), "{host}");
    }
    let json = ("content-type", "application/json");
    assert_eq!(check_with(None, PATH, &[json]), Err(403));
    let twice = [("host", "localhost"), ("host", "localhost"), json];
    assert_eq!(check_with(None, PATH, &twice), Err(403));
    let absolute = "http://example.org/api/v1/votes";
    assert_eq!(
        check_with(None, absolute, &[("host", "localhost"), json]),
        Err(403)
    );
}

#[test]
fn without_a_token_the_origin_is_ours_or_absent() {
    let host = "localhost:8080";
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
    }
}

#[test]
fn the_content_type_is_one_of_two() {
    let form = |types: &[&str]| {
        let mut lines = vec![("host", "localhost")];
        lines.extend(types.iter().map(|each| ("content-type", *each)));
        check_with(None, PATH, &lines)
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
        let json = ("content-type", "application/json");
        check_with(
            None,
            PATH,
            &[("host", "localhost"), json, ("content-encoding", encoding)],
        )
    };
    assert_eq!(encoded("identity"), Ok(Form::One));
    assert_eq!(encoded("gzip"), Err(415));
}

#[test]
fn with_a_token_it_must_be_shown_and_nothing_else_matters() {
    let shown = |lines: &[(&str, &str)]| {
        let mut all = vec![
            ("host", "votes.example.org"),
            ("origin", "https://example.org"),
        ];
        all.push(("content-type", "application/json"));
        all.extend(lines);
        check_with(Some("s3cret"), PATH, &all)
    };
    assert_eq!(shown(&[("authorization", "Bearer s3cret")]), Ok(Form::One));
    assert_eq!(
        shown(&[("authorization", "bearer  s3cret ")]),
        Ok(Form::One)
    );
    assert_eq!(shown(&[]), Err(401));
    for wrong in [
        "",
        "s3cret",
        "Basic s3cret",
        "Bearer",
        "Bearer s3cre",
        "Bearer s3crett",
    ] {
        assert_eq!(shown(&[("authorization", wrong)]), Err(401), "{wrong}");
    }
    let bearer = ("authorization", "Bearer s3cret");
    assert_eq!(shown(&[bearer, bearer]), Err(401));
    assert_eq!(check_with(Some("s3cret"), PATH, &[bearer]), Err(415));
}
