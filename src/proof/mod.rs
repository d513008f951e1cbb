//! The proof: the real engine and the real store (through [`crate::store::teller`], as the daemon runs them) on a simulated
//! disk, host, reader, keypad, apps and clock, all under one seed.
//!
//! Owns: the simulated world, its faults, the books of an acquirer and a checker of its own, and the rules by which all of
//! them must agree. Must not know: tokio, the bus, the machines for host, reader and keypad, any real clock. Used by
//! `smartpos-sim run` only.
//!
//! `world` decides what happens next: to the host (`wire`, `acquirer`), in the shop (`shop`, `staff` with `apps`, `people`,
//! `cards`), or what goes wrong (`trouble`). `till` is the terminal in it and `process` its life, on the disk (`disk`,
//! `vfs`, `template`). `books`, `checks` and `raw` are the rules, `settle` the end of a run, `run` many of them.

pub mod acquirer;
pub mod apps;
pub mod books;
pub mod cards;
mod checks;
pub mod cli;
pub mod clock;
pub mod dice;
pub mod disk;
pub mod log;
pub mod message;
pub mod people;
mod process;
mod raw;
pub mod responses;
pub mod run;
pub mod settings;
mod settle;
mod shop;
mod staff;
pub mod tally;
pub mod template;
mod till;
mod trouble;
pub mod vfs;
pub mod wire;
pub mod world;
