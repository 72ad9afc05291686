//! `/openapi.json`: the routes, their answers and their errors, as OpenAPI 3.1, made from the
//! code that answers them.

use std::sync::LazyLock;

use bytes::Bytes;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use warp::http::header::HeaderMap;
use warp::reply::Response;
use xxhash_rust::xxh3::xxh3_64;

use super::answers::{self, JSON};
use super::problem::Problem;
use super::query::Query;
use super::server::State;
use super::stream::{Alive, Reset};
use super::{metrics, operations, status, stream, votes};
use crate::publish::json;
use dataflow::answer::StreamChange;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| json(&document()));

#[derive(OpenApi)]
#[openapi(
    info(title = "tallyflow", description = "Counts votes while they are being cast."),
    paths(
        answers::elections, answers::contests, answers::results, answers::locations, answers::windows,
        answers::series, stream::stream, status::status, operations::operations, votes::post, status::healthz,
        status::readyz, metrics::metrics, openapi,
    ),
    components(schemas(StreamChange, Reset, Alive)),
    tags(
        (name = "results", description = "The count; every answer names its tick"),
        (name = "voting", description = "Sending votes"),
        (name = "operation", description = "How the service is"),
    ),
    modifiers(&Token),
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Describes the routes.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses(
    (status = 200, description = "This document", body = Object),
))]
pub fn openapi(_: &State, _: &Query, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = format!("\"{:016x}\"", xxh3_64(&DOCUMENT));
    Ok(answers::tagged(JSON, DOCUMENT.clone(), &tag, headers))
}
