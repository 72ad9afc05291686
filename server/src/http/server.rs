//! The accept loop: sockets come in, each becomes a task that answers its requests.
//!
//! warp's own server sets no `TCP_NODELAY`, no limit on connections and none on the time that a
//! request's head may take; this one does. A connection that gets no place is told so at the door
//! rather than left to wait, and asks for the service's health even there. At the end it takes no more, lets what is being answered finish, and
//! returns within the time that the settings give.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use warp::http::Request;

use super::body;
use super::error::HttpError;
use super::failures::Failures;
use super::front::FrontPage;
use super::gate;
use super::metrics::{self, Metrics};
use super::open_files;
use super::places::{Admission, Place, Places};
use super::routes::{self, Api};
use super::settings::Settings;
use super::shares::{Refused, Share, Shares};
use super::socket::{Connection, Patience, Socket};
use super::status::StatusSource;
use super::stream::Streams;
use crate::memory::Memory;
use crate::publish::Publisher;
use crate::source::Writer;
use crate::token::Token;

/// The most that a connection's head, and the frames that wait in it, take: with 16,384 heads that
/// never end 256 MiB.
const BUFFER_BYTES_MAX: usize = 16 << 10;

/// How long a connection without a place is heard and answered at most.
const DOOR_TIME: Duration = Duration::from_secs(2);

/// How long accepting rests after an error such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often measured times are folded into their histograms, which grow until then.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What the server works with.
pub struct Parts {
    /// What it is told.
    pub settings: Settings,
    /// What writers must show.
    pub token: Token,
    /// What it shows.
    pub publisher: Publisher,
    /// Where votes go.
    pub writer: Arc<dyn Writer>,
    /// Whether there is room for more of them.
    pub memory: Memory,
    /// How the service is.
    pub status: Arc<dyn StatusSource>,
}

/// What every request may use; cheap to clone.
#[derive(Clone)]
pub struct State {
    /// What the server is told.
    pub settings: Arc<Settings>,
    /// What writers must show.
    pub token: Token,
    /// The page itself, as it was served last.
    pub front: Arc<FrontPage>,
    /// What it shows.
    pub publisher: Publisher,
    /// Where votes go.
    pub writer: Arc<dyn Writer>,
    /// Whether there is room for more of them.
    pub memory: Memory,
    /// How the service is.
    pub status: Arc<dyn StatusSource>,
    /// The open streams.
    pub streams: Arc<Streams>,
    /// Failed authentications.
    pub failures: Failures,
    /// What is counted.
    pub metrics: Metrics,
    /// What renders it.
    pub recorder: Option<PrometheusHandle>,
    /// Places of connections.
    pub places: Arc<Places>,
    /// Requests that may write now.
    pub writes: Arc<Semaphore>,
    /// The memory of bodies in hand.
    pub bodies: Shares,
}

/// What a request is besides its method, path and headers.
#[derive(Clone)]
pub struct Arrival {
    /// The connection that it came by.
    pub connection: Arc<Connection>,
    /// Whose it is: the connection's peer, or whom a trusted proxy names.
    pub client: IpAddr,
}

struct Server {
    state: State,
    api: Api,
}

/// Serves until `shutdown` holds true, then ends within the settings' time.
pub async fn serve(
    listener: TcpListener,
    parts: Parts,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), HttpError> {
    let listen = listener.local_addr().map_err(HttpError::Listener)?;
    let connections_max = open_files::allow(parts.settings.limits.connections_max);
    let state = state(parts, connections_max, shutdown.clone());
    let limits = state.settings.limits.clone();
    let server = Arc::new(Server {
        api: routes::api(state.clone()),
        state,
    });
    let mut tasks = JoinSet::new();
    let recorder = server.state.recorder.clone();
    let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
    tracing::info!(%listen, connections_max, "serving HTTP");
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            _ = upkeep.tick() => {
                recorder.iter().for_each(PrometheusHandle::run_upkeep);
                server.state.failures.say(Instant::now());
                continue;
            }
            () = ended(&mut shutdown) => break,
        };
        match accepted {
            Ok((stream, peer)) => match server.state.places.admit(peer.ip()) {
                Admission::Place(place) => {
                    let talk = server
                        .clone()
                        .converse(stream, peer, place, shutdown.clone());
                    drop(tasks.spawn(talk));
                }
                Admission::Door(place, refused) => {
                    drop(tasks.spawn(server.clone().refuse(stream, peer, place, refused)));
                }
                Admission::Closed => server.state.metrics.connections_refused.increment(1),
            },
            Err(error) => rest_after(&error).await,
        }
    }
    drop(listener);
    let all = async { while tasks.join_next().await.is_some() {} };
    if timeout(limits.shutdown_timeout, all).await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            "cut connections that did not end in time"
        );
    }
    Ok(())
}

fn state(parts: Parts, connections_max: usize, shutdown: watch::Receiver<bool>) -> State {
    // Handles on metrics bind to the recorder that is there when they are made.
    let recorder = metrics::install();
    let limits = &parts.settings.limits;
    // Where fewer connections are allowed than configured, some are still left for votes.
    let streams_max = limits
        .streams_max
        .min(connections_max - connections_max / 16);
    let (publisher, status) = (parts.publisher.clone(), parts.status.clone());
    State {
        streams: Arc::new(Streams::new(publisher, status, shutdown, streams_max)),
        places: Arc::new(Places::new(connections_max, limits)),
        writes: Arc::new(Semaphore::new(limits.writes_max)),
        bodies: body::bodies(limits),
        front: Arc::default(),
        settings: Arc::new(parts.settings),
        token: parts.token,
        publisher: parts.publisher,
        writer: parts.writer,
        memory: parts.memory,
        status: parts.status,
        failures: Failures::default(),
        metrics: Metrics::default(),
        recorder,
    }
}

impl Server {
    /// Answers the requests of one connection, one after another.
    async fn converse(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        place: Place,
        mut shutdown: watch::Receiver<bool>,
    ) {
        // Frames are small and must not wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let open = self.state.metrics.connections_open.clone();
        open.increment(1.0);
        let limits = &self.state.settings.limits;
        let connection = Arc::new(Connection::new(peer.ip()));
        let metrics = self.state.metrics.clone();
        let patience = Patience::new(limits, self.state.publisher.budget().clone());
        let socket = Socket::new(stream, connection.clone(), metrics, patience);
        let answer = service_fn(|request: Request<Incoming>| {
            let (state, api) = (&self.state, &self.api);
            let connection = connection.clone();
            async move { Ok::<_, Infallible>(gate::pass(state, api, connection, request, None).await) }
        });
        let header_timeout = match self.state.places.is_crowded() {
            true => limits.crowded_header_timeout,
            false => limits.header_timeout,
        };
        let conversation = http(header_timeout).serve_connection(TokioIo::new(socket), answer);
        let mut conversation = std::pin::pin!(conversation);
        let result = tokio::select! {
            result = conversation.as_mut() => result,
            () = ended(&mut shutdown) => {
                conversation.as_mut().graceful_shutdown();
                conversation.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection broke");
        }
        open.decrement(1.0);
        drop(place);
    }

    /// Hears one request of a connection that has no place: one about health is answered, any
    /// other is told why not.
    async fn refuse(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        place: Share,
        refused: Refused,
    ) {
        self.state.metrics.connections_refused.increment(1);
        let connection = Arc::new(Connection::new(peer.ip()));
        let answer = service_fn(|request: Request<Incoming>| {
            let (state, api) = (&self.state, &self.api);
            let connection = connection.clone();
            async move {
                let answer = gate::pass(state, api, connection, request, Some(refused));
                Ok::<_, Infallible>(answer.await)
            }
        });
        let told = http(DOOR_TIME)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), answer);
        // Whether it heard us or not, it goes.
        let _ = timeout(DOOR_TIME, told).await;
        drop(place);
    }
}

fn http(header_timeout: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(BUFFER_BYTES_MAX);
    http
}

/// Waits for the end; a sender that is gone means the same as one that said so.
pub async fn ended(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|ended| *ended).await;
}

/// Errors of a single connection are passed over; others, such as too many open files, are said
/// and given a moment to go away.
async fn rest_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        return;
    }
    tracing::warn!(%error, "accepting a connection failed; raise the limit on open files if that is it");
    sleep(ACCEPT_PAUSE).await;
}
