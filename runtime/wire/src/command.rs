//! Commands: what a backend, staff or a technician may ask of the cart.
//!
//! Every payload is a JSON object with `issued_at`, the sender's UTC time. MQTT's own message expiry cannot
//! take its place: the cart sees only what is left of it, never how old the message is. So a command without
//! `issued_at` is refused as malformed, and one that is more than [`MAX_AGE_MS`] away from the cart's clock,
//! in either direction, as stale. Senders should set a message expiry of 30 s as well: then the broker does
//! not even deliver what the cart would refuse.

use std::num::NonZeroI32;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bounded::List;
use crate::event::MAX_REPLACEMENTS;
use crate::name::{CatalogueId, SessionId};
use crate::position::{Epoch, EventId, Sequence};
use crate::reply::Refusal;
use crate::table::names;
use crate::time::UtcTime;

/// The oldest command that is obeyed.
pub const MAX_AGE_MS: u64 = 30_000;

/// The largest payload that is looked into.
pub const MAX_COMMAND_BYTES: usize = 8 * 1024;

names! {
    /// The name of a command: the end of its topic.
    pub enum CommandName {
        /// Opens a session; the caller names it. Idempotent.
        SessionStart = "session/start",
        /// Ends the open session.
        SessionEnd = "session/end",
        /// Staff or a scanner puts the basket right.
        BasketAdjust = "basket/adjust",
        /// Sends events again, from a position on.
        EventsReplay = "events/replay",
        /// Takes a picture of what each camera sees.
        Snapshot = "snapshot",
        /// Reads configuration and bundle again.
        Reload = "reload",
    }
}

/// A command and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// See [`CommandName::SessionStart`].
    SessionStart(SessionStart),
    /// See [`CommandName::SessionEnd`].
    SessionEnd(SessionEnd),
    /// See [`CommandName::BasketAdjust`].
    BasketAdjust(BasketAdjust),
    /// See [`CommandName::EventsReplay`].
    EventsReplay(EventsReplay),
    /// See [`CommandName::Snapshot`].
    Snapshot,
    /// See [`CommandName::Reload`].
    Reload,
}

/// What `session/start` needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStart {
    /// The session's id. Starting the open session again changes nothing; starting another is refused.
    pub session: SessionId,
}

/// What `session/end` needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// The session to end; without it whichever is open. Name it: a command delivered twice then cannot end
    /// the next customer's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// What `basket/adjust` needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasketAdjust {
    /// The session whose basket it is.
    pub session: SessionId,
    /// Who says so.
    pub by: Adjuster,
    /// What to change, at least one. With `corrects`: all that stands in that event's place, at most
    /// [`MAX_REPLACEMENTS`]; empty retracts it.
    pub changes: List<Adjustment, 16>,
    /// The event that was wrong. Without it the changes are acts of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<EventId>,
}

/// Who adjusts a basket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adjuster {
    /// A person of the store.
    Staff,
    /// A scanner.
    Scanner,
}

/// So many of one item, in or out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    /// The catalogue's identifier.
    pub id: CatalogueId,
    /// More than 0: added; less: removed.
    pub delta: NonZeroI32,
}

/// What `events/replay` needs: the position of the first event to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsReplay {
    /// The epoch.
    pub epoch: Epoch,
    /// The sequence within it.
    pub sequence: Sequence,
}

/// A command as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was sent, by the sender's clock.
    pub issued_at: UtcTime,
    /// What is asked.
    pub command: Command,
}

/// A command that is not obeyed.
#[derive(Debug, Error)]
pub enum CommandError {
    /// Nothing of this name is known.
    #[error(
        "there is no command {name:?}; there are session/start, session/end, basket/adjust, events/replay, snapshot and reload"
    )]
    Unknown {
        /// The name, shortened.
        name: String,
    },
    /// Too large to be looked into.
    #[error("the payload has {bytes} bytes and at most {MAX_COMMAND_BYTES} are read; send less")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Its payload cannot be read.
    #[error("the payload of {name} cannot be used: {source}; see its schema")]
    Malformed {
        /// The command.
        name: &'static str,
        /// What stood in the way.
        source: serde_json::Error,
    },
    /// An adjustment that changes nothing.
    #[error("`changes` is empty; name at least one change, or the event to retract in `corrects`")]
    NothingToAdjust,
    /// More than a correction has room for.
    #[error(
        "`changes` has {given} elements; in an event's place stand at most {MAX_REPLACEMENTS}: correct it with fewer, and adjust the rest without `corrects`"
    )]
    TooManyReplacements {
        /// How many there are.
        given: usize,
    },
    /// Sent too long ago, or by a clock that is ahead.
    #[error(
        "issued at {issued_at} and the cart's clock says {now}: more than 30 s apart; send it again, or set the clock that is wrong"
    )]
    Stale {
        /// When it was sent, by the sender's clock.
        issued_at: UtcTime,
        /// Now, by the cart's clock.
        now: UtcTime,
    },
}

impl CommandError {
    /// The code that answers it.
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::Unknown { .. } => Refusal::UnknownCommand,
            Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::NothingToAdjust
            | Self::TooManyReplacements { .. } => Refusal::Malformed,
            Self::Stale { .. } => Refusal::Stale,
        }
    }
}

impl Command {
    /// Its name.
    pub const fn name(&self) -> CommandName {
        match self {
            Self::SessionStart(_) => CommandName::SessionStart,
            Self::SessionEnd(_) => CommandName::SessionEnd,
            Self::BasketAdjust(_) => CommandName::BasketAdjust,
            Self::EventsReplay(_) => CommandName::EventsReplay,
            Self::Snapshot => CommandName::Snapshot,
            Self::Reload => CommandName::Reload,
        }
    }
}

/// A payload: `issued_at` beside what the command needs.
#[derive(Serialize, Deserialize)]
struct Payload<T> {
    issued_at: UtcTime,
    #[serde(flatten)]
    needs: T,
}

#[derive(Serialize, Deserialize)]
struct Nothing {}

impl Request {
    /// Reads the command `name` (the end of its topic). Whether it is too old is asked apart, with the time:
    /// [`Self::check_age`]. Whether it was retained only the MQTT packet says.
    ///
    /// # Errors
    /// [`CommandError`], except `Stale`.
    pub fn parse(name: &str, payload: &[u8]) -> Result<Self, CommandError> {
        fn read<T: for<'de> Deserialize<'de>>(
            name: CommandName,
            payload: &[u8],
            command: impl FnOnce(T) -> Command,
        ) -> Result<Request, CommandError> {
            let read: Payload<T> = serde_json::from_slice(payload)
                .map_err(|source| CommandError::Malformed { name: name.as_str(), source })?;
            Ok(Request { issued_at: read.issued_at, command: command(read.needs) })
        }

        let known = CommandName::parse(name)
            .ok_or_else(|| CommandError::Unknown { name: name.chars().take(64).collect() })?;
        if payload.len() > MAX_COMMAND_BYTES {
            return Err(CommandError::TooLarge { bytes: payload.len() });
        }
        let request = match known {
            CommandName::SessionStart => read(known, payload, Command::SessionStart),
            CommandName::SessionEnd => read(known, payload, Command::SessionEnd),
            CommandName::BasketAdjust => read(known, payload, Command::BasketAdjust),
            CommandName::EventsReplay => read(known, payload, Command::EventsReplay),
            CommandName::Snapshot => read(known, payload, |_: Nothing| Command::Snapshot),
            CommandName::Reload => read(known, payload, |_: Nothing| Command::Reload),
        }?;
        match &request.command {
            Command::BasketAdjust(adjust) if adjust.changes.is_empty() && adjust.corrects.is_none() => {
                Err(CommandError::NothingToAdjust)
            }
            Command::BasketAdjust(BasketAdjust { changes, corrects: Some(_), .. })
                if changes.len() > MAX_REPLACEMENTS =>
            {
                Err(CommandError::TooManyReplacements { given: changes.len() })
            }
            _ => Ok(request),
        }
    }

    /// Refuses a command that is older than [`MAX_AGE_MS`], or as far ahead of the cart's clock. A cart whose
    /// clock is not set refuses everything here, which is the safe side; the message shows both times.
    ///
    /// # Errors
    /// [`CommandError::Stale`].
    pub fn check_age(&self, now: UtcTime) -> Result<(), CommandError> {
        if now.as_ms().abs_diff(self.issued_at.as_ms()) > MAX_AGE_MS {
            return Err(CommandError::Stale { issued_at: self.issued_at, now });
        }
        Ok(())
    }

    /// The payload as JSON, for whoever sends commands.
    ///
    /// # Errors
    /// Whatever `serde_json` finds, which would be a defect.
    pub fn payload(&self) -> Result<String, serde_json::Error> {
        fn json<T: Serialize>(issued_at: UtcTime, needs: T) -> Result<String, serde_json::Error> {
            serde_json::to_string(&Payload { issued_at, needs })
        }
        match &self.command {
            Command::SessionStart(needs) => json(self.issued_at, needs),
            Command::SessionEnd(needs) => json(self.issued_at, needs),
            Command::BasketAdjust(needs) => json(self.issued_at, needs),
            Command::EventsReplay(needs) => json(self.issued_at, needs),
            Command::Snapshot | Command::Reload => json(self.issued_at, Nothing {}),
        }
    }
}
