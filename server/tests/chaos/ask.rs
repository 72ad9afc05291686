//! Questions to a process over HTTP, answered with JSON or an error in words.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use dataflow::register::Register;
use serde_json::{Value as Json, json};

use crate::client::Client;

/// How long answers of one tick are waited for.
const ONE_TICK_WITHIN: Duration = Duration::from_secs(20);

/// The status.
pub fn status(address: SocketAddr) -> anyhow::Result<Json> {
    get(address, "/api/v1/status")
}

/// Whether results are served.
pub fn is_ready(address: SocketAddr) -> bool {
    let answer = Client::new(address).try_send("GET", "/readyz", &[], b"");
    answer.is_ok_and(|answer| answer.status == 200)
}

/// Every answer about a register's contests, and the totals, all of one tick; in the form of the
/// oracle's.
pub fn answers(address: SocketAddr, register: &Register) -> anyhow::Result<(u64, Json)> {
    let deadline = Instant::now() + ONE_TICK_WITHIN;
    loop {
        let (tick, answers, same) = answers_once(address, register)?;
        if same {
            return Ok((tick, answers));
        }
        ensure!(
            Instant::now() < deadline,
            "the service goes on to publish though nothing happens any more"
        );
    }
}

fn answers_once(address: SocketAddr, register: &Register) -> anyhow::Result<(u64, Json, bool)> {
    let status = status(address)?;
    let tick = status["tick"].as_u64().context("the status has no tick")?;
    let mut contests = json!({});
    let mut same = true;
    for contest in &register.contests {
        let id = encode(&contest.contest_id);
        let step_ms = contest.slide_ms;
        let mut answers = json!({});
        for (name, query) in [
            ("results", String::new()),
            ("locations", "&parent=*".to_string()),
            ("windows", "&limit=1000".to_string()),
            ("series", format!("&step={step_ms}")),
        ] {
            let answer = get(address, &format!("/api/v1/{name}?contest={id}{query}"))?;
            same &= answer["tick"] == status["tick"];
            answers[name] = answer;
        }
        contests[&contest.contest_id] = answers;
    }
    let mut totals = json!({});
    for name in [
        "messages",
        "received",
        "counts",
        "set_aside_by",
        "voids",
        "duplicates",
        "refused",
    ] {
        totals[name] = status[name].clone();
    }
    Ok((tick, json!({"contests": contests, "totals": totals}), same))
}

/// A text as a part of a query (RFC 3986, 2.1).
pub fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn get(address: SocketAddr, target: &str) -> anyhow::Result<Json> {
    let answer = Client::new(address)
        .try_send("GET", target, &[], b"")
        .with_context(|| format!("asking {address} for {target}"))?;
    ensure!(
        answer.status == 200,
        "{address} answered {target} with {}: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    serde_json::from_slice(&answer.body).with_context(|| format!("reading the answer to {target}"))
}
