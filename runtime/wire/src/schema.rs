//! The published descriptions: JSON Schema 2020-12 for each message, and AsyncAPI 3.0 for how they travel.
//! Embedded, so that tests anywhere can hold live traffic against them.

use crate::command::CommandName;
use crate::topic::Root;

/// How messages travel: channels, directions, QoS, retention. It refers to the schemas below by file name.
pub const ASYNCAPI: &str = include_str!("../schemas/asyncapi.yaml");
/// Of [`crate::Event`].
pub const EVENT: &str = include_str!("../schemas/event.schema.json");
/// Of [`crate::State`].
pub const STATE: &str = include_str!("../schemas/state.schema.json");
/// Of [`crate::Basket`].
pub const BASKET: &str = include_str!("../schemas/basket.schema.json");
/// Of [`crate::Telemetry`].
pub const TELEMETRY: &str = include_str!("../schemas/telemetry.schema.json");
/// Of [`crate::Reply`].
pub const REPLY: &str = include_str!("../schemas/reply.schema.json");
/// Of [`crate::Summary`].
pub const SUMMARY: &str = include_str!("../schemas/summary.schema.json");

/// Of a command's payload.
pub const fn for_command(name: CommandName) -> &'static str {
    match name {
        CommandName::SessionStart => include_str!("../schemas/command.session-start.schema.json"),
        CommandName::SessionEnd => include_str!("../schemas/command.session-end.schema.json"),
        CommandName::BasketAdjust => include_str!("../schemas/command.basket-adjust.schema.json"),
        CommandName::EventsReplay => include_str!("../schemas/command.events-replay.schema.json"),
        CommandName::Snapshot => include_str!("../schemas/command.snapshot.schema.json"),
        CommandName::Reload => include_str!("../schemas/command.reload.schema.json"),
    }
}

/// Of what travels on `topic`; a topic on which the cart may answer carries replies. `None` for a topic that
/// is not this cart's.
pub fn for_topic(root: &Root, topic: &str) -> Option<&'static str> {
    if let Some(name) = root.command_name(topic) {
        return CommandName::parse(name).map(for_command);
    }
    let own = [
        (root.events(), EVENT),
        (root.state(), STATE),
        (root.basket(), BASKET),
        (root.telemetry(), TELEMETRY),
    ];
    match own.into_iter().find(|(own, _)| own == topic) {
        Some((_, schema)) => Some(schema),
        None => root.may_answer_on(topic).then_some(REPLY),
    }
}
