//! MQTT topics of one cart, and the constants of its connection.

use crate::command::CommandName;
use crate::name::{CartId, StoreId};

/// How long the broker keeps the cart's session after a disconnect.
pub const SESSION_EXPIRY_S: u32 = 60;

/// How long the broker waits after a lost connection before it says `offline`.
pub const WILL_DELAY_S: u32 = 30;

const PREFIX: &str = "cartvision/v1";
const COMMANDS: &str = "commands/";
/// What only the cart itself may say.
const OWN: [&str; 4] = ["events", "state", "basket", "telemetry"];
/// The longest response topic that is used, bytes.
const MAX_RESPONSE_TOPIC_BYTES: usize = 512;

/// The root of a cart's topics: `cartvision/v1/{store}/{cart}/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    store: StoreId,
    cart: CartId,
}

impl Root {
    /// The root of this cart's topics.
    pub const fn new(store: StoreId, cart: CartId) -> Self {
        Self { store, cart }
    }

    /// The store.
    pub const fn store(&self) -> &StoreId {
        &self.store
    }

    /// The cart.
    pub const fn cart(&self) -> &CartId {
        &self.cart
    }

    /// The MQTT client id: fixed per cart, so that a second client is noticed (disconnect 0x8E).
    pub fn client_id(&self) -> String {
        format!("cartvision-{}", self.cart)
    }

    /// Where events go: QoS 1, not retained.
    pub fn events(&self) -> String {
        self.topic("events")
    }

    /// Where the state goes: QoS 1, retained.
    pub fn state(&self) -> String {
        self.topic("state")
    }

    /// Where the basket goes: QoS 1, retained.
    pub fn basket(&self) -> String {
        self.topic("basket")
    }

    /// Where telemetry goes: QoS 0, not retained.
    pub fn telemetry(&self) -> String {
        self.topic("telemetry")
    }

    /// Where a command comes in: QoS 1; retained ones are refused.
    pub fn command(&self, name: CommandName) -> String {
        self.topic(&format!("{COMMANDS}{}", name.as_str()))
    }

    /// The filter that covers every command.
    pub fn commands_filter(&self) -> String {
        self.topic(&format!("{COMMANDS}#"))
    }

    /// The name of the command that came on `topic`, known or not; `None` when it is no command topic of ours.
    pub fn command_name<'t>(&self, topic: &'t str) -> Option<&'t str> {
        self.below(topic)?.strip_prefix(COMMANDS)
    }

    /// Whether an answer may be sent to `topic`: below the cart's own root, and neither a topic on which only
    /// the cart speaks for itself nor a command of its own (an answer there would be taken for one).
    pub fn may_answer_on(&self, topic: &str) -> bool {
        let plain = topic.len() <= MAX_RESPONSE_TOPIC_BYTES
            && !topic.chars().any(|c| matches!(c, '+' | '#') || c.is_control());
        let own = |level: &str| OWN.contains(&level) || level == "commands";
        plain
            && self.below(topic).is_some_and(|rest| {
                let first = rest.split('/').next().unwrap_or_default();
                !first.is_empty() && !own(first)
            })
    }

    fn topic(&self, rest: &str) -> String {
        format!("{PREFIX}/{}/{}/{rest}", self.store, self.cart)
    }

    /// What stands after the root.
    fn below<'t>(&self, topic: &'t str) -> Option<&'t str> {
        let level = |rest: &'t str, level: &str| rest.strip_prefix(level)?.strip_prefix('/');
        let rest = level(topic, PREFIX)?;
        let rest = level(rest, self.store.as_str())?;
        level(rest, self.cart.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Root {
        Root::new(StoreId::new("store-1").unwrap(), CartId::new("cart-17").unwrap())
    }

    #[test]
    fn topics_are_those_of_the_contract() {
        let root = root();
        assert_eq!(root.client_id(), "cartvision-cart-17");
        assert_eq!(root.events(), "cartvision/v1/store-1/cart-17/events");
        assert_eq!(root.state(), "cartvision/v1/store-1/cart-17/state");
        assert_eq!(root.basket(), "cartvision/v1/store-1/cart-17/basket");
        assert_eq!(root.telemetry(), "cartvision/v1/store-1/cart-17/telemetry");
        assert_eq!(root.commands_filter(), "cartvision/v1/store-1/cart-17/commands/#");
        assert_eq!(
            root.command(CommandName::SessionStart),
            "cartvision/v1/store-1/cart-17/commands/session/start"
        );
    }

    #[test]
    fn command_names_come_out_of_their_topics() {
        let root = root();
        for &name in CommandName::ALL {
            assert_eq!(root.command_name(&root.command(name)).and_then(CommandName::parse), Some(name));
        }
        assert_eq!(root.command_name("cartvision/v1/store-1/cart-17/commands/dance"), Some("dance"));
        for other in [
            "cartvision/v1/store-1/cart-17/events",
            "cartvision/v1/store-1/cart-170/commands/snapshot",
            "cartvision/v1/store-1/cart-1/commands/snapshot",
            "cartvision/v2/store-1/cart-17/commands/snapshot",
            "commands/snapshot",
        ] {
            assert_eq!(root.command_name(other), None, "{other}");
        }
    }

    #[test]
    fn answers_stay_under_the_root() {
        let root = root();
        let long = format!("cartvision/v1/store-1/cart-17/{}", "x".repeat(512));
        for (topic, allowed) in [
            ("cartvision/v1/store-1/cart-17/replies/7", true),
            ("cartvision/v1/store-1/cart-17/backend", true),
            ("cartvision/v1/store-1/cart-18/replies/7", false),
            ("cartvision/v1/store-1/cart-17x/replies", false),
            ("cartvision/v1/store-1/cart-17", false),
            ("cartvision/v1/store-1/cart-17/", false),
            ("cartvision/v1/store-1/cart-17/events", false),
            ("cartvision/v1/store-1/cart-17/state", false),
            ("cartvision/v1/store-1/cart-17/commands/reload", false),
            ("cartvision/v1/store-1/cart-17/replies/#", false),
            ("cartvision/v1/store-1/cart-17/replies/+", false),
            ("cartvision/v1/store-1/cart-17/a\0b", false),
            ("$SYS/anything", false),
            ("", false),
            (&long, false),
        ] {
            assert_eq!(root.may_answer_on(topic), allowed, "{topic:?}");
        }
    }
}
