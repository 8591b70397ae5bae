//! One message of every kind, built as the daemon builds them.

use std::num::{NonZeroI32, NonZeroU32};

use cartvision_wire::command::{Adjuster, Adjustment, BasketAdjust, EventsReplay, SessionEnd, SessionStart};
use cartvision_wire::event::*;
use cartvision_wire::item::*;
use cartvision_wire::telemetry::*;
use cartvision_wire::*;
use uuid::Uuid;

pub fn root() -> Root {
    Root::new(StoreId::new("store-1").unwrap(), CartId::new("cart-17").unwrap())
}

pub fn epoch() -> Epoch {
    Epoch::from_content(UtcTime::EPOCH, b"samples")
}

pub fn event_id() -> EventId {
    EventId::from_content(epoch(), Sequence::FIRST, EventType::ItemAdded, b"{}")
}

const CLOCK: Clock = Clock { synced: true, uncertainty_ms: Some(4) };
const UNSET_CLOCK: Clock = Clock { synced: false, uncertainty_ms: None };

/// `text` as often as `MAX` characters allow; four bytes a character is the most that UTF-8 takes.
fn full<const MAX: usize>() -> Text<MAX> {
    Text::new(&"🛒".repeat(MAX))
}

fn full_id() -> CatalogueId {
    CatalogueId::new("🛒".repeat(64)).unwrap()
}

fn full_item() -> Item {
    Item::Catalogue { id: full_id(), label: full() }
}

fn full_name() -> CameraName {
    CameraName::new("x".repeat(64)).unwrap()
}

pub fn bottle() -> Item {
    Item::Catalogue { id: CatalogueId::new("08901030865278").unwrap(), label: "bottle".into() }
}

pub fn act() -> Act {
    Act {
        item: bottle(),
        quantity: NonZeroU32::MIN,
        confidence: Probability::new(0.97),
        decided_by: DecidedBy::Edge,
        cameras: [CameraName::new("rim-left").unwrap()].into_iter().collect(),
        media_time_ms: 13_012,
        decided_media_time_ms: 13_250,
        candidates: [Candidate {
            id: CatalogueId::new("08901030865278").unwrap(),
            label: None,
            p: Probability::new(0.97),
        }]
        .into_iter()
        .collect(),
        bundle: "grocery-24@1.3.0".into(),
        clock: CLOCK,
    }
}

/// An act with everything as large as its type allows.
fn full_act() -> Act {
    let candidate = Candidate { id: full_id(), label: Some(full()), p: Probability::new(0.1234) };
    Act {
        item: full_item(),
        quantity: NonZeroU32::MAX,
        cameras: (0..99).map(|_| full_name()).collect(),
        media_time_ms: u64::MAX,
        decided_media_time_ms: u64::MAX,
        candidates: (0..99).map(|_| candidate.clone()).collect(),
        bundle: full(),
        clock: Clock { synced: false, uncertainty_ms: Some(u64::MAX) },
        ..act()
    }
}

fn correction(replacement: Replacement, count: usize) -> Correction {
    Correction {
        corrects: event_id(),
        revision: NonZeroU32::MIN,
        replacement: (0..count).map(|_| replacement.clone()).collect(),
        decided_by: DecidedBy::Staff,
        media_time_ms: 13_012,
        decided_media_time_ms: 20_000,
        after_settlement: count == 0,
        bundle: full(),
        clock: CLOCK,
    }
}

fn replacement(item: Item) -> Replacement {
    Replacement { change: Change::Removed, item, quantity: NonZeroU32::MAX, confidence: Probability::ONE }
}

fn ended(line: BasketLine, lines: usize, questions: usize) -> SessionEnded {
    let question = PendingQuestion {
        change: OpenChange::Unknown,
        media_time_ms: u64::MAX,
        unresolved: (questions > 1).then(event_id),
    };
    SessionEnded {
        media_time_ms: 40_000,
        basket: FinalBasket::new((0..lines).map(|_| line.clone())),
        pending_questions: (0..questions).map(|_| question.clone()).collect(),
        clock: CLOCK,
    }
}

fn line(item: Item) -> BasketLine {
    BasketLine { item, quantity: NonZeroU32::MIN }
}

/// At least two of every type: a plain one and the largest that its types allow.
pub fn data() -> Vec<EventData> {
    let camera = || CameraName::new("rim-left").unwrap();
    let unknown = Item::Unknown { label: "phone".into() };
    vec![
        EventData::ItemAdded(act()),
        EventData::ItemAdded(Act {
            item: unknown.clone(),
            cameras: List::default(),
            candidates: List::default(),
            decided_by: DecidedBy::Scanner,
            clock: UNSET_CLOCK,
            ..act()
        }),
        EventData::ItemAdded(full_act()),
        EventData::ItemRemoved(Removal { act: act(), not_in_basket: false }),
        EventData::ItemRemoved(Removal { act: full_act(), not_in_basket: true }),
        EventData::ItemUnresolved(Unresolved { change: OpenChange::Unknown, act: act(), reason: None }),
        EventData::ItemUnresolved(Unresolved {
            change: OpenChange::Removed,
            act: full_act(),
            reason: Some(full()),
        }),
        EventData::ItemCorrected(correction(replacement(bottle()), 0)),
        EventData::ItemCorrected(correction(replacement(unknown.clone()), 1)),
        EventData::ItemCorrected(correction(replacement(full_item()), 99)),
        EventData::SessionStarted(SessionStarted {
            media_time_ms: 0,
            cameras: [camera()].into_iter().collect(),
            bundle: "grocery-24@1.3.0".into(),
            clock: CLOCK,
        }),
        EventData::SessionStarted(SessionStarted {
            media_time_ms: u64::MAX,
            cameras: (0..99).map(|_| full_name()).collect(),
            bundle: full(),
            clock: UNSET_CLOCK,
        }),
        EventData::SessionEnded(ended(line(unknown), 0, 0)),
        EventData::SessionEnded(ended(line(bottle()), 2, 1)),
        EventData::SessionEnded(ended(line(full_item()), 999, 99)),
        EventData::SessionSettled(SessionSettled { media_time_ms: 41_000, clock: CLOCK }),
        EventData::CameraDegraded(CameraDegraded {
            camera: camera(),
            reason: "no frame for 2 s".into(),
            media_time_ms: 9,
            clock: CLOCK,
        }),
        EventData::CameraDegraded(CameraDegraded {
            camera: full_name(),
            reason: full(),
            media_time_ms: u64::MAX,
            clock: UNSET_CLOCK,
        }),
        EventData::CameraRecovered(CameraRecovered { camera: camera(), media_time_ms: 9, clock: CLOCK }),
        EventData::LogOpened(LogOpened {
            previous_epoch: None,
            last_sequence: None,
            reason: LogReason::Replay,
            clock: CLOCK,
        }),
        EventData::LogOpened(LogOpened {
            previous_epoch: Some(epoch()),
            last_sequence: Sequence::new(u64::MAX),
            reason: LogReason::Restored,
            clock: UNSET_CLOCK,
        }),
    ]
}

/// An event with the longest envelope.
pub fn event(data: EventData) -> Event {
    Event {
        id: EventId::of_replayed(epoch(), Sequence::FIRST, &data).unwrap(),
        cart: CartId::new("c".repeat(64)).unwrap(),
        session: Some(SessionId::new("s".repeat(64)).unwrap()),
        time: UtcTime::from_ms(1_795_428_930_123),
        epoch: epoch(),
        sequence: Sequence::new(42).unwrap(),
        data,
    }
}

pub fn state() -> State {
    State {
        status: Status::Online,
        reasons: List::default(),
        connection_id: ConnectionId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)),
        version: "0.1.0".into(),
        bundle: "grocery-24@1.3.0".into(),
        clock: CLOCK,
        session: Some(SessionId::new("s-1").unwrap()),
        time: Some(UtcTime::from_ms(7)),
    }
}

pub fn states() -> Vec<State> {
    let degraded = State {
        status: Status::Degraded,
        reasons: ["camera rim-left gives no frame".into()].into_iter().collect(),
        session: None,
        ..state()
    };
    vec![state(), degraded.will(), degraded, state().will()]
}

pub fn baskets() -> Vec<Basket> {
    let basket = |session, lines: Vec<BasketLine>| Basket {
        session,
        epoch: epoch(),
        sequence: Sequence::FIRST,
        lines: lines.into_iter().collect(),
    };
    let unknown = Item::Unknown { label: "phone".into() };
    vec![
        basket(None, vec![]),
        basket(Some(SessionId::new("s-1").unwrap()), vec![line(bottle()), line(unknown)]),
        basket(Some(SessionId::new("s-1").unwrap()), vec![line(full_item()); 999]),
    ]
}

pub fn telemetry() -> Telemetry {
    let stage =
        StageFigures { stage: "detect".into(), p50_ms: Measure::new(14.2), p99_ms: Measure::new(20.0) };
    Telemetry {
        time: UtcTime::from_ms(7),
        uptime_s: 60,
        cameras: [CameraFigures {
            camera: CameraName::new("rim-left").unwrap(),
            frames_per_s: Measure::new(29.83),
            frames: 1790,
            dropped: 3,
            slow: 1,
            stages: [stage.clone()].into_iter().collect(),
        }]
        .into_iter()
        .collect(),
        queues: [QueueFigures { queue: "outbox".into(), depth: 0, bound: 1024, dropped: 0 }]
            .into_iter()
            .collect(),
        outbox: OutboxFigures { delivery: Some(stage), ..OutboxFigures::default() },
        temperature_c: None,
        power_w: Some(Measure::new(9.5)),
        rate_limit: Some(15),
        rate_lowered: 1,
        memory: MemoryFigures { rss_mib: Measure::new(80.5), peak_rss_mib: Measure::new(90.25) },
        classifier_failures: Some(2),
    }
}

pub fn summary() -> Summary {
    Summary {
        frames: 1190,
        fps: Measure::new(83.2),
        cpu_ms_per_frame: Measure::new(24.1),
        peak_rss_mib: Measure::new(141.0),
        events: 11,
        streams: 1,
        classifier_failures: Some(0),
    }
}

pub fn requests() -> Vec<Request> {
    let session = || SessionId::new("s-1").unwrap();
    let adjust = |changes: List<Adjustment, 16>, corrects| {
        Command::BasketAdjust(BasketAdjust { session: session(), by: Adjuster::Staff, changes, corrects })
    };
    let one = Adjustment { id: full_id(), delta: NonZeroI32::MIN };
    [
        Command::SessionStart(SessionStart { session: session() }),
        Command::SessionEnd(SessionEnd { session: None }),
        Command::SessionEnd(SessionEnd { session: Some(session()) }),
        adjust([one].into_iter().collect(), None),
        adjust(List::default(), Some(event_id())),
        Command::EventsReplay(EventsReplay { epoch: epoch(), sequence: Sequence::FIRST }),
        Command::Snapshot,
        Command::Reload,
    ]
    .map(|command| Request { issued_at: UtcTime::from_ms(1_795_428_930_123), command })
    .into()
}
