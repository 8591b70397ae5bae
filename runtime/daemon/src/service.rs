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
    /// Whether any was.
    seen: bool,
    degraded: Option<String>,
    /// What of that was told last.
    said: Option<String>,
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
            seen: false,
            degraded: None,
            said: None,
        }
    }

    /// A picture was inferred.
    pub(crate) fn progressed(&mut self) {
        self.inferred = Instant::now();
        self.seen = true;
    }

    /// Why the cart is less than itself; nothing when it is not.
    pub(crate) fn degraded(&mut self, why: Option<String>) {
        self.degraded = why;
    }

    /// A turn of the loop is over. `working`: some camera is expected to give pictures. It is ready once it has seen
    /// something or knows why it does not.
    pub(crate) fn turned(&mut self, working: bool) {
        let now = Instant::now();
        if !working {
            self.inferred = now;
        }
        if !self.ready && (self.seen || self.degraded.is_some()) {
            self.ready = true;
            tell(&[NotifyState::Ready]);
        }
        if self.ready && self.said != self.degraded {
            tell(&[NotifyState::Status(self.degraded.as_deref().unwrap_or("online"))]);
            self.said.clone_from(&self.degraded);
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
