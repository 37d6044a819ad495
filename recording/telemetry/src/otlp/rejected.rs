//! Spans that a receiver took and refused all the same (OTLP's partial success). The exporter only logs them; whoever
//! says "sent" must know.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Event;
use tracing::field::{Field, Visit};
use tracing::subscriber::Subscriber;
use tracing_subscriber::layer::{Context, Layer};

/// Counts them, as a layer of the program's subscriber.
#[derive(Clone, Debug, Default)]
pub struct Rejected {
    spans: Arc<AtomicU64>,
}

impl Rejected {
    /// How many there were so far.
    pub fn spans(&self) -> u64 {
        self.spans.load(Ordering::Relaxed)
    }
}

impl<S: Subscriber> Layer<S> for Rejected {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("opentelemetry") {
            event.record(&mut Count(&self.spans));
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
