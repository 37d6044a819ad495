//! Containers on a real engine, really killed, paused and out of memory.

mod asking;
mod losing;
mod stage;
mod watching;
