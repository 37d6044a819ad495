//! Receives spans as Jaeger does: kind, status and scope become tags, which its UI shows, and a span that comes again,
//! as after an answer that was lost, is one span.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use otlp_embedded::proto::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use otlp_embedded::proto::common::v1::{AnyValue, KeyValue, any_value::Value};
use otlp_embedded::proto::trace::v1::Span;
use otlp_embedded::{StateRef, TraceService, TraceServiceImpl};
use tonic::{Request, Response, Status};

/// Of how many spans it is remembered that they came.
const MAX_KNOWN: usize = 1_000_000;

/// OTLP in, Jaeger's view of it into the store.
pub(super) struct Receiver {
    store: TraceServiceImpl,
    known: Mutex<HashSet<(Vec<u8>, Vec<u8>)>>,
}

impl Receiver {
    pub(super) fn new(store: StateRef) -> Receiver {
        Receiver { store: TraceServiceImpl::new(store), known: Mutex::default() }
    }

    fn is_new(&self, span: &Span) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert((span.trace_id.clone(), span.span_id.clone()))
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        mut request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.get_mut().resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
        for scope in scopes {
            scope.spans.retain(|span| self.is_new(span));
            let name = scope.scope.as_ref().map(|scope| scope.name.clone()).unwrap_or_default();
            scope.spans.iter_mut().for_each(|span| tag(span, &name));
        }
        self.store.export(request).await
    }
}

fn tag(span: &mut Span, scope: &str) {
    let kind = match span.kind {
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "internal",
    };
    let mut tags = vec![("span.kind", text(kind)), ("otel.scope.name", text(scope))];
    match span.status.as_ref().map(|status| (status.code, status.message.as_str())) {
        Some((1, _)) => tags.push(("otel.status_code", text("OK"))),
        Some((2, message)) => {
            tags.extend([("otel.status_code", text("ERROR")), ("error", Value::BoolValue(true))]);
            tags.push(("otel.status_description", text(message)));
        }
        _ => {}
    }
    let tags = tags.into_iter().filter(|(_, value)| *value != text(""));
    span.attributes.extend(
        tags.map(|(key, value)| KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }),
    );
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}
