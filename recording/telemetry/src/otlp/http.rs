//! The HTTP client under OTLP's exporter: the one that is here already, at home in the runtime that it was made in.
//!
//! The SDK calls exporters from threads of its own, where an async client finds no reactor and panics; so each request
//! runs as a task of the runtime.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use super::{Error, timeout, tls};

/// The longest answer that is read: it only says what was refused.
const MAX_ANSWER: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    pub(super) fn new() -> Result<Client, Error> {
        let builder = tls::http(reqwest::Client::builder().timeout(timeout()))?;
        let http = builder.build().map_err(|source| Error::Client { source })?;
        Ok(Client { http, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let http = self.http.clone();
        self.runtime.spawn(async move { answer(&http, request).await }).await?
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
