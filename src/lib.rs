#![doc = include_str!("ARCHITECTURE.md")]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")
)]

pub mod app;
pub mod bus;
pub mod codec;
pub mod diagnose;
pub mod domain;
pub mod driver;
pub mod engine;
pub mod host;
pub mod keypad;
pub mod proof;
pub mod reader;
pub mod scanner;
pub mod sim;
pub mod store;
