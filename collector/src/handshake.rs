//! A real Socket.IO handshake, to know that a path works before a run depends on it.
//!
//! The client library stands behind a trait: it is good enough to say hello, and has no part in recording.

use std::time::Duration;

use futures_util::FutureExt;
use rust_socketio::asynchronous::ClientBuilder;
use rust_socketio::{Event, Payload, TransportType};
use tokio::sync::mpsc;

/// Says hello to a Socket.IO server.
pub trait Handshake {
    /// Connects to a namespace and disconnects again; what the server answered, or why it did not.
    fn greet(&self, url: &str, namespace: &str) -> impl Future<Output = Result<(), String>>;
}

/// The handshake of a real client: Engine.IO 4 over WebSocket.
pub struct RealClient {
    /// How long the server may take to answer.
    pub limit: Duration,
}

impl Handshake for RealClient {
    async fn greet(&self, url: &str, namespace: &str) -> Result<(), String> {
        let (answers, mut answered) = mpsc::channel(4);
        let refusals = answers.clone();
        let builder = ClientBuilder::new(url)
            .namespace(namespace)
            .transport_type(TransportType::Websocket)
            .reconnect(false)
            .on(Event::Connect, move |_, _| {
                let answers = answers.clone();
                async move { answers.try_send(Ok(())).unwrap_or_default() }.boxed()
            })
            .on(Event::Error, move |payload, _| {
                let refusals = refusals.clone();
                async move { refusals.try_send(Err(text(&payload))).unwrap_or_default() }.boxed()
            });
        let greeting = async {
            let client = builder.connect().await.map_err(|error| error.to_string())?;
            let answer = answered.recv().await.unwrap_or_else(|| Err("the connection ended".to_owned()));
            // The greeting counts, not the goodbye.
            drop(client.disconnect().await);
            answer
        };
        match tokio::time::timeout(self.limit, greeting).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", self.limit.as_secs_f64())),
        }
    }
}

fn text(payload: &Payload) -> String {
    match payload {
        Payload::Text(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    }
}
