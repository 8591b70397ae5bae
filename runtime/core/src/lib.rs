//! The pure heart of the cart: facts in ([`Input`]), commands out ([`Effect`]).
//!
//! Invariants: no clock, no allocation, no I/O, no `unsafe`. `#![no_std]` without `alloc` makes the compiler
//! keep the first three; time is an argument. Equal inputs give equal effects, bit for bit, on every machine
//! (floating point functions come from `libm`).
#![no_std]
#![forbid(unsafe_code)]

pub mod geometry;
pub mod picture;
pub mod sighting;
pub mod time;

pub use geometry::{BBox, Point};
pub use picture::{Picture, PixelFormat};
pub use sighting::{ClassId, Detection, Detections, MAX_DETECTIONS, Role};
pub use time::{MediaTime, Span};
