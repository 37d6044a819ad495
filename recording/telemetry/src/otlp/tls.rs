//! Whom to trust, and as whom to come: the `OTEL_EXPORTER_OTLP_*` variables for certificates.

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};

use super::Error;

const AUTHORITY: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE");
const CERTIFICATE: (&str, &str) =
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE");
const KEY: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY");

/// The content of the file that a variable names.
fn pem((signal, any): (&'static str, &'static str)) -> Result<Option<Vec<u8>>, Error> {
    let named = [signal, any].into_iter().find_map(|what| Some((what, std::env::var(what).ok()?)));
    let Some((what, path)) = named.filter(|(_, path)| !path.is_empty()) else {
        return Ok(None);
    };
    std::fs::read(&path).map(Some).map_err(|source| Error::Certificate { what, path, source })
}

/// For gRPC: the authorities of this machine, or the one that is named.
pub(super) fn grpc() -> Result<ClientTlsConfig, Error> {
    let mut config = ClientTlsConfig::new();
    config = match pem(AUTHORITY)? {
        Some(authority) => config.ca_certificate(Certificate::from_pem(authority)),
        None => config.with_native_roots(),
    };
    if let (Some(certificate), Some(key)) = (pem(CERTIFICATE)?, pem(KEY)?) {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    Ok(config)
}

/// The same for HTTP.
pub(super) fn http(mut builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, Error> {
    let client = |source| Error::Client { source };
    if let Some(authority) = pem(AUTHORITY)? {
        builder = builder.add_root_certificate(reqwest::Certificate::from_pem(&authority).map_err(client)?);
    }
    if let (Some(certificate), Some(key)) = (pem(CERTIFICATE)?, pem(KEY)?) {
        builder = builder.identity(reqwest::Identity::from_pkcs8_pem(&certificate, &key).map_err(client)?);
    }
    Ok(builder)
}
