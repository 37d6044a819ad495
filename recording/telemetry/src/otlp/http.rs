//! The HTTP client under OTLP's exporter: the one that is here already, at home in the runtime that it was made in.
//!
//! The SDK calls exporters from threads of its own, where an async client finds no reactor and panics; so each request
//! runs as a task of the runtime.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use super::{Error, timeout, tls};

/// The longest answer that is read: it only says what was refused.
const MAX_ANSWER: usize = 4 << 20;

/// Why the last request had no answer: the exporter only says that there is none.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted(Arc<Mutex<Option<String>>>);

impl Noted {
    /// What was noted since the last time.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, error: &(dyn std::error::Error + 'static)) {
        let causes = std::iter::successors(error.source(), |error| (*error).source());
        let told = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }
}

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
    noted: Noted,
}

impl Client {
    pub(super) fn new(noted: &Noted) -> Result<Client, Error> {
        let builder = tls::http(reqwest::Client::builder().timeout(timeout()))?;
        let http = builder.build().map_err(|source| Error::Client { source })?;
        Ok(Client { http, runtime: Handle::current(), noted: noted.clone() })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let answered = self.runtime.spawn(async move { answer(&http, request).await }).await?;
        answered.inspect_err(|error| self.noted.note(&**error))
    }
}

async fn answer(http: &reqwest::Client, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
    let mut response = http.execute(request.try_into()?).await?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err("the answer is longer than 4 MiB".into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = http::Response::builder().status(response.status());
    if let Some(headers) = answer.headers_mut() {
        headers.extend(response.headers().clone());
    }
    Ok(answer.body(body.freeze())?)
}
