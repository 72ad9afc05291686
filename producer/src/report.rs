//! The totals that must come out, as a page of text.
//!
//! Comes in as counts; goes out as lines for people. Programs read the JSON of `--expect`.

use std::fmt::Write;

use producer::{Delivery, Expected};

/// Of a long ballot paper so many are printed; all are in the JSON.
const CANDIDATES_MAX: usize = 20;

pub(crate) fn text(expected: &Expected, delivery: &Delivery, sent: u64, seconds: f64) -> String {
    let mut page = String::new();
    // Writing to a text cannot fail.
    let _ = write_page(&mut page, expected, delivery, sent, seconds);
    page
}

fn write_page(
    page: &mut String,
    expected: &Expected,
    delivery: &Delivery,
    sent: u64,
    seconds: f64,
) -> std::fmt::Result {
    let rate = (sent as f64 / seconds.max(0.001)) as u64;
    writeln!(
        page,
        "sent {} messages in {seconds:.1} s: {} a second",
        grouped(sent),
        grouped(rate)
    )?;
    if delivery.turned_away > 0 {
        let away = grouped(delivery.turned_away);
        writeln!(
            page,
            "of them {away} malformed ones were turned away, as they must, and never reach the log"
        )?;
    }
    let (election, contest) = (&expected.election_id, &expected.contest_id);
    writeln!(
        page,
        "\nexpected of '{election}', contest '{contest}', once all messages are counted:"
    )?;
    let totals = &expected.totals;
    let counts = &totals.counts;
    let refused: u64 = totals.refused.values().sum();
    for (name, count) in [
        ("messages", totals.messages),
        ("  received", totals.received),
        ("    accepted", counts.accepted),
        ("    superseded", counts.superseded),
        ("    voided", counts.voided),
        ("    set aside", counts.set_aside),
        ("  voids", totals.voids),
        ("  duplicates", totals.duplicates),
        ("  refused", refused),
    ] {
        writeln!(page, "  {name:<20} {:>13}", grouped(count))?;
    }
    for (reason, count) in &totals.refused {
        writeln!(page, "      {reason:<16} {:>13}", grouped(*count))?;
    }
    if expected.sent_again > 0 {
        let again = grouped(expected.sent_again);
        writeln!(
            page,
            "  {again} messages were sent again without an answer to the first time: messages and \
             duplicates may each be higher by up to that, nothing else"
        )?;
    }
    writeln!(page)?;
    for row in expected.candidates.iter().take(CANDIDATES_MAX) {
        let share = row.share.unwrap_or(0.0) * 100.0;
        let (rank, name) = (row.rank, &row.candidate_name);
        writeln!(
            page,
            "  {rank:>3}. {name:<36} {:>13} {share:>6.2} %",
            grouped(row.votes)
        )?;
    }
    if expected.candidates.len() > CANDIDATES_MAX {
        let more = expected.candidates.len() - CANDIDATES_MAX;
        writeln!(
            page,
            "       and {more} more; --expect FILE writes them all"
        )?;
    }
    if expected.blank > 0 {
        writeln!(
            page,
            "       {:<36} {:>13}",
            "blank",
            grouped(expected.blank)
        )?;
    }
    Ok(())
}

/// `32014110` as `32,014,110`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
