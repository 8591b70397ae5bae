//! `cartlab watch`: a cart's events and basket as they come, for somebody who looks on.
//!
//! It only listens: it has a client id of its own, so that no cart is thrown off its broker, and publishes nothing.

mod connection;
mod screen;
mod truth;

use std::{io, path::PathBuf};

use cartvision_metric::TruthError;
use cartvision_wire::{Address, AddressError, CartId, ExitCode, StoreId};

pub(crate) use connection::run;

const EXAMPLE: &str = "\
Example:
  cartlab watch --broker mqtts://backend@broker.example --store store-1 --cart cart-17

Signs: + added, − removed, ? unresolved, ~ corrected, · all else. Times are UTC; a replay without --start-time
counts from 00:00:00, so that they are the recording's own.";

/// Print a cart's events and basket as they come
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Arguments {
    /// The broker: mqtt://host:port or mqtts://user@host:port; the password is read from
    /// CARTVISION_BROKER_PASSWORD
    // Read by us and not by clap, which repeats a wrong value: with the password that somebody put into it.
    #[arg(long, value_name = "URL")]
    broker: String,
    /// PEM file of the authority that signed the broker's certificate [default: the system's]
    #[arg(long, value_name = "FILE")]
    broker_ca: Option<PathBuf>,
    /// The cart's store
    #[arg(long, value_name = "ID", default_value = "local")]
    store: StoreId,
    /// The cart
    #[arg(long, value_name = "ID", default_value = "replay")]
    cart: CartId,
    /// End when the cart goes offline; otherwise only Ctrl-C ends it
    #[arg(long)]
    until_offline: bool,
    /// Show beside the events what really happens: the truth.jsonl of what is played in real time. Each change is
    /// shown when it has happened, counted from the session's start
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    truth: Option<PathBuf>,
    /// Print nothing but the events, one line of JSON each, as they were published
    #[arg(long)]
    json: bool,
}

/// Why nothing (more) can be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("{}: {reason}", file.display())]
    Authority { file: PathBuf, reason: String },
    #[error("TLS cannot be used: {0}")]
    Tls(String),
    #[error("broker {address}: {reason}")]
    Broker { address: Address, reason: String },
    #[error("broker {address} does not let us subscribe to {filter}: {reason}")]
    Subscription { address: Address, filter: String, reason: String },
    #[error("{}: cannot read the truth: {reason}", file.display())]
    TruthUnreadable { file: PathBuf, reason: io::Error },
    #[error(transparent)]
    Truth(#[from] TruthError),
    #[error("cannot start: {0}")]
    System(io::Error),
    #[error("nobody reads the output any more: {0}")]
    Output(io::Error),
}

impl Error {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Address(_) | Self::Authority { .. } => ExitCode::Usage,
            Self::TruthUnreadable { .. } | Self::Truth(_) => ExitCode::Usage,
            Self::Tls(_) | Self::Broker { .. } | Self::Subscription { .. } => ExitCode::Environment,
            Self::System(_) | Self::Output(_) => ExitCode::Environment,
        }
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Address(_) => "give the broker's address with --broker",
            Self::Authority { .. } => "give the PEM file of the broker's authority with --broker-ca",
            Self::Tls(_) => "name the broker's authority with --broker-ca",
            Self::Broker { .. } => {
                "check that the broker runs, its address, user and authority (--broker, --broker-ca), and the \
                 password in CARTVISION_BROKER_PASSWORD"
            }
            Self::Subscription { .. } => "ask for read access below the cart's topics for this user",
            Self::TruthUnreadable { .. } | Self::Truth(_) => {
                "give the truth.jsonl that lies beside the videos with --truth"
            }
            Self::System(_) => "free resources on this machine and run it again",
            Self::Output(_) => "keep the reading end open",
        }
    }
}
