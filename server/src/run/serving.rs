//! What the HTTP server is told: its settings, and the token that writers must show.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::cli::Args;
use crate::format::MessageFormat;
use crate::token::{self, Token, TokenError};
use crate::{http, output};

/// Its settings, as the flags have them.
pub(super) fn http_settings(args: &Args, format: &MessageFormat) -> anyhow::Result<http::Settings> {
    Ok(http::Settings {
        listen: args.listen,
        cors: http::Origins::parse(&args.cors_origins.join(","))?,
        frames: http::Origins::parse(&args.frame_origins.join(","))?,
        topic: args.topic.clone(),
        stale_after: args.stale_after,
        files: args.files.clone(),
        format: Arc::clone(&format.format),
        limits: http::Limits {
            connections_per_address: args.connections_per_address.map(|it| it as usize),
            trusted_proxies: http::networks(&args.trusted_proxies)?,
            ..http::Limits::default()
        },
    })
}

/// The token that the command line gives.
pub(super) fn given_token(args: &Args) -> Result<Option<Token>, TokenError> {
    match (&args.token, &args.token_file) {
        (Some(text), _) => Token::parse(text).map(Some),
        (None, Some(file)) => Token::read(file).map(Some),
        (None, None) => Ok(None),
    }
}

/// The token of the data directory, made at the first start; says how to write with it.
pub(super) fn keep_token(data: &Path, listen: SocketAddr) -> anyhow::Result<Token> {
    let (token, file) = Token::kept(data)?;
    let file = std::path::absolute(&file).unwrap_or(file);
    output::announce(&token::how_to_write(&file, listen));
    Ok(token)
}
