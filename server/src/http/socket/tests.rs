//! Slow readers over real sockets, behind a small server whose answers are all different.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{sleep, timeout};

use super::*;
use crate::publish::Full as NoRoom;

const ANSWER_BYTES: usize = 256 << 10;
const BUDGET_BYTES: usize = 4 << 20;
const DEADLINE: Duration = Duration::from_secs(60);

/// Serves answers of which no two are shared; counts what was refused for want of room.
async fn serve(listener: TcpListener, budget: Budget, limits: Limits, refused: Arc<AtomicUsize>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let (budget, refused) = (budget.clone(), refused.clone());
        let patience = Patience::new(&limits, budget.clone());
        let connection = Arc::new(Connection::new(peer.ip()));
        let socket = Socket::new(stream, connection, Metrics::default(), patience);
        let answer = service_fn(move |_: Request<hyper::body::Incoming>| {
            let made = budget.make(|| Ok::<_, NoRoom>(vec![b'a'; ANSWER_BYTES].into()));
            refused.fetch_add(usize::from(made.is_err()), Ordering::Relaxed);
            let body = made.unwrap_or_else(|_| Bytes::from_static(b"no room"));
            async { Ok::<_, Infallible>(Response::new(Full::new(body))) }
        });
        let mut http = http1::Builder::new();
        http.max_buf_size(16 << 10);
        tokio::spawn(http.serve_connection(TokioIo::new(socket), answer));
    }
}

/// A server of which each side's kernel keeps little.
async fn start(limits: Limits) -> (SocketAddr, Budget, Arc<AtomicUsize>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(16 << 10).expect("a size");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(any).expect("a free port");
    let listener = socket.listen(1024).expect("it listens");
    let address = listener.local_addr().expect("an address");
    let (budget, refused) = (Budget::new(BUDGET_BYTES), Arc::default());
    let serving = serve(listener, budget.clone(), limits, Arc::clone(&refused));
    tokio::spawn(serving);
    (address, budget, refused)
}

async fn ask(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 << 10).expect("a size");
    let mut stream = socket.connect(address).await.expect("the server is there");
    let head = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(head).await.expect("the question is sent");
    stream
}

/// Reads a little at a time until the end; the bytes that came.
async fn read_slowly(mut stream: TcpStream) -> usize {
    let (mut buffer, mut all) = ([0; 512], 0);
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        all += read;
        sleep(Duration::from_millis(50)).await;
    }
    all
}

#[tokio::test]
async fn slow_readers_make_room_for_others() {
    let (address, budget, refused) = start(Limits::default()).await;
    let mut most = 0;
    for _ in 0..64 {
        tokio::spawn(read_slowly(ask(address).await));
        most = most.max(budget.used());
    }
    // Sixteen answers fill it, and each of the 64 wants one of its own.
    let quick = async {
        loop {
            let mut answer = Vec::new();
            let mut stream = ask(address).await;
            // One that is cut in the middle asks again, as one that is refused does.
            let read = stream.read_to_end(&mut answer).await;
            if read.is_ok() && answer.len() > ANSWER_BYTES {
                return;
            }
        }
    };
    let answered = timeout(DEADLINE, quick).await;
    assert!(answered.is_ok(), "{} are in use", budget.used());
    assert!(
        refused.load(Ordering::Relaxed) > 0,
        "the budget was never full"
    );
    assert!(most <= BUDGET_BYTES, "{most} were in use");
}

#[tokio::test]
async fn a_whole_answer_has_a_deadline() {
    let limits = Limits {
        answer_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let (address, budget, _) = start(limits).await;
    let read = timeout(DEADLINE, read_slowly(ask(address).await)).await;
    let read = read.expect("the server ends it");
    assert!(read > 0 && read < ANSWER_BYTES, "{read} bytes came");
    let given_back = async {
        while budget.used() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let given_back = timeout(DEADLINE, given_back).await;
    assert!(given_back.is_ok(), "{} are still in use", budget.used());
}

#[test]
fn a_subscriber_may_be_behind_as_long_as_there_is_memory() {
    let budget = Budget::new(100);
    let patience = Patience::new(&Limits::default(), budget.clone());
    let whole = Limits::default().answer_timeout;
    assert_eq!(
        (patience.behind(true), patience.behind(false)),
        (None, Some(whole))
    );
    let _held = budget.count(vec![0; 75].into());
    let half = Some(whole / 2);
    assert_eq!(
        (patience.behind(true), patience.behind(false)),
        (half, half)
    );
    let _rest = budget.count(vec![0; 75].into());
    assert_eq!(patience.behind(true), Some(BEHIND_MIN));
}
