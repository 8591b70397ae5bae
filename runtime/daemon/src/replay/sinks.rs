//! Where a replay's events go: a file, a broker, both or nowhere.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use cartvision_core::{MAX_EFFECTS, MediaTime};
use cartvision_engines::Bundle;
use cartvision_wire::{Clock, ConnectionId, Reply, State, Status};
use uuid::Uuid;

use crate::broker::{BrokerFact, Identity, Link, Post, ResponseAddress, probe};
use crate::cart::Cart;
use crate::cli::ReplayArgs;
use crate::commands;
use crate::facts::Fact;
use crate::failure::Failure;
use crate::outbox::Turn;
use crate::store::{Opening, StoreFact, Writer};

/// How long the broker may take for what is still to be delivered at the end.
const LAST_DELIVERY: Duration = Duration::from_secs(15);
/// How often it is looked whether somebody says something meanwhile.
const GLANCE: Duration = Duration::from_millis(50);
/// How long the goodbye to the broker may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Where events go.
pub(super) struct Sinks {
    file: Option<(String, Box<dyn Write>)>,
    broker: Option<(Arc<Post>, Link, Writer)>,
    events: u64,
}

impl Sinks {
    /// Opens them; a broker that cannot be reached is found here.
    pub(super) fn open(
        args: &ReplayArgs,
        identity: Option<Identity>,
        bundle: &Bundle,
        facts: &SyncSender<Fact>,
    ) -> Result<Self, Failure> {
        let file = match args.events.as_deref() {
            None => None,
            Some(path) if path == Path::new("-") => {
                Some(("standard output".to_owned(), Box::new(std::io::stdout()) as Box<dyn Write>))
            }
            Some(path) => {
                let name = path.display().to_string();
                let file = std::fs::File::create(path).map_err(|e| {
                    Failure::environment(format_args!(
                        "{name}: cannot write the events: {e}; name a file in a directory that can be written with --events"
                    ))
                })?;
                Some((name, Box::new(file) as Box<dyn Write>))
            }
        };
        let broker = match identity {
            None => None,
            Some(identity) => {
                probe(&identity).map_err(Failure::environment)?;
                let opening = Opening::temporary(identity.root.clone()).map_err(Failure::environment)?;
                let reader = opening.reader().map_err(Failure::environment)?;
                let post = Arc::new(Post::new(&opening.pending));
                post.set_state(State {
                    status: Status::Online,
                    reasons: std::iter::empty().collect(),
                    // The link puts in the connection's own.
                    connection_id: ConnectionId(Uuid::nil()),
                    version: env!("CARGO_PKG_VERSION").into(),
                    bundle: bundle.identity().as_str().into(),
                    clock: Clock { synced: false, uncertainty_ms: None },
                    session: Some(args.session.clone()),
                    time: None,
                });
                let no_thread = |e| Failure::environment(format_args!("cannot start a thread: {e}"));
                let writer = Writer::start(opening, post.clone(), facts.clone()).map_err(no_thread)?;
                let link = Link::start(identity, post.clone(), reader, facts.clone()).map_err(no_thread)?;
                Some((post, link, writer))
            }
        };
        Ok(Self { file, broker, events: 0 })
    }

    /// How many events went there.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Writes and commits what the cart has recorded. A replay can wait: it does so before the outbox is full.
    pub(super) fn take(&mut self, cart: &mut Cart) -> Result<(), Failure> {
        self.take_and_answer(cart, None)
    }

    /// The same; and the command that it was is answered.
    fn take_and_answer(
        &mut self,
        cart: &mut Cart,
        reply: Option<(ResponseAddress, Reply)>,
    ) -> Result<(), Failure> {
        let rows = cart.take_rows();
        if rows.is_empty() {
            if let (Some((post, ..)), Some((to, reply))) = (&self.broker, reply) {
                post.reply(to, reply);
            }
            return Ok(());
        }
        self.events += rows.len() as u64;
        if let Some((name, file)) = &mut self.file {
            for row in &rows {
                // Line by line, so that what is there is whole whatever happens next.
                let line = format!("{}\n", row.json);
                file.write_all(line.as_bytes()).and_then(|()| file.flush()).map_err(|e| {
                    Failure::environment(format_args!(
                        "{name}: cannot write the events: {e}; those before are whole: make room, or open what reads them, and run it again"
                    ))
                })?;
            }
        }
        if let Some((post, ..)) = &self.broker {
            if !post.wait_room(rows.len() + MAX_EFFECTS, LAST_DELIVERY) {
                return Err(Failure::environment(
                    "the broker takes no more events; is anybody subscribed to them?",
                ));
            }
            // Nobody goes on with a replay: its state is not kept.
            let state = String::new();
            post.put(Turn { rows, basket: cart.basket(), state, reply, decided: Instant::now() });
        }
        Ok(())
    }

    /// What the broker says; `now` is how far the replay has come.
    pub(super) fn heard(&mut self, fact: BrokerFact, cart: &mut Cart, now: MediaTime) -> Result<(), Failure> {
        let Some((post, ..)) = &self.broker else { return Ok(()) };
        match fact {
            BrokerFact::Connected => {}
            BrokerFact::Events(taking) => tracing::debug!(?taking, "events"),
            BrokerFact::Lost(error) => tracing::warn!("{error}; trying again"),
            BrokerFact::TakenOver => {
                return Err(Failure::environment(
                    "another client with this cart's name took over the connection; give the replay a --cart of its own",
                ));
            }
            BrokerFact::Command { incoming, response } => {
                let when = (now, crate::clock::utc_now());
                let reply = commands::obey(&incoming, response.as_ref(), cart, post, when)
                    .map_err(Failure::defect)?;
                return self.take_and_answer(cart, response.zip(reply));
            }
        }
        self.take(cart)
    }

    /// What the writer of the replay's own database says.
    pub(super) fn stored(&self, fact: StoreFact) -> Result<(), Failure> {
        match fact {
            StoreFact::Works => Ok(()),
            StoreFact::Failing(e) | StoreFact::Broken(e) => Err(Failure::environment(e)),
        }
    }

    /// Waits for the last deliveries (not after a signal) and says goodbye.
    pub(super) fn close(self, facts: Receiver<Fact>) -> Result<(), Failure> {
        let Some((post, link, writer)) = self.broker else { return Ok(()) };
        let mut until = Instant::now() + LAST_DELIVERY;
        let left = loop {
            // Nobody obeys any more, but the link must not wait to be heard.
            for fact in facts.try_iter() {
                if matches!(fact, Fact::Stop) {
                    until = Instant::now();
                }
            }
            let left = post.wait_empty(GLANCE);
            if left == 0 || Instant::now() >= until {
                break left;
            }
        };
        // What is told from now on finds nobody.
        drop(facts);
        link.stop(Instant::now() + GOODBYE);
        writer.stop(Instant::now() + GOODBYE);
        if left > 0 {
            return Err(Failure::environment(format_args!(
                "{left} events were not taken by the broker (those in the events file are whole); is anybody subscribed to them?"
            )));
        }
        Ok(())
    }
}
