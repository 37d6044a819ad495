//! `replay traces`: Jaeger's UI over recordings, from this one process.
//!
//! It receives OTLP as Jaeger does, so a run that is being recorded can be watched here too; what it is asked to show
//! from the start it sends to itself. The pages are those of the crate `otlp-embedded`, and so is its gRPC; its store is
//! not used, since it forgets traces of more than 800 spans.

mod pages;
mod receiver;
mod store;
mod wanted;

use std::net::SocketAddr;

use telemetry::otlp::{Sender, Target};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Error::Engine)?;
    let Served { pages, ui_address, calls, otlp_address } = runtime.block_on(serve(asked))?;
    let target = Target::parse_grpc(&format!("http://{otlp_address}")).map_err(sending)?;
    spans::for_each(cli, &asked.runs, |path| {
        let spans = Spans::open(cli, path, asked.spec.as_deref())?;
        let run_id = spans.run_id();
        let sender = async { Sender::new(&target, run_id, spans.started_unix_ns()) };
        let mut sender = runtime.block_on(sender).map_err(sending)?;
        spans.each(|rows| match runtime.block_on(sender.send(rows)).problem {
            Some(problem) => Err(Error::Usage(format!("the spans of {run_id} can't be shown: {problem}"))),
            None => Ok(()),
        })?;
        report::print(&format!("http://{ui_address}/trace/{}\n", telemetry::ids::trace_id(run_id)))?;
        Ok(())
    })?;
    report::warn(&format!(
        "Jaeger's UI at http://{ui_address}/search, OTLP over gRPC at http://{otlp_address}; Ctrl-C ends it"
    ));
    runtime.block_on(async {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended.map_err(Error::Engine),
            _ = pages => Err(Error::Usage("the pages could not be served any more".into())),
            _ = calls => Err(Error::Usage("spans could not be received any more".into())),
        }
    })?;
    Ok(Exit::Held)
}

/// What is served from here, and where.
struct Served {
    pages: JoinHandle<std::io::Result<()>>,
    ui_address: SocketAddr,
    calls: JoinHandle<Result<(), tonic::transport::Error>>,
    otlp_address: SocketAddr,
}

async fn serve(asked: &Traces) -> Result<Served, Error> {
    let receiver = Receiver::default();
    let (ui, ui_address) = listen(asked.listen, "--listen").await?;
    let (otlp, otlp_address) = listen(asked.listen_otlp, "--listen-otlp").await?;
    let app = receiver.api().fallback_service(pages::pages());
    let pages = tokio::spawn(async move { axum::serve(ui, app).await });
    let service = otlp_embedded::TraceServiceServer::new(receiver)
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
        .max_decoding_message_size(64 << 20);
    let receiver = tonic::transport::Server::builder().add_service(service);
    let calls = tokio::spawn(receiver.serve_with_incoming(TcpIncoming::from(otlp)));
    Ok(Served { pages, ui_address, calls, otlp_address })
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
