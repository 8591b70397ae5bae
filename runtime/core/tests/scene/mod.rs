//! A simulated cart: items, hands and cameras on a time line, a noisy detector, and what the cart must decide.
//! Everything follows from the script and a seed. Seconds and normalized picture coordinates throughout.

mod detector;
mod judge;
mod script;

pub use detector::Lens;
pub use judge::{Verdict, judge};
pub use script::Scene;
