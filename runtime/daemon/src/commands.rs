//! Commands from outside: refused, or carried out and answered.

use cartvision_core::MediaTime;
use cartvision_wire::reply::Outcome;
use cartvision_wire::{Command, EventError, Refusal, Reply, Request, UtcTime};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::broker::{Post, ResponseAddress};
use crate::cart::{Cart, SessionRefusal};
use crate::outbox::ROOM;

/// A command as it came in.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Its name: the topic below `commands/`.
    pub(crate) name: String,
    pub(crate) payload: Vec<u8>,
    /// The broker kept it: nobody knows when it was meant.
    pub(crate) retained: bool,
}

/// Under which commands are told apart; drawn once at random.
const COMMANDS: Uuid = Uuid::from_u128(0x2f1d_9a0e_77c4_4b53_8e1a_90c3_5ad2_6b7f);

impl Incoming {
    /// Equal for a command that was delivered twice: all of it is the same, its moment included.
    fn identity(&self, to: Option<&ResponseAddress>) -> Uuid {
        let (topic, correlation) = to
            .map(|to| (to.topic.as_str(), to.correlation.as_deref().unwrap_or_default()))
            .unwrap_or_default();
        let mut content = Vec::with_capacity(self.payload.len() + 256);
        for part in [self.name.as_bytes(), topic.as_bytes(), correlation, &self.payload] {
            content.extend_from_slice(&(part.len() as u64).to_be_bytes());
            content.extend_from_slice(part);
        }
        Uuid::new_v5(&COMMANDS, &content)
    }
}

/// Carries out a command at `now` and says what came of it; nothing where the answer comes later, from the database.
pub(crate) fn obey(
    incoming: &Incoming,
    to: Option<&ResponseAddress>,
    cart: &mut Cart,
    post: &Post,
    (now, utc): (MediaTime, UtcTime),
) -> Result<Option<Reply>, EventError> {
    let reply = match allowed(incoming, post, utc) {
        Err(refusal) => Some(refusal),
        Ok(request) if records(&request.command) => {
            let identity = incoming.identity(to);
            obey_once(&request.command, identity, to, cart, post, now)?
        }
        Ok(request) => carried_out(&request.command, to, cart, post, now)?,
    };
    if let Some(reply) = &reply {
        tracing::info!(command = incoming.name, outcome = ?reply.outcome, "command");
    }
    Ok(reply)
}

/// Carries out a command that makes events, unless it was carried out already: the broker delivers at least once, and
/// again to a cart that was gone before it could acknowledge.
fn obey_once(
    command: &Command,
    identity: Uuid,
    to: Option<&ResponseAddress>,
    cart: &mut Cart,
    post: &Post,
    now: MediaTime,
) -> Result<Option<Reply>, EventError> {
    if cart.has_obeyed(identity) {
        let result = [("repeated".to_owned(), true.into())].into_iter().collect();
        return Ok(Some(Reply::done(command.name(), result)));
    }
    let reply = carried_out(command, to, cart, post, now)?;
    if reply.as_ref().is_some_and(|r| matches!(r.outcome, Outcome::Done(_))) {
        cart.note_obeyed(identity);
    }
    Ok(reply)
}

/// The command, if it may be obeyed.
fn allowed(incoming: &Incoming, post: &Post, utc: UtcTime) -> Result<Request, Reply> {
    let name = incoming.name.as_str();
    if incoming.retained {
        let why = "a retained command is never obeyed; publish it without the retain flag";
        return Err(Reply::refused(name, Refusal::Retained, why));
    }
    let request = Request::parse(name, &incoming.payload).and_then(|r| r.check_age(utc).map(|()| r));
    let request = request.map_err(|e| Reply::from_error(name, &e))?;
    if records(&request.command) && post.lock().outbox.room() < ROOM {
        let why = "what this does could not be recorded: the outbox is full or the database cannot be written (the state says which); put that right, and send it again";
        return Err(Reply::refused(name, Refusal::Failed, why));
    }
    Ok(request)
}

fn carried_out(
    command: &Command,
    to: Option<&ResponseAddress>,
    cart: &mut Cart,
    post: &Post,
    now: MediaTime,
) -> Result<Option<Reply>, EventError> {
    let name = command.name().as_str();
    let done = |result: Value| {
        let result = if let Value::Object(map) = result { map } else { Map::new() };
        Reply::done(command.name(), result)
    };
    Ok(Some(match command {
        Command::SessionStart(start) => match cart.start_session(now, &start.session)? {
            Ok(()) => done(json!({ "session": start.session })),
            Err(refusal) => refused(name, &refusal),
        },
        Command::SessionEnd(end) => match cart.end_session(now, end.session.as_ref())? {
            Ok(()) => done(json!({})),
            Err(refusal) => refused(name, &refusal),
        },
        Command::BasketAdjust(adjust) => match cart.adjust(now, adjust)? {
            Ok(()) => done(json!({ "basket": cart.basket() })),
            Err(refusal) => refused(name, &refusal),
        },
        Command::EventsReplay(from) => {
            post.ask_again((from.epoch, from.sequence), to.cloned());
            return Ok(None);
        }
        Command::Snapshot | Command::Reload => {
            Reply::refused(name, Refusal::NotAvailable, "this version of the daemon does not have it yet")
        }
    }))
}

/// Whether it makes events.
fn records(command: &Command) -> bool {
    match command {
        Command::SessionStart(_) | Command::SessionEnd(_) | Command::BasketAdjust(_) => true,
        Command::EventsReplay(_) | Command::Snapshot | Command::Reload => false,
    }
}

fn refused(name: &str, refusal: &SessionRefusal) -> Reply {
    let (code, why) = match refusal {
        SessionRefusal::NoSession => (Refusal::NoSession, "no session is open; start one first".to_owned()),
        SessionRefusal::Open(id) => (Refusal::SessionOpen, format!("session {id} is open; end it first")),
        SessionRefusal::Mismatch(id) => (Refusal::SessionMismatch, format!("the open session is {id}")),
        SessionRefusal::UnknownItem(id) => {
            (Refusal::UnknownItem, format!("the catalogue of this cart's bundle has no item {id}"))
        }
        SessionRefusal::UnknownEvent(id) => {
            (Refusal::UnknownEvent, format!("this session has no item event {}", id.0))
        }
    };
    Reply::refused(name, code, &why)
}
