//! Jaeger's pages: those of the crate `otlp-embedded`, without the menus that there is nothing behind.

use axum::Router;
use axum::body::to_bytes;
use axum::http::{StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};

/// Where the page has what its configuration is, for whoever serves it to replace.
const NO_CONFIG: &str = "const JAEGER_CONFIG = DEFAULT_CONFIG;";
/// No dependencies of a whole system are known here, nor metrics.
const CONFIG: &str = "const JAEGER_CONFIG = {dependencies: {menuEnabled: false}, monitor: {menuEnabled: false}};";
/// Longer than the page is.
const MOST_BYTES: usize = 1 << 20;

/// The pages.
pub(super) fn pages() -> Router {
    let unused = otlp_embedded::State::new(otlp_embedded::Config { max_length: 0, max_memory_usage: 0 });
    otlp_embedded::ui_app(unused, "/").layer(map_response(configured))
}

async fn configured(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        return response;
    }
    let status = response.status();
    match to_bytes(response.into_body(), MOST_BYTES).await {
        Ok(page) => (status, Html(String::from_utf8_lossy(&page).replace(NO_CONFIG, CONFIG))).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
