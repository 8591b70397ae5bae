//! What the outside sees: topics, events, retained states, commands and their replies, exit codes, and the
//! schemas that describe them.
//!
//! Invariants: no I/O, no clock, no threads; a message that can be built is one that the published schemas
//! accept (strings and lists carry their bounds in their types); on reading, unknown fields are ignored, as
//! the contract promises to anybody who reads ours. Deliberately absent: how a message travels and when it
//! may be sent (the daemon's), and what a decision is (the core's).
#![forbid(unsafe_code)]

pub mod address;
pub mod basket;
pub mod bench;
pub mod bounded;
pub mod command;
pub mod event;
pub mod exit;
pub mod item;
pub mod name;
pub mod position;
pub mod reply;
pub mod schema;
pub mod state;
pub mod summary;
mod table;
pub mod telemetry;
pub mod time;
pub mod topic;
pub mod unit;

pub use address::{Address, AddressError};
pub use basket::{Basket, BasketLine};
pub use bench::Bench;
pub use bounded::{List, Text};
pub use command::{Command, CommandError, CommandName, Request};
pub use event::{Event, EventData, EventError, EventType};
pub use exit::ExitCode;
pub use item::{Candidate, Candidates, Change, DecidedBy, Item};
pub use name::{CameraName, CartId, CatalogueId, NameError, SessionId, StoreId};
pub use position::{ConnectionId, Epoch, EventId, Sequence};
pub use reply::{Refusal, Reply};
pub use state::{State, Status};
pub use summary::Summary;
pub use telemetry::Telemetry;
pub use time::{Clock, TimeError, UtcTime};
pub use topic::Root;
pub use unit::{Measure, Probability};
