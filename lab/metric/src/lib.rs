//! What good means, once for everybody: the evaluation, the training's report and the acceptance test in a store take
//! their figures from here.
//!
//! ```text
//! truth.jsonl ─► Truth    ┐
//!                         ├► score (matching) ─► Session ─► Outcome ─► estimates, compare
//! events.jsonl ─► EventLog┘                          └────► breakdowns, confusions, worst
//! ```
//!
//! Invariants: no I/O, no clock; the same input gives the same figures to the last bit (resampling is seeded); every
//! figure comes with its count, and is absent, not zero, where there was nothing to measure it on.
//!
//! Deliberately absent: **event latency** (capture of the frame that shows a change's end to the broker's PUBACK). It
//! is wall-clock time of a running cart with a broker and cannot be read from a file; it is measured where a cart
//! publishes. A file tells the *decision delay*, on the media time line.
//!
//! Two choices that the definition leaves open:
//! - An `unresolved` event names no item for certain, so it "matches" a change by kind (or none, when it says
//!   `unknown`) and times alone, after all resolved events had their choice. It answers no change late: the
//!   limit on the decision holds for it too.
//! - Corrections change the basket, not the matching: they come after the decision that is scored.
#![forbid(unsafe_code)]

mod basket;
mod breakdown;
mod calibration;
mod estimate;
mod events;
mod figure;
mod interval;
mod item;
mod matching;
mod paired;
mod score;
mod tally;
mod truth;
mod worst;

pub use basket::BasketVerdict;
pub use breakdown::{Breakdown, Confusion, Group, OF_PARTS, OF_SESSIONS, Twins, breakdowns, confusions};
pub use calibration::{Bin, Risk, reliability, risk_coverage};
pub use estimate::{Estimate, estimates};
pub use events::{Act, Claim, EventLog, EventsError, MAX_QUANTITY};
pub use figure::{Better, Figure};
pub use interval::{FEW, Interval, MIN_SESSIONS, Method, RESAMPLES, SEED, quantile};
pub use item::{Identity, Reported, UNKNOWN};
pub use matching::{Edge, Rule, cheapest};
pub use paired::{Difference, PairingError, Verdict, compare};
pub use score::{ActVerdict, ChangeVerdict, Decision, Scored, score};
pub use tally::{Outcome, Part, Session, Tally, USUAL_CHANGES, kind_name};
pub use truth::{Episode, TrueChange, Truth, TruthError};
pub use worst::{Stretch, worst};
