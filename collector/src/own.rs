//! The collector's own life: what it does, as logs for whoever asks (`RUST_LOG`, `--log`), and as spans of a service of
//! its own, to the receiver that gets the run's.

use std::future::Future;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use telemetry::otlp::Target;
use tracing::Instrument;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::{AnyError, cli};

/// How long a receiver has for the last of these spans: nobody waits for them.
const LAST_SPANS: Duration = Duration::from_secs(1);
/// The service whose life it is.
const SERVICE: &str = "tapedeck-collector";

/// Carries out a command, while somebody listens to what it says of itself.
///
/// # Errors
/// What keeps the command from being carried out, or from being listened to.
pub async fn lived<T>(
    telling: cli::Telling,
    name: &'static str,
    command: impl Future<Output = Result<T, AnyError>>,
) -> Result<T, AnyError> {
    let own = Own::begin(&telling)?;
    let result = command.instrument(tracing::info_span!("command", otel.name = name)).await;
    own.end().await;
    result
}

/// Listens to what this program says of itself.
struct Own {
    provider: Option<SdkTracerProvider>,
}

impl Own {
    /// Begins to listen; once in a program. Called within a tokio runtime.
    ///
    /// # Errors
    /// Where spans should be sent and it can't be said where, or by what.
    fn begin(telling: &cli::Telling) -> Result<Own, AnyError> {
        // Where nobody listens, nothing is asked whether it is wanted: libraries have much to say.
        if telling.otlp.is_none() && telling.log.is_none() && std::env::var_os("RUST_LOG").is_none() {
            return Ok(Own { provider: None });
        }
        let provider = telling.otlp.as_deref().map(provider).transpose()?;
        let spans = provider.as_ref().map(|provider| {
            // Only what is said here: what the exporter does would never end.
            let ours = Targets::new().with_targets([("collector", LevelFilter::INFO), ("compose", LevelFilter::INFO)]);
            tracing_opentelemetry::layer().with_tracer(provider.tracer("tapedeck")).with_filter(ours)
        });
        let rejected = telling.otlp.as_ref().map(|_| telling.rejected.layer());
        tracing_subscriber::registry().with(logs(telling.log)?).with(spans).with(rejected).try_init()?;
        Ok(Own { provider })
    }

    /// Sends what is left.
    async fn end(self) {
        let Some(provider) = self.provider else { return };
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_SPANS)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!("the spans of the collector's own life: {error}");
        }
    }
}

/// What is logged where `RUST_LOG` says nothing: what keeps spans from being sent, the collector says itself.
const USUAL: &str = "info,opentelemetry=off";

/// Logs to stderr, where `RUST_LOG` asks for it or a form is asked for. In a form, what people are told is in the log
/// only, whatever `RUST_LOG` says; else it is on stderr anyway.
fn logs<S>(form: Option<cli::Log>) -> Result<Box<dyn Layer<S> + Send + Sync>, AnyError>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let asked = if asked.is_empty() { if form.is_some() { USUAL } else { "off" } } else { &asked };
    let filter = EnvFilter::builder().parse(asked);
    let filter =
        filter.map_err(|error| format!("RUST_LOG: {error}: write a level, or targets as in collector=debug"))?;
    let told = if form.is_some() { "collector::status=info" } else { "collector::status=off" };
    let filter = filter.add_directive(told.parse()?);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    if form.is_some() {
        crate::status::log_only();
    }
    Ok(match form {
        Some(cli::Log::Json) => layer.json().with_filter(filter).boxed(),
        _ => layer.with_filter(filter).boxed(),
    })
}

fn provider(otlp: &str) -> Result<SdkTracerProvider, AnyError> {
    let exporter = Target::parse(otlp)?.exporter()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_service_name(SERVICE).with_attribute(version).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
