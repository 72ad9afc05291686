//! Starts everything in order, waits for the end, and ends it in order.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use dataflow::hash::KeyedHash;
use dataflow::register::{Register, RegisterChange};
use dataflow::view::ViewSettings;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::checkpoint::Place;
use crate::cli::Args;
use crate::cluster::{Cluster, Hello};
use crate::count::{BeginSettings, CountError, Counting, Reach, Settings as CountSettings, begin};
use crate::feed::StallState;
use crate::format::MessageFormat;
use crate::key::KeyFile;
use crate::memory::{Limits, Memory};
use crate::operations::{Facts, places};
use crate::plan::{Plan, RegisterFrom};
use crate::postgres::PostgresSettings;
use crate::publish::{self, Publisher};
use crate::register::database::RegisterDatabase;
use crate::register::file::RegisterFile;
use crate::register::{Followed, LastError, RegisterSource};
use crate::scrub::Scrub;
use crate::signals::{SignalMeaning, Signals};
use crate::sink::aggregates::AggregateSettings;
use crate::sink::{Follower, aggregates, results, votes};
use crate::source::check_topic;
use crate::token::Token;
use crate::told::chain;
use crate::unknown::UnknownCodes;
use crate::warnings::Warnings;
use crate::{control, demo, feed, http, output};
use any_log::{AnyLog, open_log};
use ours::tighten;
use serving::{given_token, http_settings, keep_token};

mod any_log;
mod ours;
mod serving;

/// How long a helping thread may take to end.
const HELPER_ENDS_MAX: Duration = Duration::from_secs(2);

/// Runs the service until it is told to end or cannot go on.
pub fn run(args: &Args, plan: Plan) -> anyhow::Result<()> {
    check_topic(&args.topic)?;
    let format = MessageFormat::read(args.map.as_deref(), args.time_zone.as_deref())?;
    let settings = http_settings(args, &format)?;
    let given = given_token(args)?;
    let runtime = tokio::runtime::Runtime::new().context("could not start the runtime")?;
    let signals = runtime.block_on(async { Signals::listen() });
    let signals = signals.context("could not listen for signals")?;
    let listener = runtime.block_on(async { settings.bind() })?;
    let warnings = Warnings::default();
    tighten(&plan, &warnings);
    let log = open_log(args, &plan, &warnings)?;
    let token = match given {
        Some(token) => token,
        None => keep_token(&plan.data, listener.local_addr()?)?,
    };
    let memory = Memory::default();
    let limits = Limits::find(args.memory_max);
    let watched = memory.watch(limits, warnings.clone());
    watched.context("could not start a thread")?;
    let runtime_handle = runtime.handle().clone();
    let service = Service::new(args, plan, &log, format, runtime_handle, warnings, memory)?;
    let outcome = runtime.block_on(service.serve(listener, settings, token, signals, &log));
    // Whatever else failed, what was acknowledged is safe and the directory is given free.
    let closed = log.close();
    outcome.and(closed)
}

/// Waits for a signal to end; its name. Reads the token's file again when told to; a register is
/// followed anyway, as soon as it changes.
async fn end_signal(signals: &mut Signals, token: &Token) -> &'static str {
    loop {
        match signals.next().await {
            SignalMeaning::End(signal) => return signal,
            SignalMeaning::ReadAgain => match token.read_again() {
                Ok(()) => tracing::info!("told to read files again: the token is read"),
                Err(error) => tracing::error!(
                    error = %chain(&error),
                    "told to read files again, and the token stays as it was"
                ),
            },
        }
    }
}

/// Why the service ends without having been told to.
struct Failure {
    error: anyhow::Error,
    /// Whether all workers of all processes end well, and can be waited for.
    ends_well: bool,
}

/// What is started beside the HTTP server, as far as it has come.
#[derive(Default)]
struct Started {
    counting: Option<Counting>,
    sinks: Vec<Follower>,
    helpers: Vec<JoinHandle<()>>,
}

/// Counts and serves.
struct Service {
    data: PathBuf,
    count: CountSettings,
    begin: BeginSettingsLater,
    register: RegisterFrom,
    change: RegisterChange,
    /// Where aggregates go, where votes come from Kafka.
    aggregates: Option<AggregateSettings>,
    /// Where results go, where there is PostgreSQL.
    postgres: Option<PostgresSettings>,
    publisher: Publisher,
    memory: Memory,
    reach: Reach,
    facts: Arc<Facts>,
    runtime: Handle,
    /// Tells whatever else runs to end.
    stop: Arc<AtomicBool>,
    started: Mutex<Started>,
}

/// How to begin, but for the place, which may have to be waited for.
struct BeginSettingsLater {
    checkpoints: String,
    key: KeyFile,
    cluster: Option<Cluster>,
    hello: Hello,
    recount: bool,
    accept_truncated: bool,
}

impl Service {
    fn new(
        args: &Args,
        plan: Plan,
        log: &AnyLog,
        format: MessageFormat,
        runtime: Handle,
        warnings: Warnings,
        memory: Memory,
    ) -> anyhow::Result<Arc<Service>> {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let view = ViewSettings {
            topic: args.topic.as_str().into(),
            lateness_ms: ms(args.lateness),
            horizon_ms: ms(args.horizon),
        };
        let unknown = UnknownCodes::default();
        let places = places(&plan);
        let hello = Hello {
            version: env!("CARGO_PKG_VERSION").to_string(),
            process: args.process.into(),
            processes: args.processes.into(),
            workers: args.workers.into(),
            topic: args.topic.clone(),
            lateness_ms: view.lateness_ms,
            horizon_ms: view.horizon_ms,
            disclose_min: args.disclose_min,
            format: format.identity.clone(),
        };
        let publisher = Publisher::open(
            (args.disclose_min, view.clone()),
            &plan.data.join(publish::memory_of(args.process)),
            args.fresh,
            &warnings,
        )?;
        Ok(Arc::new(Service {
            data: plan.data,
            count: CountSettings {
                workers: args.workers.into(),
                process: args.process.into(),
                processes: args.processes.into(),
                view,
                format,
                checkpoint_every: args.checkpoint_every,
                // What the embedded log holds was acknowledged, and is counted whatever it takes.
                memory: match log {
                    AnyLog::Embedded(_) => Memory::default(),
                    AnyLog::Kafka(_) => memory.clone(),
                },
                unknown: unknown.clone(),
                warnings: warnings.clone(),
            },
            memory,
            begin: BeginSettingsLater {
                checkpoints: plan.checkpoints,
                key: plan.key,
                cluster: plan.cluster,
                hello,
                recount: args.recount,
                accept_truncated: args.accept_truncated,
            },
            register: plan.register,
            // By one process, since each row is written once.
            aggregates: plan.kafka.filter(|_| args.process == 0).map(|bootstrap| {
                AggregateSettings {
                    bootstrap,
                    options: args.kafka_options.clone(),
                    create_topics: !args.no_create_topics,
                    warnings: warnings.clone(),
                }
            }),
            postgres: plan.postgres.filter(|_| args.process == 0),
            change: RegisterChange {
                allow_drop: args.allow_drop,
                recounted: false,
            },
            publisher,
            reach: Reach::default(),
            facts: Arc::new(Facts {
                places,
                log: log.log(),
                workers: args.workers.into(),
                processes: args.processes.into(),
                unknown,
                warnings,
                stall: StallState::default(),
                register_error: LastError::default(),
                sinks: OnceLock::new(),
                keeper: OnceLock::new(),
                demo: OnceLock::new(),
            }),
            runtime,
            stop: Arc::default(),
            started: Mutex::default(),
        }))
    }

    /// Serves until a signal or a failure; the signal's end is a good one.
    async fn serve(
        self: Arc<Service>,
        listener: tokio::net::TcpListener,
        settings: http::Settings,
        token: Token,
        mut signals: Signals,
        log: &AnyLog,
    ) -> anyhow::Result<()> {
        let (end, ended) = watch::channel(false);
        let address = listener.local_addr()?;
        let parts = http::Parts {
            settings,
            token: token.clone(),
            publisher: self.publisher.clone(),
            writer: log.writer(),
            memory: self.memory.clone(),
            status: Arc::clone(&self.facts) as _,
        };
        let mut server = tokio::spawn(http::serve(listener, parts, ended));
        let watched = tokio::spawn(feed::watch(
            self.publisher.clone(),
            Arc::clone(&self.facts) as _,
            self.begin.hello.topic.clone(),
            (self.facts.stall.clone(), self.facts.warnings.clone()),
        ));
        output::announce(&format!("tallyflow listens on http://{address}"));
        let (failed, mut failure) = mpsc::unbounded_channel();
        let starting = self.start_on_a_thread(log, failed)?;
        let mut ends_well = true;
        let outcome = tokio::select! {
            signal = end_signal(&mut signals, &token) => {
                tracing::info!(signal, "told to end");
                Ok(())
            }
            Some(failure) = failure.recv() => {
                ends_well = failure.ends_well;
                Err(failure.error)
            }
            served = &mut server => {
                // Nobody asked it to: results that cannot be had are no service.
                served.context("the http server has failed")??;
                anyhow::bail!("the http server has ended by itself");
            }
        };
        watched.abort();
        tracing::info!("ending");
        let counted = if ends_well {
            self.end(starting).await
        } else {
            self.abandon()
        };
        end.send_replace(true);
        let served = server.await.context("the http server has failed")?;
        outcome.and(counted).and(served.map_err(Into::into))
    }

    fn start_on_a_thread(
        self: &Arc<Service>,
        log: &AnyLog,
        failed: mpsc::UnboundedSender<Failure>,
    ) -> anyhow::Result<JoinHandle<()>> {
        let (service, log) = (Arc::clone(self), log.clone());
        let start = move || {
            if let Err(error) = service.start(&log, &failed)
                && !service.reach.stopping()
            {
                let ends_well = false;
                // Nobody listens any more once the end has begun.
                let _ = failed.send(Failure { error, ends_well });
            }
        };
        let thread = thread::Builder::new().name("start".to_string());
        thread.spawn(start).context("could not start a thread")
    }

    /// Begins to count, as soon as everything is there that it needs.
    fn start(&self, log: &AnyLog, failed: &mpsc::UnboundedSender<Failure>) -> anyhow::Result<()> {
        let place = Place::open(&self.begin.checkpoints, self.runtime.clone())?;
        let settings = BeginSettings {
            place: place.clone(),
            key: self.begin.key.clone(),
            cluster: self.begin.cluster.clone(),
            hello: self.begin.hello.clone(),
            recount: self.begin.recount,
            accept_truncated: self.begin.accept_truncated,
            warnings: self.facts.warnings.clone(),
        };
        let waiting = |what| self.publisher.set_waiting(what);
        let begun = begin(settings, &*log.log(), &waiting, self.reach.stop_flag())?;
        let before = begun.before().map(|before| Arc::clone(&before.register));
        let (register, followed) = self.open_register(before, begun.hash())?;
        let (told, reach) = (failed.clone(), self.reach.clone());
        let counting = Counting::start(
            self.count.clone(),
            begun,
            log.log(),
            register,
            reach.clone(),
            self.publisher.clone(),
            move |error| {
                let ends_well = matches!(error, CountError::EndedByOther);
                let error = anyhow::anyhow!(error.to_string()).context("could not count on");
                // Nobody listens any more once the end has begun.
                let _ = told.send(Failure { error, ends_well });
            },
        )?;
        // Set here only.
        let _ = self.facts.keeper.set(counting.keeper());
        let mut helpers = Vec::new();
        if let Some(followed) = followed {
            let hand_over = move |register| reach.adopt(register);
            helpers.push(followed.follow(Arc::clone(&self.stop), hand_over)?);
        }
        if let (RegisterFrom::Demo(election), AnyLog::Embedded(log)) = (&self.register, log) {
            let (state, thread) = demo::start(
                election,
                Arc::clone(log),
                self.runtime.clone(),
                self.publisher.clone(),
                self.reach.clone(),
            )?;
            let _ = self.facts.demo.set(state);
            helpers.push(thread);
        }
        helpers.extend(self.start_scrub(log, place)?);
        let sinks = self.start_sinks()?;
        let accounts = sinks.iter().map(Follower::account).collect();
        let _ = self.facts.sinks.set(accounts);
        *self.started() = Started {
            counting: Some(counting),
            sinks,
            helpers,
        };
        Ok(())
    }

    /// What is there once is looked at by one process.
    fn start_scrub(&self, log: &AnyLog, place: Place) -> anyhow::Result<Vec<JoinHandle<()>>> {
        let mut helpers = Vec::new();
        if self.count.process > 0 {
            return Ok(helpers);
        }
        let thread = "could not start a thread";
        if let Some(log) = log.embedded() {
            let started = control::start(&self.data, log, Arc::clone(&self.stop));
            helpers.push(started.context(thread)?);
        }
        let is_remote = self.begin.checkpoints.starts_with("s3://");
        let scrub = Scrub {
            log: log.embedded(),
            place: (!is_remote).then_some(place),
            warnings: self.facts.warnings.clone(),
            stop: Arc::clone(&self.stop),
        };
        helpers.push(scrub.start().context(thread)?);
        Ok(helpers)
    }

    fn start_sinks(&self) -> anyhow::Result<Vec<Follower>> {
        let mut sinks = Vec::new();
        if let Some(settings) = &self.aggregates {
            sinks.push(aggregates::start(settings.clone(), self.publisher.clone())?);
        }
        if let Some(settings) = &self.postgres {
            let thread = "could not start a thread";
            let started = results::start(settings.clone(), self.publisher.full());
            sinks.push(started.context(thread)?);
            let log = Arc::clone(&self.facts.log);
            let started = {
                let format = Arc::clone(&self.count.format.format);
                votes::start(settings.clone(), log, format, self.publisher.clone())
            };
            sinks.push(started.context(thread)?);
        }
        Ok(sinks)
    }

    fn open_register(
        &self,
        last_good: Option<Arc<Register>>,
        hash: KeyedHash,
    ) -> anyhow::Result<(Arc<Register>, Option<Followed>)> {
        let source: Box<dyn RegisterSource> = match &self.register {
            // Process 0 reads it for all.
            _ if self.count.process > 0 => return Ok((last_good.unwrap_or_default(), None)),
            RegisterFrom::File(path) => Box::new(RegisterFile::new(path, hash)),
            RegisterFrom::Database(settings) => {
                Box::new(RegisterDatabase::new(settings.clone(), hash))
            }
            RegisterFrom::Demo(election) => return Ok((Arc::new(election.register()), None)),
        };
        let followed = Followed::open(
            source,
            last_good,
            self.change,
            self.facts.register_error.clone(),
            |what| self.publisher.set_waiting(what),
            self.reach.stop_flag(),
        )?;
        Ok((followed.in_force(), Some(followed)))
    }

    /// Ends the counting with a last checkpoint.
    async fn end(self: &Arc<Service>, starting: JoinHandle<()>) -> anyhow::Result<()> {
        self.reach.stop();
        let service = Arc::clone(self);
        let end = move || {
            // One that has panicked has said so.
            let _ = starting.join();
            let started = std::mem::take(&mut *service.started());
            let counted = started.counting.map_or(Ok(()), Counting::join);
            // One after the other, but none longer than its time.
            started.sinks.into_iter().for_each(Follower::end);
            service.stop.store(true, Ordering::Relaxed);
            started.helpers.into_iter().for_each(join_soon);
            counted.context("could not end the counting well")
        };
        tokio::task::spawn_blocking(end)
            .await
            .context("the counting could not be ended")?
    }

    /// Leaves alone what cannot end by itself any more; the process is about to end.
    fn abandon(&self) -> anyhow::Result<()> {
        self.reach.stop();
        self.stop.store(true, Ordering::Relaxed);
        let started = std::mem::take(&mut *self.started());
        if let Some(counting) = started.counting {
            counting.abandon();
        }
        // What it has not written yet, the next start does.
        std::mem::forget(started.sinks);
        Ok(())
    }

    fn started(&self) -> std::sync::MutexGuard<'_, Started> {
        // What is started is whole whoever panicked while holding it.
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a thread that has been told to end; one that waits for somebody who does not answer
/// is left behind.
fn join_soon(helper: JoinHandle<()>) {
    let deadline = Instant::now() + HELPER_ENDS_MAX;
    while !helper.is_finished() && Instant::now() < deadline {
        helper.thread().unpark();
        thread::sleep(Duration::from_millis(5));
    }
    if helper.is_finished() {
        // One that has panicked has said so.
        let _ = helper.join();
    }
}
