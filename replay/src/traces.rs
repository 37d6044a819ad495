//! `replay traces`: Jaeger's UI over recordings, from this one process.
//!
//! It receives OTLP as Jaeger does, so a run that is being recorded can be watched here too; what it is asked to show
//! from the start it sends to itself. The pages are those of the crate `otlp-embedded`, and so is its gRPC; its store is
//! not used, since it forgets traces of more than 800 spans.

mod receiver;
mod store;

use std::net::SocketAddr;

use telemetry::otlp::{Sender, Target};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;

use crate::cli::{Cli, Traces};
use crate::error::Error;
use crate::exit::Exit;
use crate::report;
use crate::spans::{self, Spans};
use receiver::Receiver;

/// Serves until Ctrl-C.
///
/// # Errors
/// Anything that keeps a recording from being read or judged, or an address from being listened at.
pub fn traces(cli: &Cli, asked: &Traces) -> Result<Exit, Error> {
    let shown = spans::read_all(cli, &asked.runs, asked.spec.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(Error::Engine)?.block_on(serve(asked, shown))?;
    Ok(Exit::Held)
}

async fn serve(asked: &Traces, shown: Vec<Spans>) -> Result<(), Error> {
    let receiver = Receiver::default();
    let (ui, ui_address) = listen(asked.listen, "--listen").await?;
    let (otlp, otlp_address) = listen(asked.otlp, "--otlp").await?;
    let unused = otlp_embedded::State::new(otlp_embedded::Config { max_length: 0, max_memory_usage: 0 });
    let app = receiver.api().fallback_service(otlp_embedded::ui_app(unused, "/"));
    let pages = tokio::spawn(async move { axum::serve(ui, app).await });
    let service = otlp_embedded::TraceServiceServer::new(receiver)
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
        .max_decoding_message_size(64 << 20);
    let receiver = tonic::transport::Server::builder().add_service(service);
    let calls = tokio::spawn(receiver.serve_with_incoming(TcpIncoming::from(otlp)));
    let target = Target::parse_grpc(&format!("http://{otlp_address}")).map_err(sending)?;
    for Spans { run_id, started_unix_ns, rows } in shown {
        let mut sender = Sender::new(&target, &run_id, started_unix_ns).map_err(sending)?;
        if let Some(problem) = sender.send(rows).await.problem {
            return Err(Error::Usage(format!("the spans of {run_id} can't be shown: {problem}")));
        }
        report::print(&format!("http://{ui_address}/trace/{}\n", telemetry::ids::trace_id(&run_id)))?;
    }
    report::warn(&format!(
        "Jaeger's UI at http://{ui_address}/search, OTLP over gRPC at http://{otlp_address}; Ctrl-C ends it"
    ));
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended.map_err(Error::Engine),
        _ = pages => Err(Error::Usage("the pages could not be served any more".into())),
        _ = calls => Err(Error::Usage("spans could not be received any more".into())),
    }
}

async fn listen(address: SocketAddr, option: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let taken =
        |source: std::io::Error| Error::Usage(format!("listen at {address}: {source} (choose another by {option})"));
    let listener = TcpListener::bind(address).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    Ok((listener, address))
}

fn sending(error: telemetry::otlp::Error) -> Error {
    Error::Telemetry(Box::new(error))
}
