//! Where the broker is and who we are to it.

use std::fmt;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::BrokerError;

/// The environment variable that holds the password.
const PASSWORD: &str = "CARTVISION_BROKER_PASSWORD";

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) tls: bool,
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// From `mqtt://` or `mqtts://`, an optional user, host and an optional port.
    pub(crate) fn parse(text: &str) -> Result<Self, BrokerError> {
        // What stands before an @ may hold a password by mistake; it must not come back in an error or a log.
        let shown = || match text.rsplit_once('@') {
            Some((_, rest)) => format!("…@{rest}"),
            None => text.to_owned(),
        };
        let error = |reason| BrokerError::Address { address: shown(), reason };
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

/// What the broker is shown, and what it has to show.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    pub(crate) password: Option<String>,
    /// The authority that signed the broker's certificate; `None`: the system's authorities.
    pub(crate) ca: Option<Vec<CertificateDer<'static>>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("ca", &self.ca.is_some())
            .finish()
    }
}

impl Credentials {
    /// Reads them: the password from the file, else from the environment.
    pub(crate) fn read(ca: Option<&Path>, password_file: Option<&Path>) -> Result<Self, BrokerError> {
        let failed =
            |file: &Path, reason: String| BrokerError::File { file: file.display().to_string(), reason };
        let error = |file: &Path, e: std::io::Error| failed(file, e.to_string());
        let password = match password_file {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|e| error(file, e))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => std::env::var(PASSWORD).ok().filter(|p| !p.is_empty()),
        };
        let certificates = |file: &Path| {
            let pem = std::fs::read(file).map_err(|e| error(file, e))?;
            let read: Vec<_> = CertificateDer::pem_slice_iter(&pem)
                .collect::<Result<_, _>>()
                .map_err(|e| failed(file, format!("is no PEM: {e}")))?;
            match read.is_empty() {
                true => Err(failed(file, "holds no certificate in PEM".to_owned())),
                false => Ok(read),
            }
        };
        Ok(Self { password, ca: ca.map(certificates).transpose()? })
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
        let credentials = Credentials { password: Some("hunter2".into()), ca: None };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
