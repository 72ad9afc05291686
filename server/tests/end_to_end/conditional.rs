//! Entity tags and origins: what a browser and a cache rely on.

use crate::support::{Client, Server, until, votes};

fn not_modified(client: &Client, target: &str, tags: &str) -> bool {
    let answer = client.get_with(target, &[("If-None-Match", tags)]);
    assert!(matches!(answer.status, 200 | 304), "{answer:?}");
    assert_eq!(answer.status == 304, answer.body.is_empty());
    assert!(
        answer.header("etag").is_some(),
        "{target} has a tag either way"
    );
    answer.status == 304
}

fn tag(client: &Client, target: &str) -> String {
    let answer = client.get(target);
    answer.header("etag").expect("a tag").to_string()
}

#[test]
fn an_answer_is_sent_once_a_tick() {
    let server = Server::start();
    let client = server.client();
    let forms: [fn(&str) -> String; 4] = [
        str::to_string,
        |tag| format!("W/{tag}"),
        |_| "*".to_string(),
        |tag| format!("\"x\", {tag}"),
    ];
    for question in [
        "elections",
        "results",
        "locations?parent=*",
        "windows",
        "series",
    ] {
        let target = format!("/api/v1/{question}");
        for form in forms {
            // A start may publish a few ticks; with no vote there is a last one.
            until("no tick comes between two requests", || {
                not_modified(&client, &target, &form(&tag(&client, &target))).then_some(())
            });
        }
        for tags in ["\"x\"", "x", ""] {
            assert!(!not_modified(&client, &target, tags), "{target} {tags}");
        }
        let answer = client.get(&target);
        // Elections change with the register only.
        let of = match question {
            "elections" => answer.json()["register_version"]
                .as_str()
                .map(str::to_string),
            _ => Some(answer.json()["tick"].to_string()),
        };
        let (of, tag) = (
            of.expect("it is there"),
            answer.header("etag").expect("a tag"),
        );
        assert!(tag.contains(&of), "{tag} is made of {of}");
    }
    let elections = tag(&client, "/api/v1/elections");
    let before = tag(&client, "/api/v1/results");
    assert_eq!(client.vote(&votes::vote("voter")).status, 202);
    server.settled();
    let counted = !not_modified(&client, "/api/v1/results", &before);
    assert!(counted, "something was counted");
    assert!(not_modified(&client, "/api/v1/elections", &elections));
    assert_eq!(client.get("/api/v1/status").header("etag"), None);
}

#[test]
fn files_have_tags_too() {
    let server = Server::start();
    let client = server.client();
    for target in ["/", "/openapi.json", "/geo/montreal-2013.geojson"] {
        let tag = client
            .get(target)
            .header("etag")
            .expect("a tag")
            .to_string();
        assert!(not_modified(&client, target, &tag), "{target}");
    }
    let outlines = client.get("/geo/montreal-2013.geojson");
    assert_eq!(
        outlines.header("content-type"),
        Some("application/geo+json")
    );
    assert_eq!(outlines.json()["type"], "FeatureCollection");
}

#[test]
fn only_origins_that_were_named_may_read() {
    const PAGE: &str = "https://results.example.org";
    let allowed = |server: &Server, origin: &str| {
        let answer = server
            .client()
            .get_with("/api/v1/results", &[("Origin", origin)]);
        answer
            .header("access-control-allow-origin")
            .map(str::to_string)
    };
    let closed = Server::start();
    assert_eq!(allowed(&closed, PAGE), None);
    let named = Server::start_with(&["--cors-origin", PAGE]);
    assert_eq!(allowed(&named, PAGE).as_deref(), Some(PAGE));
    assert_eq!(allowed(&named, "https://example.org"), None);
    let headers = [("Origin", PAGE), ("Access-Control-Request-Method", "GET")];
    let preflight = named
        .client()
        .send("OPTIONS", "/api/v1/results", &headers, b"");
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some(PAGE));
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("GET, HEAD, OPTIONS")
    );
    // A page that may read may still not write on loopback.
    let headers = [("Origin", PAGE), ("Content-Type", "application/json")];
    let vote = named.client().send(
        "POST",
        "/api/v1/votes",
        &headers,
        votes::vote("v").as_bytes(),
    );
    assert_eq!(vote.status, 403);
}
