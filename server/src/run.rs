//! Starts everything in order, waits for the end, and ends it in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use dataflow::register::{Register, RegisterChange};
use dataflow::view::ViewSettings;
use tokio::sync::{mpsc, watch};

use crate::cli::Args;
use crate::count::{Counting, Settings as CountSettings};
use crate::facts::Facts;
use crate::plan::{Plan, RegisterFrom};
use crate::publish::{CHANGES_BYTES_MAX, CHANGES_KEPT, Publisher};
use crate::register::RegisterFile;
use crate::source::embedded::EmbeddedLog;
use crate::{demo, http, operations};

/// The longest topic name, as Kafka has it.
const TOPIC_BYTES_MAX: usize = 249;

/// Runs the service until it is told to end or cannot go on.
pub fn run(args: &Args, plan: Plan) -> anyhow::Result<()> {
    check_topic(&args.topic)?;
    let settings = http_settings(args)?;
    settings.check()?;
    let runtime = tokio::runtime::Runtime::new().context("could not start the runtime")?;
    let listener = runtime.block_on(async { settings.bind() })?;
    let log = Arc::new(open_log(args, &plan)?);
    let outcome = serve(args, plan, &runtime, listener, settings, &log);
    // Whatever else failed, what was acknowledged is safe and the directory is given free.
    let closed = log.close().context("could not close the log");
    outcome.and(closed)
}

fn http_settings(args: &Args) -> anyhow::Result<http::Settings> {
    Ok(http::Settings {
        listen: args.listen,
        token: args.token.clone(),
        cors: http::Cors::parse(&args.cors_origins.join(","))?,
        topic: args.topic.clone(),
        ..http::Settings::default()
    })
}

fn check_topic(topic: &str) -> anyhow::Result<()> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let sound = (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && topic.bytes().all(legal);
    anyhow::ensure!(
        sound && topic != "." && topic != "..",
        "'{topic}' is no name for a topic: use 1 to {TOPIC_BYTES_MAX} of a-z, A-Z, 0-9, '.', '_' \
         and '-'"
    );
    Ok(())
}

fn open_log(args: &Args, plan: &Plan) -> anyhow::Result<EmbeddedLog> {
    match &plan.register {
        RegisterFrom::File(_) => demo::refuse_demo(&plan.data)?,
        RegisterFrom::Demo(election) => {
            demo::prepare(&plan.data, election.election_id(), &args.topic, args.fresh)?;
        }
    }
    let directory = plan.data.join(demo::LOG);
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("could not make the directory '{}'", directory.display()))?;
    Ok(EmbeddedLog::open(&directory, &args.topic)?)
}

/// Counts and serves until the end.
fn serve(
    args: &Args,
    plan: Plan,
    runtime: &tokio::runtime::Runtime,
    listener: tokio::net::TcpListener,
    settings: http::Settings,
    log: &Arc<EmbeddedLog>,
) -> anyhow::Result<()> {
    let facts = Facts::new(Arc::clone(log));
    let publisher = Publisher::new(CHANGES_KEPT, CHANGES_BYTES_MAX);
    let (register, file) = open_register(args, &plan.register, &facts)?;
    let (failed, mut failure) = mpsc::unbounded_channel();
    let counting = Counting::start(
        count_settings(args, &facts)?,
        Arc::clone(log) as _,
        register,
        facts.clone(),
        facts.tick_ceiling()?,
        publisher.clone(),
        move |error| {
            // Nobody listens any more once the end has begun.
            let _ = failed.send(error.to_string());
        },
    )?;
    let reach = counting.reach();
    let mut helpers: Vec<JoinHandle<()>> = Vec::new();
    let stop = Arc::new(AtomicBool::new(false));
    let mut status = operations::Facts {
        log: Arc::clone(log) as _,
        workers: args.workers.into(),
        register_error: None,
        demo: None,
    };
    if let Some(file) = file {
        status.register_error = Some(file.last_error());
        let reach = reach.clone();
        let hand_over = move |register| reach.adopt(register);
        helpers.push(file.follow(facts, Arc::clone(&stop), hand_over)?);
    }
    if let RegisterFrom::Demo(election) = &plan.register {
        let handle = runtime.handle().clone();
        let (state, thread) =
            demo::start(election, Arc::clone(log), handle, publisher.clone(), reach)?;
        status.demo = Some(state);
        helpers.push(thread);
    }
    let parts = http::Parts {
        settings,
        publisher,
        writer: Arc::clone(log) as _,
        status: Arc::new(status),
    };
    let served = runtime.block_on(until_the_end(listener, parts, &mut failure));
    stop.store(true, Ordering::Relaxed);
    let counted = counting.end().context("could not count on");
    for helper in helpers {
        helper.thread().unpark();
        // A helper that has panicked has said so.
        let _ = helper.join();
    }
    served.and(counted)
}

fn count_settings(args: &Args, facts: &Facts) -> anyhow::Result<CountSettings> {
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Ok(CountSettings {
        workers: args.workers.into(),
        hash_key: facts.hash_key()?,
        view: ViewSettings {
            topic: args.topic.as_str().into(),
            lateness_ms: ms(args.lateness),
            horizon_ms: ms(args.horizon),
        },
    })
}

fn open_register(
    args: &Args,
    from: &RegisterFrom,
    facts: &Facts,
) -> anyhow::Result<(Arc<Register>, Option<RegisterFile>)> {
    let change = RegisterChange {
        allow_drop: args.allow_drop,
        recounted: false,
    };
    match from {
        RegisterFrom::File(path) => {
            let file = RegisterFile::open(Path::new(path), facts, change)?;
            Ok((file.in_force(), Some(file)))
        }
        RegisterFrom::Demo(election) => Ok((Arc::new(election.register()), None)),
    }
}

/// Serves until a signal or a failure; the signal's end is a good one.
async fn until_the_end(
    listener: tokio::net::TcpListener,
    parts: http::Parts,
    failure: &mut mpsc::UnboundedReceiver<String>,
) -> anyhow::Result<()> {
    let (end, ended) = watch::channel(false);
    let address = listener.local_addr()?;
    let mut server = tokio::spawn(http::serve(listener, parts, ended));
    println!("tallyflow listens on http://{address}");
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let outcome = tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
        Some(error) = failure.recv() => Err(anyhow::anyhow!(error)),
        served = &mut server => {
            // Nobody asked it to: results that cannot be had are no service.
            served.context("the http server has failed")??;
            anyhow::bail!("the http server has ended by itself");
        }
    };
    tracing::info!("ending");
    end.send_replace(true);
    let served = server.await.context("the http server has failed")?;
    outcome.and(served.map_err(Into::into))
}
