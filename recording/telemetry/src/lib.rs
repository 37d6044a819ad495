//! Recorded rows as the field's own telemetry.
//!
//! [`ids`] names a run's trace and its spans before anything is sent; [`metrics`] makes series of rows, for a run that lasts and
//! for a stored one. Nothing here judges a run.

pub mod ids;
pub mod metrics;
