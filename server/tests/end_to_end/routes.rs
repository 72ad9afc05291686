//! Every route: what it answers, and how it refuses.

use serde_json::Value;

use crate::support::{Client, Home, Server, laws, votes};

const QUESTIONS: [&str; 5] = ["elections", "results", "locations", "windows", "series"];

fn town() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    let stored = client.vote(&votes::Town::new(1).lines(2000));
    assert_eq!(stored.status, 202, "{stored:?}");
    server.settled();
    (server, client)
}

#[test]
fn answers_name_their_tick_and_agree() {
    let (_server, client) = town();
    let status = client.get("/api/v1/status").json();
    laws::check_status(&status);
    for question in QUESTIONS {
        let answer = client.get(&format!("/api/v1/{question}"));
        assert_eq!(
            (answer.status, answer.header("cache-control")),
            (
                200,
                Some("public, max-age=0, s-maxage=1, stale-while-revalidate=4")
            )
        );
        let answer = answer.json();
        for member in ["tick", "as_of", "register_version"] {
            assert_eq!(answer[member], status[member], "{question} {member}");
        }
        let about = if question == "elections" {
            Value::Null
        } else {
            "mayor".into()
        };
        assert_eq!(answer["contest_id"], about, "{question}");
    }
    let council = client.get("/api/v1/results?contest=council").json();
    assert_eq!(council["contest_id"], "council");
    let heads = client.get("/api/v1/contests").json();
    for (at, contest) in ["mayor", "council"].into_iter().enumerate() {
        let head = &heads["contests"][at];
        let whole = client
            .get(&format!("/api/v1/results?contest={contest}"))
            .json();
        for member in [
            "contest_id",
            "counts",
            "blank",
            "registered",
            "leader",
            "margin",
        ] {
            assert_eq!(head[member], whole[member], "{contest} {member}");
        }
        assert_eq!(head["candidates"][1], whole["candidates"][1]);
        assert_eq!(head["candidates"].as_array().map(Vec::len), Some(2));
    }
    let mayor = client.get("/api/v1/results").json();
    let both = number(&council["counts"]["accepted"]) + number(&mayor["counts"]["accepted"]);
    assert_eq!(both, number(&status["counts"]["accepted"]));
}

#[test]
fn locations_are_asked_by_parent() {
    let (_server, client) = town();
    let codes = |query: &str| -> Vec<String> {
        let answer = client.get(&format!("/api/v1/locations{query}")).json();
        let rows = answer["locations"].as_array().expect("rows").clone();
        rows.iter()
            .map(|row| row["location"].as_str().expect("a code").to_string())
            .collect()
    };
    assert_eq!(codes(""), ["north", "south"]);
    assert_eq!(codes("?parent=north").len(), votes::LEAVES / 2);
    assert_eq!(codes("?parent=*").len(), votes::LEAVES + 2);
    assert_eq!(codes("?parent=0").len(), 0);
    assert_eq!(
        client.get("/api/v1/locations?parent=nowhere").problem()["status"],
        404
    );
}

#[test]
fn windows_and_series_add_up() {
    let (_server, client) = town();
    let accepted = number(&client.get("/api/v1/results").json()["counts"]["accepted"]);
    let total = |rows: &Value| -> u64 {
        rows.as_array()
            .expect("rows")
            .iter()
            .map(|row| number(&row["accepted"]))
            .sum()
    };
    let series = client.get("/api/v1/series?step=5000").json();
    assert_eq!(
        total(&series["points"]) + number(&series["earlier"]["accepted"]),
        accepted
    );
    let windows = client.get("/api/v1/windows?limit=1000").json();
    assert_eq!(total(&windows["windows"]), 2 * accepted);
    let starts: Vec<_> = windows["windows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["start"].to_string())
        .collect();
    assert!(starts.windows(2).all(|two| two[0] > two[1]), "newest first");
    let three = client.get("/api/v1/windows?limit=3").json();
    assert_eq!(three["windows"].as_array().map(Vec::len), Some(3));
}

#[test]
fn bad_parameters_are_named() {
    let server = Server::start();
    let client = server.client();
    let cases = [
        ("windows?limit=0", "limit"),
        ("windows?limit=1001", "limit"),
        ("windows?limit=x", "limit"),
        ("windows?limit=1&limit=2", "limit"),
        ("series?step=0", "step"),
        ("series?step=-5000", "step"),
        ("series?step=5001", "step"),
        ("stream?interval_ms=60001", "interval_ms"),
        ("stream?interval_ms=-1", "interval_ms"),
        ("stream?after=x", "after"),
        ("results?contest=mayor&contest=mayor", "contest"),
    ];
    for (target, parameter) in cases {
        let answer = client.get(&format!("/api/v1/{target}"));
        assert_eq!(answer.status, 400, "{target}");
        assert_eq!(answer.problem()["parameter"], parameter, "{target}");
    }
    for route in ["results", "locations", "windows", "series", "stream"] {
        let answer = client.get(&format!("/api/v1/{route}?contest=nothing"));
        assert_eq!(answer.problem()["status"], 404, "{route}");
    }
}

#[test]
fn unknown_routes_and_methods_are_refused() {
    let server = Server::start();
    let client = server.client();
    for target in [
        "/nothing",
        "/api",
        "/api/v1/results/",
        "/api/v1",
        "/../Cargo.toml",
        "/tests/",
    ] {
        assert_eq!(client.get(target).problem()["status"], 404, "{target}");
    }
    let refused = |method: &str, target: &str, allow: &str| {
        let answer = client.send(method, target, &[], b"");
        assert_eq!(answer.status, 405, "{method} {target}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {target}");
    };
    for question in QUESTIONS {
        refused("POST", &format!("/api/v1/{question}"), "GET, HEAD, OPTIONS");
    }
    refused("DELETE", "/", "GET, HEAD, OPTIONS");
    refused("GET", "/api/v1/votes", "POST, OPTIONS");
    refused("HEAD", "/api/v1/votes", "POST, OPTIONS");
    let options = client.send("OPTIONS", "/api/v1/votes", &[], b"");
    assert_eq!(
        (options.status, options.header("allow")),
        (204, Some("POST, OPTIONS"))
    );
}

#[test]
fn head_is_get_without_a_body() {
    let server = Server::start();
    let client = server.client();
    let targets = [
        "/",
        "/api/v1/results",
        "/api/v1/status",
        "/healthz",
        "/openapi.json",
    ];
    // What an answer says may change between two questions, so HEAD is asked between two equal GETs.
    let around_the_same = |target: &str| {
        (0..100).find_map(|_| {
            let before = client.get(target);
            let head = client.send("HEAD", target, &[], b"");
            let after = client.get(target);
            (before.body == after.body).then_some((after, head))
        })
    };
    for target in targets {
        let (get, head) = around_the_same(target).expect("an answer that stays for a moment");
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
        for name in ["content-type", "content-length", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{target} {name}");
        }
    }
    assert_eq!(client.send("HEAD", "/nothing", &[], b"").status, 404);
    assert_eq!(client.send("HEAD", "/api/v1/stream", &[], b"").status, 200);
}

#[test]
fn operation_is_described() {
    let (_server, client) = town();
    assert_eq!(client.get("/healthz").status, 200);
    assert_eq!(
        client.get("/api/v1/status").header("cache-control"),
        Some("no-store")
    );
    let text = String::from_utf8(client.get("/metrics").body).expect("text");
    for name in [
        "tallyflow_votes_stored_total 2000",
        "tallyflow_http_requests_total{route=\"/api/v1/votes\",method=\"POST\",status=\"202\"} 1",
        "tallyflow_streams_open 0",
        "tallyflow_lag{",
        "tallyflow_tick ",
        "tallyflow_messages{outcome=\"accepted\"}",
        "tallyflow_publish_seconds_count",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    let document = client.get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/votes"]["post"]["responses"]["413"].is_object());
    let page = client.get("/");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").expect("a policy");
    for rule in [
        "default-src 'self'",
        "script-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn only_pages_of_listed_origins_may_frame_ours() {
    let flags = [
        "--frame-origin",
        "https://news.example,https://b.example:8443/",
    ];
    let server = Server::start_with(&flags);
    let page = server.client().get("/?embed=candidates");
    let policy = page.header("content-security-policy").expect("a policy");
    let rule = "frame-ancestors 'self' https://news.example https://b.example:8443";
    assert!(policy.ends_with(rule), "{policy}");
    for wrong in [
        "https://a.example; script-src *",
        "news.example",
        "https://",
    ] {
        let output = Home::new().refused(&["--frame-origin", wrong]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains("is no origin"),
            "{said}"
        );
    }
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no count"))
}
