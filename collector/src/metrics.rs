//! `--metrics`: the run that is recorded, and the recorder itself, as a page for Prometheus.
//!
//! The page is made when it is asked for, from what the recorder's thread has counted; the names are those of
//! `recording/telemetry/METRICS.md`, the same that `replay export` gives for a stored run.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use telemetry::ids;
use telemetry::metrics::Metrics;
use telemetry::otlp::Live;
use tokio::net::TcpListener;

use crate::intake::Clock;
use crate::spans::Moment;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one run, shared by the recorder's thread and the page.
#[derive(Clone)]
pub struct Shown {
    run_id: String,
    clock: Clock,
    metrics: Arc<Mutex<Metrics>>,
    live: Option<Live>,
}

impl Shown {
    /// Of a run that begins; `live` says what became of its spans.
    pub fn new(run_id: &str, scenario: &str, clock: Clock, live: Option<Live>) -> Shown {
        let metrics = Arc::new(Mutex::new(Metrics::new(run_id, scenario)));
        Shown { run_id: run_id.to_owned(), clock, metrics, live }
    }

    pub(crate) fn with<T>(&self, step: impl FnOnce(&mut Metrics) -> T) -> T {
        step(&mut self.metrics.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts what happened to pairs.
    pub(crate) fn moments(&self, at_ns: i64, moments: impl Iterator<Item = Moment>) {
        let mut moments = moments.peekable();
        if moments.peek().is_none() {
            return;
        }
        let trace = ids::trace_id(&self.run_id);
        self.with(|metrics| {
            for moment in moments {
                match moment {
                    Moment::Opened { pair } => metrics.pair_opened(&pair),
                    Moment::Acknowledged { pair } => metrics.pair_acknowledged(&pair),
                    Moment::Retransmitted { pair } => metrics.pair_retransmitted(&pair),
                    Moment::Closed { pair, status, took_ns, subject } => {
                        let seconds = took_ns.map(|took_ns| took_ns as f64 / 1e9);
                        let span = ids::span_id(&self.run_id, &subject);
                        metrics.pair_closed(at_ns, &pair, status, seconds, &trace, &span);
                    }
                }
            }
        });
    }

    fn page(&self) -> String {
        let now_ns = self.clock.now_ns();
        self.with(|metrics| {
            if let Some(live) = &self.live {
                metrics.otlp_spans(&live.stands());
            }
            metrics.page(now_ns)
        })
    }
}

/// Listens for Prometheus for as long as this process lives.
#[derive(Clone)]
pub struct Page {
    /// Where it is.
    pub address: SocketAddr,
    shown: Arc<Mutex<Option<Shown>>>,
}

impl Page {
    /// Begins to serve. Between two runs the page is that of the last one.
    ///
    /// # Errors
    /// Where the address can't be listened at.
    pub async fn serve(address: SocketAddr) -> Result<Page, String> {
        let taken = |error: std::io::Error| format!("--metrics {address}: {error}: choose another address");
        let listener = TcpListener::bind(address).await.map_err(taken)?;
        let page = Page { address: listener.local_addr().map_err(taken)?, shown: Arc::default() };
        let app = Router::new().route("/metrics", get(answer)).with_state(page.clone());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                crate::status::say(format_args!("collector: metrics are not served any more: {error}"));
            }
        });
        Ok(page)
    }

    /// From now on the page is about this run.
    pub fn show(&self, shown: Shown) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }
}

async fn answer(State(page): State<Page>) -> impl IntoResponse {
    let shown = page.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = shown.map_or_else(|| "# EOF\n".to_owned(), |shown| shown.page());
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}
