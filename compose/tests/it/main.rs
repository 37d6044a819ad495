//! Real processes, really started, signalled and ended.
#![cfg(test)]

mod ending;
mod guarding;
mod scene;
mod starting;
