//! Every route once: its path and methods for the gate, and the filter that answers it.

use warp::filters::BoxedFilter;
use warp::http::header::{HeaderMap, HeaderValue};
use warp::http::{Method, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::problem::Problem;
use super::query::Query;
use super::server::{Arrival, State};
use super::{answers, files, metrics, openapi, operations, own_files, status, stream, votes};

/// The routes as one filter.
pub type Api = BoxedFilter<(Response,)>;

/// A path and the methods that it knows.
#[derive(Debug)]
pub struct Route {
    /// The path, exactly.
    pub path: &'static str,
    /// What metrics call it.
    pub label: &'static str,
    /// Its methods, as `Allow` lists them.
    pub methods: &'static str,
}

const READ: &str = "GET, HEAD, OPTIONS";
const WRITE: &str = "POST, OPTIONS";

const fn read(path: &'static str) -> Route {
    Route {
        path,
        label: path,
        methods: READ,
    }
}

/// Every route but the files of the page.
pub const ROUTES: [Route; 14] = [
    read("/api/v1/elections"),
    read("/api/v1/contests"),
    read("/api/v1/results"),
    read("/api/v1/locations"),
    read("/api/v1/windows"),
    read("/api/v1/series"),
    read("/api/v1/stream"),
    read("/api/v1/status"),
    read("/api/v1/operations"),
    Route {
        path: "/api/v1/votes",
        label: "/api/v1/votes",
        methods: WRITE,
    },
    read("/healthz"),
    read("/readyz"),
    read("/metrics"),
    read("/openapi.json"),
];

/// All files of the page: few, and none worth a label of its own.
const FILES: Route = Route {
    path: "this file",
    label: "files",
    methods: READ,
};

impl Route {
    /// The route of a path.
    pub fn of(path: &str) -> Option<&'static Route> {
        let route = ROUTES.iter().find(|route| route.path == path);
        let is_file = || path.starts_with(own_files::FOLDER) || files::exists(path);
        route.or_else(|| is_file().then_some(&FILES))
    }

    /// Whether the route knows a method.
    pub fn allows(&self, method: &Method) -> bool {
        self.methods
            .split(", ")
            .any(|known| known == method.as_str())
    }

    /// Its methods as a header.
    pub fn allow(&self) -> HeaderValue {
        HeaderValue::from_static(self.methods)
    }
}

type Read = fn(&State, &Query, &HeaderMap) -> Result<Response, Problem>;

/// The filter that answers every route.
pub fn api(state: State) -> Api {
    let question = |path: Api0, answer: Read| question(&state, path, answer);
    question(
        warp::path!("api" / "v1" / "elections").boxed(),
        answers::elections,
    )
    .or(question(
        warp::path!("api" / "v1" / "contests").boxed(),
        answers::contests,
    ))
    .unify()
    .or(question(
        warp::path!("api" / "v1" / "results").boxed(),
        answers::results,
    ))
    .unify()
    .or(question(
        warp::path!("api" / "v1" / "locations").boxed(),
        answers::locations,
    ))
    .unify()
    .or(question(
        warp::path!("api" / "v1" / "windows").boxed(),
        answers::windows,
    ))
    .unify()
    .or(question(
        warp::path!("api" / "v1" / "series").boxed(),
        answers::series,
    ))
    .unify()
    .or(question(
        warp::path!("api" / "v1" / "status").boxed(),
        status::status,
    ))
    .unify()
    .or(question(
        warp::path!("api" / "v1" / "operations").boxed(),
        operations::operations,
    ))
    .unify()
    .or(question(warp::path!("healthz").boxed(), status::healthz))
    .unify()
    .or(question(warp::path!("readyz").boxed(), status::readyz))
    .unify()
    .or(question(warp::path!("metrics").boxed(), metrics::metrics))
    .unify()
    .or(question(
        warp::path!("openapi.json").boxed(),
        openapi::openapi,
    ))
    .unify()
    .or(streaming(&state))
    .unify()
    .or(voting(&state))
    .unify()
    .or(page(&state))
    .unify()
    .recover(async |rejection: Rejection| Ok::<_, Rejection>(rejected(&rejection)))
    .unify()
    .boxed()
}

type Api0 = BoxedFilter<()>;

fn question(state: &State, path: Api0, answer: Read) -> Api {
    let state = state.clone();
    path.and(warp::get())
        .and(query())
        .and(warp::header::headers_cloned())
        .map(move |query, headers| respond(answer(&state, &query, &headers)))
        .boxed()
}

fn streaming(state: &State) -> Api {
    let state = state.clone();
    warp::path!("api" / "v1" / "stream")
        .and(warp::get())
        .and(warp::ext::get::<Arrival>())
        .and(query())
        .and(warp::header::headers_cloned())
        .map(move |arrival, query, headers| {
            respond(stream::stream(&state, &arrival, &query, &headers))
        })
        .boxed()
}

fn voting(state: &State) -> Api {
    let state = state.clone();
    warp::path!("api" / "v1" / "votes")
        .and(warp::post())
        .and(warp::ext::get::<Arrival>())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |arrival, headers, body| {
            let state = state.clone();
            async move { respond(votes::post(state, arrival, headers, body).await) }
        })
        .boxed()
}

fn page(state: &State) -> Api {
    let state = state.clone();
    let answer = move |path: warp::path::FullPath, headers: HeaderMap| {
        let state = state.clone();
        async move {
            match path.as_str() {
                "/" | "/index.html" => state.front.answer(&state, &headers),
                path if path.starts_with(own_files::FOLDER) => {
                    respond(own_file(state, path.to_string(), headers).await)
                }
                path => respond(files::file(path, &headers)),
            }
        }
    };
    warp::path::full()
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .then(answer)
        .boxed()
}

/// A file of the operator, read where it holds up no other request.
async fn own_file(state: State, path: String, headers: HeaderMap) -> Result<Response, Problem> {
    let Some(directory) = state.settings.files.clone() else {
        let detail = "the service was started without --files";
        return Err(Problem::not_found(
            "unknown-file",
            "there is no such file",
            detail,
        ));
    };
    let budget = state.publisher.budget().clone();
    let read = move || own_files::answer(&directory, &path, &headers, &budget);
    match tokio::task::spawn_blocking(read).await {
        Ok(answer) => answer,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn query() -> impl Filter<Extract = (Query,), Error = Rejection> + Copy {
    warp::query::<Vec<(String, String)>>().map(Query)
}

fn respond(answer: Result<Response, Problem>) -> Response {
    answer.unwrap_or_else(Response::from)
}

/// The gate lets in only what a route knows, so a filter rejects little: a query that cannot be
/// decoded.
fn rejected(rejection: &Rejection) -> Response {
    if rejection.find::<warp::reject::InvalidQuery>().is_some() {
        let title = "the query cannot be read";
        let detail = "write it as name=value, joined by &";
        return Problem::new(StatusCode::BAD_REQUEST, "bad-query", title, detail).into();
    }
    tracing::error!(?rejection, "a request that the gate let in found no route");
    let title = "the server made a mistake";
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        title,
        "its log says more",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_documented_and_nothing_else() {
        let document = serde_json::to_value(openapi::document()).expect("a document");
        let paths = document["paths"].as_object().expect("paths");
        let mut documented: Vec<_> = paths.keys().map(String::as_str).collect();
        let mut served: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
        documented.sort_unstable();
        served.sort_unstable();
        assert_eq!(documented, served);
        for route in &ROUTES {
            for (method, _) in paths
                .get(route.path)
                .and_then(|it| it.as_object())
                .into_iter()
                .flatten()
            {
                let method = method.to_uppercase();
                assert!(route.methods.contains(&method), "{method} {}", route.path);
            }
        }
    }
}
