//! What the end-to-end tests share: the programs, their input, a broker of their own, and a listener that holds
//! every message against the published schemas.
//!
//! Everything here lives in temporary directories and on free loopback ports, so that tests run side by side.
//! Patience is generous throughout: how long something takes is never what a test asserts.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub mod backend;
pub mod bench;
pub mod cart;
pub mod input;
pub mod log;
pub mod mosquitto;
pub mod observer;
pub mod program;
pub mod proxy;
pub mod script;
pub mod table;
pub mod video;
