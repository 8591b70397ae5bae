//! What systemd is told of the daemon: that it is ready, that its loop makes progress, how it is, and that it stops.
//! Where nobody started it as a service, nobody is told.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The watchdog is fed this many times in its period, so that one late turn is no reason to be killed.
const MEALS: u32 = 4;
/// A camera that gives pictures, and none of them inferred for so long: inference stands still, and the watchdog is fed
/// no more. A camera that gives none has been reported as lost long before.
const STANDSTILL: Duration = Duration::from_secs(30);

/// The daemon as systemd sees it.
#[derive(Debug)]
pub(crate) struct Service {
    ready: bool,
    /// Of the watchdog; `None` without one.
    period: Option<Duration>,
    fed: Instant,
    /// When a picture was inferred last.
    inferred: Instant,
    said: String,
}

impl Service {
    /// As the environment says.
    pub(crate) fn of_environment() -> Self {
        let now = Instant::now();
        Self {
            ready: false,
            period: sd_notify::watchdog_enabled(),
            fed: now,
            inferred: now,
            said: String::new(),
        }
    }

    /// A picture was inferred.
    pub(crate) fn progressed(&mut self) {
        self.inferred = Instant::now();
    }

    /// A turn of the loop is over. `working`: some camera is expected to give pictures. `degraded`: why the cart is
    /// less than itself; it is ready once it has seen something or knows that.
    pub(crate) fn turned(&mut self, working: bool, seen: bool, degraded: Option<&str>) {
        let now = Instant::now();
        if !working {
            self.inferred = now;
        }
        let degraded = degraded.unwrap_or_default();
        if !self.ready && (seen || !degraded.is_empty()) {
            self.ready = true;
            tell(&[NotifyState::Ready]);
        }
        if self.ready && self.said != degraded {
            degraded.clone_into(&mut self.said);
            let status = if degraded.is_empty() { "online" } else { degraded };
            tell(&[NotifyState::Status(status)]);
        }
        let due = self.period.is_some_and(|period| now.duration_since(self.fed) >= period / MEALS);
        if due && now.duration_since(self.inferred) < STANDSTILL {
            self.fed = now;
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// It stops because it was asked to.
    pub(crate) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(what: &[NotifyState<'_>]) {
    // Who does not listen need not be told.
    if let Err(e) = sd_notify::notify(what) {
        tracing::debug!("systemd cannot be told: {e}");
    }
}
