//! The pure heart of the cart: facts in ([`Input`]), commands out ([`Effect`]).
//!
//! ```text
//! Detected ─► Tracker (per camera) ─► phase of each track ─► Question ─► Classify ─┐ effect
//!                                                                                  ▼
//! Publish ◄─ thresholds, basket ◄─ Acts (cameras matched one to one) ◄─ Classified ┘ input
//! ```
//!
//! Invariants: no clock, no allocation, no I/O, no `unsafe`. `#![no_std]` without `alloc` makes the compiler
//! keep the first three; time is an argument. Equal inputs give equal effects, bit for bit, on every machine
//! (only basic arithmetic and `libm` touch a float).
#![no_std]
#![forbid(unsafe_code)]

pub mod act;
pub mod analytic;
mod assignment;
pub mod basket;
pub mod camera;
mod doubt;
pub mod evidence;
mod eye;
pub mod features;
pub mod geometry;
mod kalman;
mod pace;
mod phase;
pub mod picture;
pub mod session;
pub mod settings;
pub mod sighting;
pub mod time;
mod tracker;
mod votes;
pub mod zone;

pub use act::{Act, Candidates, Change, Decision, Outcome};
pub use basket::{Basket, BasketFull, MAX_LINES};
pub use camera::{CameraId, CameraSet, MAX_CAMERAS};
pub use evidence::{ActProbabilities, Evidence, Passage, Question, QuestionId};
pub use geometry::{BBox, Point};
pub use picture::{Picture, PixelFormat};
pub use session::{Counters, Effect, Effects, Input, MAX_EFFECTS, MAX_QUESTIONS, Session};
pub use settings::{Settings, SettingsError};
pub use sighting::{ClassId, Detection, Detections, MAX_DETECTIONS, Role};
pub use time::{MediaTime, Span};
pub use tracker::{MAX_TRACKS, TrackId};
pub use votes::{Candidate, MAX_CANDIDATES};
pub use zone::{MAX_CORNERS, Zone, ZoneError};
