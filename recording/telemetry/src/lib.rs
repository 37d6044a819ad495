//! Recorded rows as the field's own telemetry.
//!
//! [`ids`] names a run's trace and its spans before anything is sent; [`otlp`] sends recorded spans to a receiver;
//! [`metrics`] makes series of rows, for a run that lasts and for a stored one. Nothing here derives a span or judges a run.

pub mod ids;
pub mod metrics;
pub mod otlp;
