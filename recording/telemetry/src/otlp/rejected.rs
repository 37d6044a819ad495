//! Spans that a receiver took and refused all the same (OTLP's partial success). The exporter only logs them; whoever
//! says "sent" must know.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::subscriber::Subscriber;
use tracing::{Event, Span};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The span within which a sender calls: what other exporters of the program log is no business of this one.
const CALL: &str = "send recorded spans";

/// A call of a sender.
pub(super) fn call() -> Span {
    tracing::warn_span!(CALL)
}

/// Counts them.
#[derive(Clone, Debug, Default)]
pub struct Rejected {
    spans: Arc<AtomicU64>,
}

impl Rejected {
    /// How many there were so far.
    pub fn spans(&self) -> u64 {
        self.spans.load(Ordering::Relaxed)
    }

    /// The layer of the program's subscriber that counts.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let heard =
            Targets::new().with_targets([("opentelemetry", LevelFilter::WARN), ("telemetry", LevelFilter::WARN)]);
        Counter(Arc::clone(&self.spans)).with_filter(heard)
    }
}

struct Counter(Arc<AtomicU64>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Counter {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let within = context.event_scope(event).into_iter().flatten();
        if within.into_iter().any(|span| span.name() == CALL) {
            event.record(&mut Count(&self.0));
        }
    }
}

struct Count<'a>(&'a AtomicU64);

impl Visit for Count<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "rejected_spans" {
            self.0.fetch_add(value.try_into().unwrap_or_default(), Ordering::Relaxed);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
