//! Records a live run of a system, beside it and without harm to it.
//!
//! In the order a packet meets them: [`tap`] relays the bytes and copies them · [`wire`] decodes the copies ·
//! [`redact`] takes secrets out · [`intake`] is the one door to the [`recorder`], which keeps rows in the journal.
//! Beside the tap watch [`scrape`], [`poll`], [`paths`], [`probe`], [`media`] and [`watch`]. A [`scenario`] says what is
//! run and watched, [`record`] runs it, [`doctor`] checks beforehand that it can be. [`import`] makes a
//! recording of a packet capture, by the same decoders. Nothing here judges.

pub mod cli;
pub mod doctor;
pub mod exposition;
pub mod fetch;
pub mod folder;
pub mod handshake;
pub mod import;
pub mod intake;
pub mod media;
pub mod metrics;
pub mod own;
pub mod paths;
pub mod poll;
pub mod probe;
pub mod record;
pub mod recorder;
pub mod recover;
pub mod redact;
pub mod rederive;
pub mod scenario;
pub mod scrape;
pub mod spans;
pub mod status;
pub mod tap;
pub mod until;
pub mod watch;
pub mod wire;

/// Whatever keeps a command from being carried out.
pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// An error with its causes, on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
