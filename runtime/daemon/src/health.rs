//! Whether the cart can be relied on: the reasons why not, in a fixed order.

use std::collections::BTreeSet;

use cartvision_wire::event::Reason;
use cartvision_wire::{CameraName, Status};

/// Something that makes the cart less than itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// A camera gives no pictures.
    Camera(CameraName),
    /// A camera is looked at too seldom: what it alone tells is unresolved.
    Slow(CameraName),
    /// The outbox is at its bound: the cart does not decide.
    OutboxFull,
    /// The database cannot be written: the cart does not decide.
    Store,
    /// The broker has nobody who takes the events.
    NobodySubscribed,
    /// The broker refuses events.
    EventsRefused,
    /// Too hot, or too much power, on the lowest rate.
    Heat,
    /// The detector fails.
    Engine,
    /// Engines for the GPU are being built: the CPU infers meanwhile.
    EngineBuilding,
    /// The GPU cannot be used: the CPU infers.
    NoGpu(String),
    /// The learned temporal classifier fails: the analytic one stands in.
    Classifier,
}

/// The present troubles.
#[derive(Debug, Default)]
pub(crate) struct Health {
    troubles: BTreeSet<Trouble>,
    changed: bool,
}

impl Health {
    /// Says whether a trouble is there.
    pub(crate) fn set(&mut self, trouble: Trouble, there: bool) {
        self.changed |= if there { self.troubles.insert(trouble) } else { self.troubles.remove(&trouble) };
    }

    /// Whether this trouble is there.
    pub(crate) fn has(&self, trouble: &Trouble) -> bool {
        self.troubles.contains(trouble)
    }

    /// Whether anything changed since the last time this was asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// All of it in a line; nothing when nothing is wrong.
    pub(crate) fn line(&self) -> Option<String> {
        let reasons: Vec<String> = self.reasons().map(|reason| reason.to_string()).collect();
        (!reasons.is_empty()).then(|| format!("degraded: {}", reasons.join("; ")))
    }

    pub(crate) fn status(&self) -> Status {
        if self.troubles.is_empty() { Status::Online } else { Status::Degraded }
    }

    pub(crate) fn reasons(&self) -> impl Iterator<Item = Reason> {
        self.troubles.iter().map(|t| match t {
            Trouble::Camera(name) => Reason::new(&format!("camera {name} gives no pictures")),
            Trouble::Slow(name) => Reason::new(&format!("too few pictures of camera {name} are looked at")),
            Trouble::OutboxFull => "the outbox is full; the cart does not decide".into(),
            Trouble::Store => "the database cannot be written; the cart does not decide".into(),
            Trouble::NobodySubscribed => "nobody subscribed to the events".into(),
            Trouble::EventsRefused => "the broker refuses events".into(),
            Trouble::Heat => "temperature or power is above its limit at the lowest rate".into(),
            Trouble::Engine => "the detector fails".into(),
            Trouble::EngineBuilding => {
                "the engine for the GPU is being built; the CPU infers meanwhile".into()
            }
            Trouble::NoGpu(why) => Reason::new(&format!("the CPU infers: {why}")),
            Trouble::Classifier => "the temporal classifier fails; the analytic one stands in".into(),
        })
    }
}
