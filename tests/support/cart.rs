//! A cart that runs, and what is asked of it.

use std::path::Path;
use std::time::{Duration, Instant};

use cartvision_wire::CommandName;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::input::configuration;
use crate::mosquitto::Mosquitto;
use crate::observer::{Observer, root};
use crate::program::{Running, cartvisiond};

impl Bench {
    /// Starts a cart that the broker's open door lets in; the carts of a test live in directories of their own.
    pub fn start(&self, name: &str, broker: &Mosquitto, cameras: &str) -> Running {
        let url = format!("url = '{}'", broker.url());
        start(&configuration(&self.at(name), &url, &self.bundle, cameras))
    }
}

/// Starts a cart.
pub fn start(configuration: &Path) -> Running {
    Running::start(cartvisiond().args(["run", "--config"]).arg(configuration))
}

/// Asks a cart to stop, and waits for its clean end; gives its log.
///
/// # Panics
/// When it does not end, or not cleanly.
#[expect(clippy::print_stdout, reason = "a test tells how long a stop took")]
pub fn stop(mut cart: Running) -> String {
    let asked = Instant::now();
    cart.signal(Signal::TERM);
    let status = cart.wait();
    let took = asked.elapsed();
    // The contract says 2 s; a loaded machine may be late, a stop that waits for something is much later.
    println!("stopped within {:.2} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(10), "{took:?}\n{}", cart.stderr());
    assert_eq!(status.code(), Some(0), "{}", cart.stderr());
    cart.stderr()
}

/// Has a session started.
///
/// # Panics
/// When that is refused.
pub fn start_session(observer: &Observer, session: &str) -> Value {
    let reply = observer.command(CommandName::SessionStart, json!({ "session": session }));
    assert_eq!(reply["ok"], true, "{reply:#}");
    reply
}

/// Has staff put the basket right; gives the answer.
pub fn adjust(observer: &Observer, session: &str, changes: &Value) -> Value {
    observer
        .command(CommandName::BasketAdjust, json!({ "session": session, "by": "staff", "changes": changes }))
}

/// The code with which a command was refused.
///
/// # Panics
/// When it was not.
pub fn refusal(reply: &Value) -> &str {
    assert_eq!(reply["ok"], false, "{reply:#}");
    reply["error"]["code"].as_str().unwrap()
}

/// The topics on which the cart may answer.
pub fn replies() -> String {
    root().telemetry().replace("telemetry", "replies/")
}
