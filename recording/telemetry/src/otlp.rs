//! Sends recorded spans to a receiver of OTLP, over gRPC or HTTP/protobuf.
//!
//! A [`Target`] is where; a [`Sender`] sends rows of the table `spans` there and says what became of each. The standard
//! `OTEL_*` variables are read: protocol, headers, timeout, compression, certificates, resource attributes. A [`Live`]
//! queue stands between a run and a sender: it never waits, is bounded, and counts what it could not send.

mod convert;
mod http;
mod live;
mod rejected;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::future::join_all;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::SpanExporter as _;
use recording::Stamped;
use recording::record::Span;

use tracing::Instrument;

use http::Noted;
pub use live::{Ended, Live, Sending};
pub use rejected::Rejected;

/// Spans in one call: the OpenTelemetry SDK's own number.
const BATCH: usize = 512;
/// Bytes in one call, about: receivers commonly take 4 MiB.
const BATCH_BYTES: usize = 2 << 20;
/// How long one call may take where no variable says so.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is wrong with where spans should go.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error(
        "--otlp {url}: no address of a receiver: write http://127.0.0.1:4317 (gRPC) or http://127.0.0.1:4318 (HTTP)"
    )]
    Url { url: String },
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL={value}: use grpc or http/protobuf")]
    Protocol { value: String },
    #[error("--otlp env: neither OTEL_EXPORTER_OTLP_ENDPOINT nor OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set")]
    NoEndpoint,
    #[error("read {what}={path}")]
    Certificate { what: &'static str, path: String, source: std::io::Error },
    #[error("the HTTP client for OTLP")]
    Client { source: reqwest::Error },
    #[error("the exporter for OTLP")]
    Exporter { source: ExporterBuildError },
}

/// What receivers say of a call that is too large, over gRPC and HTTP; and of one that they don't like as it is.
const TOO_LARGE: [&str; 3] = ["OutOfRange", "ResourceExhausted", "413"];
const OF_ITS_OWN: [&str; 5] = ["OutOfRange", "ResourceExhausted", "InvalidArgument", "413", "400"];

/// Spans in calls of a size that receivers take.
fn batches(rows: Vec<Row>) -> VecDeque<Vec<Row>> {
    let mut batches: VecDeque<Vec<Row>> = VecDeque::new();
    let mut bytes = 0;
    for row in rows {
        let own = live::weight(&row);
        let fits = batches.back().is_some_and(|batch| batch.len() < BATCH && bytes + own <= BATCH_BYTES);
        if !fits {
            batches.push_back(Vec::new());
            bytes = 0;
        }
        bytes += own;
        if let Some(batch) = batches.back_mut() {
            batch.push(row);
        }
    }
    batches
}

/// How spans travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC, usually at port 4317.
    Grpc,
    /// Protobuf over HTTP, usually at port 4318.
    HttpProtobuf,
}

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: String,
    /// How spans travel there.
    pub protocol: Protocol,
}

impl Target {
    /// Where `--otlp` points: an address, or `env` for that of the `OTEL_EXPORTER_OTLP_*` variables. The protocol is what
    /// the variables say, else HTTP at port 4318 or where the address has a path, else gRPC.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Protocol`], [`Error::NoEndpoint`].
    pub fn parse(given: &str) -> Result<Target, Error> {
        Target::with(given, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// A receiver over gRPC at this address, whatever the variables say.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn parse_grpc(url: &str) -> Result<Target, Error> {
        Target::with(url, |name| (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| "grpc".to_owned()))
    }

    fn with(given: &str, var: impl Fn(&str) -> Option<String>) -> Result<Target, Error> {
        let signal = |what: &str| var(&format!("OTEL_EXPORTER_OTLP_TRACES_{what}"));
        let any = |what: &str| signal(what).or_else(|| var(&format!("OTEL_EXPORTER_OTLP_{what}")));
        let url = match given {
            "env" => any("ENDPOINT").ok_or(Error::NoEndpoint)?,
            given => given.to_owned(),
        };
        let parsed: Option<::http::Uri> = url.parse().ok();
        let wrong = || Error::Url { url: url.clone() };
        let parsed = parsed.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https"))).ok_or_else(wrong)?;
        if parsed.host().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        let has_path = !matches!(parsed.path(), "" | "/");
        let protocol = match any("PROTOCOL").as_deref() {
            Some("grpc") => Protocol::Grpc,
            Some("http/protobuf") => Protocol::HttpProtobuf,
            Some(other) => return Err(Error::Protocol { value: other.to_owned() }),
            None if has_path || parsed.port_u16() == Some(4318) => Protocol::HttpProtobuf,
            None => Protocol::Grpc,
        };
        // The endpoint of all signals is where each has a path of its own; that of one signal is used as it stands.
        let is_whole = has_path && (given != "env" || signal("ENDPOINT").is_some());
        let url = match (protocol, url.split_once('?')) {
            (Protocol::HttpProtobuf, None) if !is_whole => format!("{}/v1/traces", url.trim_end_matches('/')),
            (Protocol::HttpProtobuf, Some((base, query))) if !is_whole => {
                format!("{}/v1/traces?{query}", base.trim_end_matches('/'))
            }
            _ => url,
        };
        Ok(Target { url, protocol })
    }

    /// The address that spans are sent to, without what may be secret in it.
    pub fn shown(&self) -> String {
        let bare = self.url.split(['?', '#']).next().unwrap_or_default();
        match bare.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
            Some((scheme, rest)) => format!("{scheme}://{rest}"),
            None => bare.to_owned(),
        }
    }

    /// An exporter of the SDK that sends there, for whoever has spans of its own. Called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Certificate`], [`Error::Client`], [`Error::Exporter`].
    pub fn exporter(&self) -> Result<SpanExporter, Error> {
        self.noting_exporter(&Noted::default())
    }

    fn noting_exporter(&self, noted: &Noted) -> Result<SpanExporter, Error> {
        // Whoever sends decides what is tried again, and when.
        let retry = RetryPolicy::disabled();
        let built = match self.protocol {
            Protocol::Grpc => {
                let builder = SpanExporter::builder().with_tonic().with_endpoint(&self.url).with_retry_policy(retry);
                match self.url.starts_with("https") {
                    true => builder.with_tls_config(tls::grpc()?).build(),
                    false => builder.build(),
                }
            }
            Protocol::HttpProtobuf => {
                let builder = SpanExporter::builder().with_http().with_http_client(http::Client::new(noted)?);
                let builder = builder.with_protocol(opentelemetry_otlp::Protocol::HttpBinary);
                builder.with_endpoint(&self.url).with_retry_policy(retry).build()
            }
        };
        built.map_err(|source| Error::Exporter { source })
    }
}

/// How long one call may take.
fn timeout() -> Duration {
    let given = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let given = given.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
    given.map_or(TIMEOUT, Duration::from_millis)
}

/// A row of the table `spans`, with the time at which the span was known.
pub type Row = Stamped<Span>;

/// Sends the spans of one run.
pub struct Sender {
    target: Target,
    run_id: String,
    started_unix_ns: i64,
    /// One for each service: a resource is what an exporter has.
    exporters: BTreeMap<String, (SpanExporter, Noted)>,
}

/// What became of spans that were sent.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many the receiver took.
    pub sent: usize,
    /// Those that it did not take, to be tried again.
    pub left: Vec<Row>,
    /// Why not.
    pub problem: Option<String>,
    /// Whether that is for what they are, so that others may be taken.
    pub refused: bool,
}

impl Sender {
    /// A sender for the run that began at this wall-clock time.
    ///
    /// # Errors
    /// As [`Target::exporter`].
    pub fn new(target: &Target, run_id: &str, started_unix_ns: i64) -> Result<Sender, Error> {
        target.exporter()?;
        let (target, run_id) = (target.clone(), run_id.to_owned());
        Ok(Sender { target, run_id, started_unix_ns, exporters: BTreeMap::new() })
    }

    /// Where they go.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Sends spans, those of different services side by side, each service's in batches. Called within a tokio runtime.
    pub async fn send(&mut self, rows: Vec<Row>) -> Outcome {
        let mut services: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in rows {
            services.entry(row.row.service.clone()).or_default().push(row);
        }
        let mut outcome = Outcome { refused: true, ..Outcome::default() };
        for service in services.keys() {
            if let Err(error) = self.prepare(service) {
                outcome.problem.get_or_insert(error.to_string());
            }
        }
        let this = &*self;
        let sending =
            services.into_iter().map(|(service, rows)| async move { this.send_service(&service, rows).await });
        for Outcome { sent, left, problem, refused } in join_all(sending).await {
            outcome.sent += sent;
            outcome.refused &= refused || left.is_empty();
            outcome.left.extend(left);
            outcome.problem = outcome.problem.or(problem);
        }
        outcome
    }

    fn prepare(&mut self, service: &str) -> Result<(), Error> {
        if !self.exporters.contains_key(service) {
            let noted = Noted::default();
            let mut exporter = self.target.noting_exporter(&noted)?;
            exporter.set_resource(&self.resource(service));
            self.exporters.insert(service.to_owned(), (exporter, noted));
        }
        Ok(())
    }

    fn resource(&self, service: &str) -> Resource {
        let own = [
            KeyValue::new("service.name", service.to_owned()),
            KeyValue::new("service.instance.id", format!("{}/{service}", self.run_id)),
            KeyValue::new("tapedeck.run_id", self.run_id.clone()),
        ];
        Resource::builder_empty().with_detector(Box::new(EnvResourceDetector::new())).with_attributes(own).build()
    }

    /// What went wrong, without what everybody knows.
    fn problem(&self, service: &str, error: &OTelSdkError) -> String {
        let noted = self.exporters.get(service).and_then(|(_, noted)| noted.take());
        let told = match error {
            OTelSdkError::InternalFailure(told) => told.clone(),
            other => other.to_string(),
        };
        // The exporter tells no more of an answer over gRPC than its code: the rest may be secret.
        let told = told.replace("TonicTracesClient export failed with gRPC code: ", "gRPC code ");
        let hint = if told.contains("Unimplemented") { " (over HTTP? then write the path, /v1/traces)" } else { "" };
        let told = noted.unwrap_or_else(|| format!("{told}{hint}"));
        // Each layer below says the same once more.
        let mut causes: Vec<&str> = told.split(": ").collect();
        causes.dedup();
        causes.join(": ")
    }

    async fn send_service(&self, service: &str, rows: Vec<Row>) -> Outcome {
        let mut outcome = Outcome::default();
        let Some((exporter, _)) = self.exporters.get(service) else {
            return Outcome { left: rows, ..outcome };
        };
        let mut batches = batches(rows);
        while let Some(batch) = batches.pop_front() {
            let data = batch.iter().filter_map(|row| convert::span_data(row, self.started_unix_ns)).collect();
            // The exporter's own limit does not hold while a connection is made.
            let called = tokio::time::timeout(timeout(), exporter.export(data)).instrument(rejected::call()).await;
            let problem = match called {
                Ok(Ok(())) => {
                    outcome.sent += batch.len();
                    continue;
                }
                Ok(Err(error)) => self.problem(service, &error),
                Err(_) => format!("no answer within {} s", timeout().as_secs_f64()),
            };
            if batch.len() > 1 && TOO_LARGE.iter().any(|word| problem.contains(word)) {
                let mut first = batch;
                let second = first.split_off(first.len() / 2);
                batches.push_front(second);
                batches.push_front(first);
                continue;
            }
            outcome.left.extend(batch);
            outcome.refused = OF_ITS_OWN.iter().any(|word| problem.contains(word));
            outcome.problem = Some(problem);
            // One that is not taken for what it holds is no reason to hold back the others.
            if !outcome.refused {
                break;
            }
        }
        outcome.left.extend(batches.into_iter().flatten());
        outcome
    }
}
