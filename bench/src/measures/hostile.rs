//! `hostile`: what many connections that mean no good, or have bad lines, do to the service and to
//! its other users.
//!
//! Each scene has a service of its own: readers at 16 KB/s while votes are counted; one address
//! that takes all connections it can get; bodies that do not come; streams of which each has an
//! interval of its own.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::cli::Args;
use crate::crowd::{Readers, is_answered, send, share};
use crate::load::{Load, Pace};
use crate::report::{Report, Row, Unit};
use crate::service::{Service, Shape};
use crate::stage::Stage;
use crate::topic::{Filling, Size};

/// So many that all of them are about a megabyte.
const LOCATIONS: u32 = 3_000;

/// Each tick makes new answers; that many votes change something in each.
const VOTES_PER_SECOND: u64 = 2_000;

/// How long readers take to connect.
const OPENING: Duration = Duration::from_secs(20);

/// How long the service is left to itself before its memory is looked at.
const SETTLING: Duration = Duration::from_secs(3);

const ROUTE: &str = "/api/v1/locations?parent=*";

const TOKEN: &str = "the-token-of-the-measures";

/// What is asked of each scene, once for each build.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let mut report = Report::new("hostile", "many connections that mean no good, -w 1");
    let part = if args.quick { 16 } else { 1 };
    let length = Duration::from_secs(if args.quick { 10 } else { 90 });
    for count in [4_453 / part, 16_384 / part] {
        for shape in stage.builds(&Shape::workers(1)) {
            let row = slow_readers(stage, &shape, count, length)?;
            report.rows.push(row);
        }
    }
    let scenes = [one_address, slow_bodies, intervals];
    for scene in scenes {
        for shape in stage.builds(&Shape::workers(1)) {
            report.rows.push(scene(stage, &shape, part)?);
        }
    }
    report.notes.push(
        "memory: the most above what it was before the readers came; answered: of those who ask \
         for results, health, to vote or for the page's stream meanwhile, within a second"
            .to_string(),
    );
    Ok(report)
}

fn slow_readers(
    stage: &Stage,
    shape: &Shape,
    count: usize,
    length: Duration,
) -> anyhow::Result<Row> {
    let seconds = (OPENING + length).as_secs() + 60;
    let size = Size {
        voters: VOTES_PER_SECOND * seconds,
        candidates: 4,
        locations: LOCATIONS,
    };
    let name = name("readers", shape, count);
    let service = start(stage, shape, &name, size)?;
    let address = service.address().parse().context("the address")?;
    let load = Load::start(stage, &name, size, Pace::PerSecond(VOTES_PER_SECOND))?;
    thread::sleep(SETTLING);
    let before = service.usage().rss_bytes;
    let readers = Readers::start(address, ROUTE, count, OPENING)?;
    let (began, mut most_bytes, mut most_open) = (Instant::now(), before, 0);
    let (mut asked, mut answered) = (0, 0);
    while began.elapsed() < length {
        let results = get(address, "/api/v1/results");
        asked += 1;
        answered += u32::from(is_answered(address, &results, "200"));
        most_bytes = most_bytes.max(service.usage().rss_bytes);
        most_open = most_open.max(readers.open());
        thread::sleep(Duration::from_millis(250));
    }
    readers.end();
    drop(load);
    let mut row = Row::new(format!("{shape}: {count} readers at 16 KB/s"));
    row.figure("memory", Unit::Bytes, [most_bytes - before])
        .figure("open", Unit::Count, [most_open as f64])
        .figure(
            "answered",
            Unit::Share,
            [f64::from(answered) / f64::from(asked)],
        );
    Ok(row)
}

fn one_address(stage: &Stage, shape: &Shape, part: usize) -> anyhow::Result<Row> {
    let own = own_address()?;
    let open = shape.clone().with("--listen=0.0.0.0:0");
    let open = open.with(&format!("--token={TOKEN}"));
    let service = start(stage, &open, &name("address", shape, 0), idle())?;
    let listens: SocketAddr = service.address().parse().context("the address")?;
    let theirs = SocketAddr::new(own, listens.port());
    let ours = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listens.port());
    let request = get(theirs, "/api/v1/stream");
    let held: Vec<TcpStream> = (0..16_384 / part)
        .map_while(|_| send(theirs, request.as_bytes()).ok())
        .collect();
    thread::sleep(SETTLING);
    let health = |address| {
        share(100, |_| {
            is_answered(address, &get(address, "/healthz"), "200")
        })
    };
    let mut row = Row::new(format!("{shape}: one address holds what it gets"));
    row.figure("tried", Unit::Count, [held.len() as f64])
        .figure("answered", Unit::Share, [health(ours)])
        .figure("to itself", Unit::Share, [health(theirs)]);
    Ok(row)
}

fn slow_bodies(stage: &Stage, shape: &Shape, _: usize) -> anyhow::Result<Row> {
    const SLOW: usize = 128;
    let open = shape.clone().with(&format!("--token={TOKEN}"));
    let service = start(stage, &open, &name("bodies", shape, 0), idle())?;
    let address = service.address().parse().context("the address")?;
    let slow = post(address, 200);
    let slow = (0..SLOW).map(|_| send(address, slow.as_bytes()));
    let mut slow = slow.collect::<anyhow::Result<Vec<TcpStream>>>()?;
    thread::sleep(SETTLING);
    let answered = share(100, |at| {
        // A byte of each now and then, so that they are at it.
        for stream in &mut slow {
            let _ = stream.write_all(b" ");
        }
        let vote = format!(r#"{{"vote_id":"v{at}","voter_id":"v{at}","candidate_id":"1"}}"#);
        let request = post(address, vote.len()) + &vote;
        is_answered(address, &request, "202")
    });
    let mut row = Row::new(format!("{shape}: {SLOW} bodies that do not come"));
    row.figure("answered", Unit::Share, [answered]);
    Ok(row)
}

fn intervals(stage: &Stage, shape: &Shape, _: usize) -> anyhow::Result<Row> {
    const OTHERS: usize = 4_096;
    let service = start(stage, shape, &name("intervals", shape, 0), idle())?;
    let address = service.address().parse().context("the address")?;
    let stream = |interval_ms| {
        get(
            address,
            &format!("/api/v1/stream?interval_ms={interval_ms}"),
        )
    };
    let others = (0..OTHERS).map(|at| send(address, stream(1_000 + at).as_bytes()));
    let _others = others.collect::<anyhow::Result<Vec<TcpStream>>>()?;
    thread::sleep(SETTLING);
    let mut row = Row::new(format!("{shape}: {OTHERS} streams of other intervals"));
    let answered = share(20, |_| is_answered(address, &stream(100), "200"));
    row.figure("answered", Unit::Share, [answered]);
    Ok(row)
}

fn start(stage: &Stage, shape: &Shape, name: &str, size: Size) -> anyhow::Result<Service> {
    let topic = stage.empty_topic(name, 2, &Filling::plain(size), |_| ())?;
    let mut service = Service::start(stage, &topic, shape, name)?;
    service.wait_until_ready(Duration::from_millis(10))?;
    Ok(service)
}

fn idle() -> Size {
    Size {
        voters: 1,
        candidates: 2,
        locations: 0,
    }
}

fn name(scene: &str, shape: &Shape, count: usize) -> String {
    format!("hostile-{scene}-{:?}-{count}", shape.build).to_lowercase()
}

fn get(address: SocketAddr, route: &str) -> String {
    format!("GET {route} HTTP/1.1\r\nhost: {address}\r\n\r\n")
}

/// The head of a POST.
fn post(address: SocketAddr, length: usize) -> String {
    format!(
        "POST /api/v1/votes HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         authorization: Bearer {TOKEN}\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// An address of this machine that is not loopback, for which places are reserved. Nothing is sent:
/// a socket that is connected knows by which address it would.
fn own_address() -> anyhow::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket
        .connect((Ipv4Addr::new(192, 0, 2, 1), 9))
        .context("this machine has no address but loopback: add one (ip addr add 10.99.0.1/32 dev lo, and a route by it)")?;
    Ok(socket.local_addr()?.ip())
}
