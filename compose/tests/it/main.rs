//! Real processes, really started, signalled and ended.
#![cfg(test)]

mod ending;
mod guarding;
mod restarting;
mod scene;
mod starting;
