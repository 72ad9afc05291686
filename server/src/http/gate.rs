//! What holds for every request: our name, known path, known method, HEAD, CORS, headers of safety,
//! and the count of what was answered. Behind it the routes see GET and POST only.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use warp::http::header::{
    ALLOW, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{Method, Request, StatusCode};
use warp::reply::Response;

use super::forwarded::{self, is_trusted};
use super::held::{HasBody, Held};
use super::metrics::count_request;
use super::problem::Problem;
use super::routes::{Api, Route};
use super::rules;
use super::server::{Arrival, State};
use super::settings::Origins;
use super::shares::{Refused, Share};
use super::socket::Connection;

/// What a browser may do with an answer that is not the page: what the page's modules need, of
/// which one is a worker and has no other policy than its own.
const CONTENT_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; \
    object-src 'none'; frame-ancestors 'none'";

/// What tells the health of the service is answered to everybody, however many they are.
const HEALTH: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// An answer as it is sent: a request that came through a proxy counts as long.
pub type Sent = warp::http::Response<Held<<Response as HasBody>::Body, Option<Share>>>;

/// Answers a request. Where its connection has no place, only what asks for health is answered.
pub async fn pass(
    state: &State,
    api: &Api,
    connection: Arc<Connection>,
    request: Request<Incoming>,
    refused: Option<Refused>,
) -> Sent {
    let peer = connection.from();
    let proxies = &state.settings.limits.trusted_proxies;
    let client = forwarded::client(peer, proxies, request.headers());
    let share = match refused {
        _ if asks_for_health(&request) => Ok(None),
        Some(refused) => Err(state.places.problem(refused)),
        None if is_trusted(peer, proxies) => state.places.request(client).map(Some),
        None => Ok(None),
    };
    let arrival = Arrival { connection, client };
    let (share, problem) = match share {
        Ok(share) => (share, None),
        Err(problem) => (None, Some(problem)),
    };
    let response = answered(state, api, arrival, request, problem).await;
    response.map(|body| Held::new(body, share))
}

/// Whether a request asks for the health of the service.
fn asks_for_health<B>(request: &Request<B>) -> bool {
    HEALTH.contains(&request.uri().path())
}

/// The answer to a request, or the problem that is in its way, with the headers of all answers.
async fn answered(
    state: &State,
    api: &Api,
    arrival: Arrival,
    request: Request<Incoming>,
    problem: Option<Problem>,
) -> Response {
    // A stream's connection is another's again where only the stream's head was asked for.
    arrival.connection.set_streaming(false);
    let client = arrival.client;
    let route = Route::of(request.uri().path());
    let method = request.method().clone();
    let origin = request.headers().get(ORIGIN).cloned();
    let is_loopback = state.settings.is_loopback();
    let named = rules::check_name(is_loopback, request.uri(), request.headers());
    let mut response = match problem.map_or(named, Err) {
        Ok(()) => answer(api, route, arrival, request).await,
        Err(problem) => problem.into(),
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        state.failures.note(client).await;
    }
    let headers = response.headers_mut();
    state.settings.cors.allow(origin.as_ref(), headers);
    if let Some(route) = route.filter(|_| method == Method::OPTIONS) {
        headers.insert(ALLOW, route.allow());
        Origins::preflight(route.allow(), headers);
    }
    secure(headers);
    if method == Method::OPTIONS && response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    count_request(
        route.map_or("unknown", |route| route.label),
        label(&method),
        response.status(),
    );
    response
}

async fn answer(
    api: &Api,
    route: Option<&Route>,
    arrival: Arrival,
    request: Request<Incoming>,
) -> Response {
    let method = request.method();
    match route {
        None => Problem::not_found(
            "unknown-route",
            "there is nothing here",
            "/openapi.json lists the routes",
        )
        .into(),
        Some(route) if !route.allows(method) => not_allowed(route),
        Some(_) if method == Method::OPTIONS => Response::default(),
        Some(_) => ask(api, arrival, request).await,
    }
}

async fn ask(api: &Api, arrival: Arrival, mut request: Request<Incoming>) -> Response {
    request.extensions_mut().insert(arrival);
    if request.method() == Method::HEAD {
        // hyper knows what was asked and sends the head alone.
        *request.method_mut() = Method::GET;
    }
    let service = TowerToHyperService::new(warp::service(api.clone()));
    match service.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn not_allowed(route: &Route) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let detail = format!("{} knows {}", route.path, route.methods);
    Problem::new(
        status,
        "method-not-allowed",
        "this route does not know this method",
        detail,
    )
    .header(ALLOW, route.allow())
    .into()
}

/// The page brings a policy of its own.
fn secure(headers: &mut HeaderMap) {
    let policy = HeaderValue::from_static(CONTENT_POLICY);
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// A method as a label; methods are free text, and labels must not grow with them.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
