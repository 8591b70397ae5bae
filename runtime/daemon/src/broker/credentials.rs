//! Who we are to the broker.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cartvision_wire::address::PASSWORD_VARIABLE;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::BrokerError;

/// Where systemd puts what a unit's `LoadCredential` names.
const DIRECTORY_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// Files that the broker's side of a configuration names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) password: Option<PathBuf>,
}

/// What the broker is shown, and what it has to show.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    pub(crate) password: Option<String>,
    /// The authority that signed the broker's certificate; `None`: the system's authorities.
    pub(crate) ca: Option<Vec<CertificateDer<'static>>>,
    /// Our own certificate, with those that it rests on, and its key.
    pub(crate) own: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("ca", &self.ca.is_some())
            .field("own", &self.own.is_some())
            .finish()
    }
}

impl Files {
    /// What the configuration leaves open, systemd's credentials of these names give.
    fn or_credentials(self) -> Self {
        let directory = std::env::var_os(DIRECTORY_VARIABLE).map(PathBuf::from);
        // The unit gives an empty line where there is no such file.
        let holds = |file: &PathBuf| std::fs::read(file).is_ok_and(|text| !text.trim_ascii().is_empty());
        let given = |name: &str| directory.as_ref().map(|at| at.join(name)).filter(holds);
        Self {
            ca: self.ca.or_else(|| given("broker-ca.pem")),
            certificate: self.certificate.or_else(|| given("broker-certificate.pem")),
            key: self.key.or_else(|| given("broker-key.pem")),
            password: self.password.or_else(|| given("broker-password")),
        }
    }
}

impl Credentials {
    /// Reads them: from the files, else from systemd's credentials; the password else from the environment.
    pub(crate) fn read(files: Files) -> Result<Self, BrokerError> {
        let files = files.or_credentials();
        let password = match &files.password {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|e| unusable(file, e))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => std::env::var(PASSWORD_VARIABLE).ok().filter(|p| !p.is_empty()),
        };
        let own = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => {
                let read = PrivateKeyDer::from_pem_file(key);
                let read = read.map_err(|e| unusable(key, format!("holds no private key in PEM: {e}")))?;
                Some((certificates(certificate)?, Arc::new(read)))
            }
            (None, None) => None,
            (Some(file), None) => return Err(unusable(file, "is a certificate without a key; name both")),
            (None, Some(file)) => return Err(unusable(file, "is a key without a certificate; name both")),
        };
        Ok(Self { password, ca: files.ca.as_deref().map(certificates).transpose()?, own })
    }
}

fn unusable(file: &Path, reason: impl fmt::Display) -> BrokerError {
    BrokerError::File { file: file.display().to_string(), reason: reason.to_string() }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let pem = std::fs::read(file).map_err(|e| unusable(file, e))?;
    let read: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| unusable(file, format!("is no PEM: {e}")))?;
    match read.is_empty() {
        true => Err(unusable(file, "holds no certificate in PEM")),
        false => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_secret() {
        let key = PrivateKeyDer::try_from(b"\x30hunter2".to_vec()).ok().map(Arc::new);
        let own = key.map(|key| (vec![], key));
        let credentials = Credentials { password: Some("hunter2".into()), ca: None, own };
        let said = format!("{credentials:?}");
        assert!(!said.contains("hunter2") && !said.contains("104, 117"), "{said}");
    }

    #[test]
    fn half_of_a_pair_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("one.pem");
        std::fs::write(&file, "").unwrap();
        let one = Some(file);
        for (files, what) in [
            (Files { certificate: one.clone(), ..Files::default() }, "without a key"),
            (Files { key: one.clone(), ..Files::default() }, "without a certificate"),
            (Files { certificate: one.clone(), key: one.clone(), ..Files::default() }, "no private key"),
            (Files { ca: one.clone(), ..Files::default() }, "holds no certificate"),
            (Files { password: Some("/absent".into()), ..Files::default() }, "/absent"),
        ] {
            let error = Credentials::read(files).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
