//! A recording is the folder that a run left: `run.json`, one Parquet file per table, media files, and, while the
//! run lasts, one append-only journal.
//!
//! In the order data meets them: [`record`] has one struct per table and [`Row`], which is any of them · [`Table`] names
//! the tables and their Arrow schemas · the batches turn rows into Arrow columns · [`journal`] keeps them through a
//! crash · [`seal`] turns a journal into Parquet, at the end of a run or when a cut-off one is recovered · [`reader`]
//! opens a folder in any of these states · [`run`] is `run.json`.
//!
//! The law of the format is `FORMAT.md` beside this crate; a test compares the two. This crate never judges, never
//! watches a clock and never talks to a network.

mod batch;
mod error;
pub mod journal;
pub mod reader;
pub mod record;
pub mod run;
pub mod seal;
mod table;

pub use batch::{Record, Stamped};
pub use error::Error;
pub use record::Row;
pub use table::Table;

/// The version of the format that this crate writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
