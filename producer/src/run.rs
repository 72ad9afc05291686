//! What the command does: finds the election, sends its messages, prints.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::{Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use producer::election::{Evening, Simulation};
use producer::target::{self, Address, HttpOptions, KafkaOptions, TargetOptions};
use producer::{Election, Options, Replay, TargetError, deliver};

use crate::command::{Command, Format, Sending, What};
use crate::report;

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command.what {
        What::Replay { election, sending } => send(Election::find(&election)?, sending),
        What::Simulate { size, sending } => {
            let simulation = Simulation {
                voters: size.voters,
                candidates: size.candidates,
                locations: size.locations,
                seed: sending.seed,
            };
            send(Election::simulated(simulation)?, sending)
        }
        What::Register {
            election,
            size,
            seed,
            format,
        } => {
            let election = match (election, size.voters) {
                (Some(election), _) => Election::find(&election)?,
                (None, voters) => Election::simulated(Simulation {
                    voters: voters.unwrap_or_default(),
                    candidates: size.candidates,
                    locations: size.locations,
                    seed,
                })?,
            };
            print_register(&election, format)
        }
    }
}

fn send(election: Election, sending: Sending) -> anyhow::Result<()> {
    let election = on_its_evening(election, &sending)?;
    let options = Options {
        seed: sending.seed,
        shares: (&sending.shares).into(),
        names_contest: sending.name_contest,
    };
    let mut replay = Replay::new(&election, &options)?;
    replay.skip(sending.skip);
    let mut target = target::open(&sending.to, &target_options(&sending)?)?;
    let first = replay.position();
    let bar = progress_bar(replay.messages_total(), first);
    let started = Instant::now();
    let sent = deliver(&mut replay, &mut *target, sending.rate, &mut |position| {
        bar.set_position(position);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let delivery = sent.with_context(|| {
        let position = replay.position();
        let total = replay.messages_total();
        format!("stopped after handing over {position} of {total} messages")
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let expected = replay.expected().clone().after(&delivery);
    if let Some(path) = &sending.expect {
        let mut json = serde_json::to_vec_pretty(&expected)?;
        json.push(b'\n');
        std::fs::write(path, json).with_context(|| {
            format!(
                "could not write the expected totals to '{}'",
                path.display()
            )
        })?;
    }
    let sent = replay.position() - first;
    print(&report::text(&expected, &delivery, sent, seconds))
}

fn target_options(sending: &Sending) -> anyhow::Result<TargetOptions> {
    let client = sending.kafka_options.iter();
    let client = client.map(|typed| KafkaOptions::client_option(typed));
    Ok(TargetOptions {
        http: HttpOptions {
            token: token(sending)?,
            connections: sending.connections.into(),
            ..HttpOptions::default()
        },
        kafka: KafkaOptions {
            client: client.collect::<Result<_, TargetError>>()?,
            partitions: sending.partitions,
            ..KafkaOptions::default()
        },
    })
}

/// The token for a server; other targets want none.
fn token(sending: &Sending) -> anyhow::Result<Option<String>> {
    if !matches!(sending.to, Address::Http(_)) {
        return Ok(None);
    }
    let Some(file) = &sending.token_file else {
        let given = sending.token.clone();
        return given.map(Some).context(
            "a server wants its token: give the file that holds it with --token-file (`token` in \
             the server's data directory, as it says when it starts), or the token itself as \
             TALLYFLOW_TOKEN",
        );
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("could not read the token in '{}'", file.display()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    ensure!(
        !line.is_empty(),
        "there is no token in '{}'",
        file.display()
    );
    Ok(Some(line.to_string()))
}

/// Moves the evening where asked to, and sees that it lies in the past.
fn on_its_evening(election: Election, sending: &Sending) -> anyhow::Result<Election> {
    let mut evening = election.evening();
    if let Some(starts_at) = &sending.starts_at {
        evening = Evening::starting(starts_at, 1)
            .with_context(|| {
                format!("'{starts_at}' is no instant: write it as 2013-11-03T20:00:00-05:00")
            })
            .map(|start| Evening {
                length_ms: evening.length_ms,
                ..start
            })?;
    }
    if let Some(hours) = sending.hours {
        if !(Evening::HOURS_MIN..=Evening::HOURS_MAX).contains(&hours) {
            let (min, max) = (Evening::HOURS_MIN, Evening::HOURS_MAX);
            bail!("an evening of {hours} hours cannot be told; give {min} to {max}");
        }
        evening.length_ms = i64::from(hours) * 3_600_000;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    if evening.ends_at_ms() as i128 > now.as_millis() as i128 {
        bail!(
            "the votes of '{}' would have timestamps up to {}, in the future, and be refused; \
             give --starts-at an instant in the past",
            election.election_id(),
            dataflow::time::format_rfc3339(evening.ends_at_ms())
        );
    }
    Ok(election.on(evening))
}

fn progress_bar(total: u64, first: u64) -> ProgressBar {
    // Drawn on standard error, and only where that is a terminal.
    let style = ProgressStyle::with_template(
        "{wide_bar} {human_pos}/{human_len} messages, {per_sec}, {eta} left",
    );
    let bar = ProgressBar::new(total).with_position(first);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.reset_eta();
    bar
}

fn print_register(election: &Election, format: Format) -> anyhow::Result<()> {
    let register = election.register();
    let text = match format {
        Format::Toml => toml::to_string(&register)?,
        Format::Json => serde_json::to_string_pretty(&register)? + "\n",
    };
    print(&text)
}

/// Prints; a reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("could not print to standard output")
        }
        _ => Ok(()),
    }
}
