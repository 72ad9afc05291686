//! `memory`: what a voter costs.

use std::thread;
use std::time::Duration;

use crate::cli::Args;
use crate::report::{Report, Row, Unit};
use crate::sample::Sample;
use crate::service::{Service, Shape};
use crate::stage::Stage;
use crate::topic::{Filling, Size};
use crate::usage::Usage;

/// How long the service is left alone before its memory is looked at: what it needed for reading
/// and writing is given back by then.
const SETTLING: Duration = Duration::from_secs(15);

/// Memory varies little from run to run.
const RUNS_MAX: usize = 2;

/// More voters, more memory; what an empty service takes is not theirs.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let sizes: Vec<u64> = match args.votes {
        Some(votes) => vec![votes],
        None if args.quick => vec![1_000_000],
        None => vec![1_000_000, 10_000_000, 30_000_000],
    };
    let mut report = Report::new(
        "memory",
        "voters with one cast each and UUID vote ids, -w 2",
    );
    let shape = Shape::workers(2);
    let nobody = Size::of(1);
    let topic = stage.empty_topic("memory-0", 8, &Filling::plain(nobody), |_| {})?;
    let mut service = Service::start(stage, &topic, &shape, "memory-0")?;
    service.wait_until_ready(Duration::from_millis(50))?;
    let empty = service.usage();
    drop(service);
    for &voters in &sizes {
        let name = format!("memory-{voters}");
        let topic = stage.fill(&name, &Filling::plain(Size::of(voters)))?;
        for shape in stage.builds(&shape) {
            let mut row = Row::new(format!("{shape}: {voters} voters"));
            let mut found: Vec<Usage> = Vec::new();
            for _ in 0..args.runs().min(RUNS_MAX) {
                let _ = std::fs::remove_dir_all(stage.path(&name));
                let mut service = Service::start(stage, &topic, &shape, &name)?;
                service.wait_for(topic.messages)?;
                let differences = service.differences(&topic.expected)?;
                if !differences.is_empty() {
                    row.remarks
                        .push(format!("WRONG: {}", differences.join(", ")));
                }
                thread::sleep(if args.quick { SETTLING / 5 } else { SETTLING });
                found.push(service.usage());
            }
            let settled = || found.iter().map(|usage| usage.rss_bytes);
            let peaks = || found.iter().map(|usage| usage.rss_peak_bytes);
            let a_voter = |bytes: f64| (bytes - empty.rss_bytes) / voters as f64;
            row.figure("a voter", Unit::Bytes, settled().map(a_voter))
                .figure("a voter at the peak", Unit::Bytes, peaks().map(a_voter))
                .figure("all", Unit::Bytes, settled())
                .figure("all at the peak", Unit::Bytes, peaks());
            report.rows.push(row);
        }
        stage.delete_topic(&name);
    }
    let name = shape.to_string();
    let rows = report.rows.iter();
    let rows: Vec<&Row> = rows.filter(|row| row.name.starts_with(&name)).collect();
    if let [first, .., last] = &rows[..] {
        let all = |row: &Row| row.sample("all").map_or(0.0, Sample::median);
        let more = (all(last) - all(first)) / (sizes[sizes.len() - 1] - sizes[0]) as f64;
        report.notes.push(format!(
            "from the first to the last: {more:.1} B a voter more"
        ));
    }
    report.notes.push(format!(
        "of the whole process, {} s after the last vote, less the {:.0} MB of an empty one; it \
         has what readers and checkpoints hold, too",
        SETTLING.as_secs(),
        empty.rss_bytes / 1e6
    ));
    report
        .notes
        .push("budget: the accept state at most 72 bytes a voter at 10 M".to_string());
    Ok(report)
}
