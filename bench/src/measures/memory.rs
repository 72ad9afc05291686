//! `memory`: what a voter costs.

use crate::cli::Args;
use crate::report::{Report, Row, Unit};
use crate::service::{Service, Shape};
use crate::stage::Stage;
use crate::topic::{Filling, Size};

/// More voters, more memory; what an empty service takes is not theirs.
pub fn measure(stage: &Stage, args: &Args) -> anyhow::Result<Report> {
    let voters: Vec<u64> = match args.votes {
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
    service.wait_until_ready(std::time::Duration::from_millis(50))?;
    let empty = service.usage();
    drop(service);
    for voters in voters {
        let name = format!("memory-{voters}");
        let topic = stage.fill(&name, &Filling::plain(Size::of(voters)))?;
        let mut row = Row::new(format!("{voters} voters"));
        let (mut peaks, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..args.runs().min(2) {
            let _ = std::fs::remove_dir_all(stage.path(&name));
            let mut service = Service::start(stage, &topic, &shape, &name)?;
            service.wait_for(topic.messages)?;
            let usage = service.usage();
            peaks.push(usage.rss_peak_bytes);
            ends.push(usage.rss_bytes);
            let differences = service.differences(&topic.expected)?;
            if !differences.is_empty() {
                row.remarks
                    .push(format!("WRONG: {}", differences.join(", ")));
            }
        }
        let a_voter = |bytes: &Vec<f64>| -> Vec<f64> {
            let each = bytes.iter().map(|bytes| bytes - empty.rss_bytes);
            each.map(|bytes| bytes / voters as f64).collect()
        };
        row.figure("a voter at the end", Unit::Bytes, a_voter(&ends))
            .figure("a voter at the peak", Unit::Bytes, a_voter(&peaks))
            .figure("at the end", Unit::Bytes, ends)
            .figure("at the peak", Unit::Bytes, peaks);
        report.rows.push(row);
        stage.broker.delete_topic(&name);
    }
    report.notes.push(format!(
        "an empty service takes {:.0} MB; the whole process, what readers and checkpoints hold \
         too. Budget: the accept state at most 72 bytes a voter at 10 M",
        empty.rss_bytes / 1e6
    ));
    Ok(report)
}
