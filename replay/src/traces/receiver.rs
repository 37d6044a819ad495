//! OTLP over gRPC in, Jaeger's query API out, over one store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use otlp_embedded::TraceService;
use otlp_embedded::proto::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use serde_json::{Value, json};
use tonic::{Request, Status};

use super::store::Store;
use super::wanted::Wanted;

/// Both doors of the store.
#[derive(Clone, Default)]
pub(super) struct Receiver {
    store: Arc<Mutex<Store>>,
}

impl Receiver {
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part of Jaeger's query API that its UI asks. Times are not asked: a recording is as old as it is.
    pub(super) fn api(&self) -> Router {
        Router::new()
            .route("/api/services", get(services))
            .route("/api/services/{service}/operations", get(operations))
            .route("/api/operations", get(operations_by_query))
            .route("/api/traces", get(search))
            .route("/api/traces/{id}", get(trace))
            .route("/api/dependencies", get(async || data(json!([]))))
            .with_state(self.clone())
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let mut store = self.lock();
        let taken = request.into_inner().resource_spans.into_iter().map(|received| store.take(received));
        let refused: usize = taken.map(|taken| taken.err().unwrap_or_default()).sum();
        let partial_success = (refused > 0).then(|| ExportTracePartialSuccess {
            rejected_spans: refused as i64,
            error_message: "there is no more room for this trace".to_owned(),
        });
        Ok(tonic::Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

type Asked = Query<Vec<(String, String)>>;

fn value<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    asked.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn data(data: Value) -> Response {
    let total = data.as_array().map_or(0, Vec::len);
    json_of(StatusCode::OK, &json!({"data": data, "total": total, "limit": 0, "offset": 0, "errors": null}))
}

fn refusal(status: StatusCode, problem: &str) -> Response {
    let error = json!({"code": status.as_u16(), "msg": problem});
    json_of(status, &json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": [error]}))
}

fn json_of(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn services(State(receiver): State<Receiver>) -> Response {
    data(json!(receiver.lock().services()))
}

async fn operations(State(receiver): State<Receiver>, Path(service): Path<String>) -> Response {
    let store = receiver.lock();
    let names: std::collections::BTreeSet<&str> =
        store.operations(&service).into_iter().map(|(name, _)| name).collect();
    data(json!(names))
}

async fn operations_by_query(State(receiver): State<Receiver>, asked: Asked) -> Response {
    let store = receiver.lock();
    let found = store.operations(value(&asked, "service").unwrap_or_default());
    data(found.into_iter().map(|(name, kind)| json!({"name": name, "spanKind": kind})).collect())
}

async fn search(State(receiver): State<Receiver>, asked: Asked) -> Response {
    let store = receiver.lock();
    let ids: Vec<&str> = asked.iter().filter(|(key, _)| key == "traceID").map(|(_, id)| id.as_str()).collect();
    if !ids.is_empty() {
        return data(ids.into_iter().filter_map(|id| store.trace(id)).collect());
    }
    match Wanted::read(&asked) {
        Ok(wanted) => data(Value::Array(store.search(&wanted))),
        Err(problem) => refusal(StatusCode::BAD_REQUEST, &problem),
    }
}

async fn trace(State(receiver): State<Receiver>, Path(id): Path<String>) -> Response {
    match receiver.lock().trace(&id) {
        Some(trace) => data(json!([trace])),
        None => refusal(StatusCode::NOT_FOUND, "trace not found"),
    }
}
