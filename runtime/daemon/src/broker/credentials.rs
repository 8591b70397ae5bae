//! Who we are to the broker.

use std::fmt;
use std::path::Path;

use cartvision_wire::address::PASSWORD_VARIABLE;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::BrokerError;

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
            None => std::env::var(PASSWORD_VARIABLE).ok().filter(|p| !p.is_empty()),
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
    fn secrets_stay_secret() {
        let credentials = Credentials { password: Some("hunter2".into()), ca: None };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
