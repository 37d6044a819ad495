//! Real processes, really started, signalled and ended.
#![cfg(test)]

mod docker;
mod ending;
mod engine;
mod guarding;
mod projects;
mod restarting;
mod scene;
mod starting;
