//! Answers to others over HTTP: `/metrics`, `/healthz`, `/status.json`. It only shows what is known already, so that asking
//! often costs nothing.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::{Http, Secret};
use super::metrics;
use super::picture::Picture;
use crate::error::{Error, Result};

/// What is known, as it changes. `None` until the first look.
pub type Pictures = watch::Receiver<Option<std::sync::Arc<Picture>>>;

/// A server, until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Begins to listen on a runtime of one's own, if that is wanted.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(wanted: &Http, pictures: Pictures, desk: &Handle) -> Result<Option<Server>> {
        let Some(address) = wanted.listen else { return Ok(None) };
        let failed = |source| Error::Listen { address, source };
        let listener = desk.spawn(TcpListener::bind(address)).await;
        let listener = listener.unwrap_or_else(|gone| Err(std::io::Error::other(gone))).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let guard = middleware::from_fn_with_state(wanted.token.clone(), admit);
        let routes = Router::new()
            .route("/metrics", get(metrics_page))
            .route("/status.json", get(status))
            // Whether it is well is not a secret, and who asks is often a program without any.
            .layer(guard)
            .route("/healthz", get(health))
            .with_state(pictures);
        let task = desk.spawn(async move {
            if let Err(problem) = axum::serve(listener, routes).await {
                tracing::error!(%problem, "nobody answers over HTTP any more");
            }
        });
        tracing::info!(%address, "listening");
        Ok(Some(Server { address, task }))
    }

    /// Ends it, so that its address can be listened on again.
    pub async fn end(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Whether it has ended, which it should not.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

/// Lets in who knows the word.
async fn admit(State(token): State<Option<Secret>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    match token.is_none_or(|token| is_same(format!("Bearer {}", token.0).as_bytes(), given)) {
        true => next.run(request).await,
        false => {
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], "a token is needed\n").into_response()
        }
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter().zip(other.iter()).fold(0, |differences, (one, other)| differences | (one ^ other)) == 0
}

fn not_yet() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "nothing has been observed yet\n").into_response()
}

async fn metrics_page(State(pictures): State<Pictures>) -> Response {
    let picture = pictures.borrow().clone();
    match picture {
        Some(picture) => ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::text(&picture)).into_response(),
        None => not_yet(),
    }
}

async fn status(State(pictures): State<Pictures>) -> Response {
    let picture = pictures.borrow().clone();
    match picture {
        Some(picture) => json_page(StatusCode::OK, &picture.to_json()),
        None => not_yet(),
    }
}

async fn health(State(pictures): State<Pictures>) -> Response {
    let picture = pictures.borrow().clone();
    match picture.map(|picture| picture.fault()) {
        None => not_yet(),
        Some(None) => json_page(StatusCode::OK, &json!({ "status": "ok" })),
        // What fails stands in status.json.
        Some(Some(_)) => json_page(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "failing" })),
    }
}

fn json_page(status: StatusCode, value: &serde_json::Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, headers, format!("{value}\n")).into_response()
}
