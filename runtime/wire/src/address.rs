//! Where the broker is, as command lines and configurations name it.

use std::fmt;

/// The environment variable that holds the broker's password where no file does.
pub const PASSWORD_VARIABLE: &str = "CARTVISION_BROKER_PASSWORD";

/// A broker's address. Shown without its user, as messages and logs need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Over TLS (`mqtts`).
    pub tls: bool,
    /// Who connects; the password is never part of an address.
    pub user: Option<String>,
    /// Name or IP address, IPv6 without brackets.
    pub host: String,
    /// TCP port; 8883 with TLS and 1883 without where none is given.
    pub port: u16,
}

/// A broker's address that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broker {shown:?}: {reason}; write mqtts://user@host:8883, or mqtt://host:1883 without TLS")]
pub struct AddressError {
    /// The address, without what stands before an `@`: that may hold a password by mistake.
    shown: String,
    reason: &'static str,
}

impl Address {
    /// From `mqtt://` or `mqtts://`, an optional user, host and an optional port.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let shown = || match text.rsplit_once('@') {
            Some((_, rest)) => format!("…@{rest}"),
            None => text.to_owned(),
        };
        let error = |reason| AddressError { shown: shown(), reason };
        let (tls, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            _ => return Err(error("it must start with mqtt:// or mqtts://")),
        };
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        if user.is_some_and(|u| u.contains(':')) {
            return Err(error(
                "a password does not belong into an address; put it into CARTVISION_BROKER_PASSWORD or a file",
            ));
        }
        if user == Some("") {
            return Err(error("the user before @ is empty"));
        }
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, after) =
                    rest.split_once(']').ok_or_else(|| error("the ] after the IPv6 address is missing"))?;
                (host, after.strip_prefix(':'))
            }
            None => match place.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        if host.is_empty() || host.contains(['/', '?', '#', ' ']) {
            return Err(error("the host is missing or malformed"));
        }
        let port = match port {
            Some(port) => port
                .parse()
                .ok()
                .filter(|p| *p > 0)
                .ok_or_else(|| error("the port is no number from 1 to 65535"))?,
            None if tls => 8883,
            None => 1883,
        };
        Ok(Self { tls, user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let cases = [
            ("mqtt://localhost", Some((false, None, "localhost", 1883))),
            ("mqtts://cart@broker.example:9000", Some((true, Some("cart"), "broker.example", 9000))),
            ("mqtts://broker.example/", Some((true, None, "broker.example", 8883))),
            ("mqtt://[::1]:1884", Some((false, None, "::1", 1884))),
            ("localhost:1883", None),
            ("http://localhost", None),
            ("mqtt://", None),
            ("mqtt://:1883", None),
            ("mqtt://host:0", None),
            ("mqtt://host:99999", None),
            ("mqtt://@host", None),
            ("mqtt://user:secret@host", None),
            ("mqtt://[::1", None),
            ("mqtt://host/path", None),
        ];
        for (text, expected) in cases {
            let found = Address::parse(text).ok();
            let expected = expected.map(|(tls, user, host, port)| Address {
                tls,
                user: user.map(str::to_owned),
                host: host.to_owned(),
                port,
            });
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn secrets_stay_secret() {
        let error = Address::parse("mqtt://user:hunter2@host").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(Address::parse("mqtt://cart@[::1]").unwrap().to_string(), "mqtt://[::1]:1883");
    }
}
