//! The answer to a command, on the topic that the caller named.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::bounded::Text;
use crate::command::{CommandError, CommandName};
use crate::table::names;

names! {
    /// Why a command was not obeyed. More codes may come; treat an unknown one as "not done".
    pub enum Refusal {
        /// It was a retained message: nobody knows when it was meant.
        Retained = "retained",
        /// It was issued more than 30 s from the cart's time.
        Stale = "stale",
        /// Its payload does not fit the command's schema.
        Malformed = "malformed",
        /// There is no command of this name.
        UnknownCommand = "unknown-command",
        /// This cart cannot do it: not in this version, or not as it is set up.
        NotAvailable = "not-available",
        /// It needs an open session and there is none.
        NoSession = "no-session",
        /// Another session is open; end it first.
        SessionOpen = "session-open",
        /// It names a session that is not the open one.
        SessionMismatch = "session-mismatch",
        /// It names an item that is not in the catalogue.
        UnknownItem = "unknown-item",
        /// It corrects an event that the cart does not know.
        UnknownEvent = "unknown-event",
        /// It asks for events that the cart no longer keeps, or never had.
        UnknownPosition = "unknown-position",
        /// Its response topic is not under the cart's root. Never sent, since there is nowhere to send it:
        /// counted and logged.
        ResponseTopicRefused = "response-topic-refused",
        /// The cart tried and failed; the message says at what.
        Failed = "failed",
    }
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "ReplyJson", try_from = "ReplyJson")]
pub struct Reply {
    /// The command's name as it was sent, shortened.
    pub command: Text<64>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was obeyed; what it gave, which may be nothing.
    Done(Map<String, Value>),
    /// It was not obeyed, and nothing was changed.
    Refused {
        /// Why.
        code: Refusal,
        /// The same for people: what, and what to do next.
        message: Text<500>,
    },
}

impl Reply {
    /// The command was obeyed and gave `result`.
    pub fn done(command: CommandName, result: Map<String, Value>) -> Self {
        Self { command: command.as_str().into(), outcome: Outcome::Done(result) }
    }

    /// The command of this name (known or not) was not obeyed.
    pub fn refused(command: &str, code: Refusal, message: &str) -> Self {
        Self { command: command.into(), outcome: Outcome::Refused { code, message: message.into() } }
    }

    /// The answer to a command that could not be read or is too old.
    pub fn from_error(command: &str, error: &CommandError) -> Self {
        Self::refused(command, error.refusal(), &error.to_string())
    }
}

/// [`Reply`] as it is written, where `ok` could disagree with the rest.
#[derive(Serialize, Deserialize)]
struct ReplyJson {
    ok: bool,
    command: Text<64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
}

#[derive(Serialize, Deserialize)]
struct ErrorJson {
    code: Refusal,
    message: Text<500>,
}

#[derive(Debug, Error)]
#[error("a reply is `ok` with a result, or not `ok` with an error")]
struct OkAndError;

impl From<Reply> for ReplyJson {
    fn from(reply: Reply) -> Self {
        let (ok, result, error) = match reply.outcome {
            Outcome::Done(result) => (true, Some(result), None),
            Outcome::Refused { code, message } => (false, None, Some(ErrorJson { code, message })),
        };
        Self { ok, command: reply.command, result, error }
    }
}

impl TryFrom<ReplyJson> for Reply {
    type Error = OkAndError;
    fn try_from(json: ReplyJson) -> Result<Self, OkAndError> {
        let outcome = match (json.ok, json.result, json.error) {
            (true, Some(result), None) => Outcome::Done(result),
            (false, None, Some(ErrorJson { code, message })) => Outcome::Refused { code, message },
            _ => return Err(OkAndError),
        };
        Ok(Self { command: json.command, outcome })
    }
}
