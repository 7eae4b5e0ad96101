//! TLS: the server's certificate and key, which are reloaded when their files change.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ct::Hash;
use follow::file;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::metrics::Metrics;

/// The interval at which the files are read. They are small, so only their contents are compared.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Larger files are neither certificates nor keys.
const LARGEST_FILE: u64 = 1 << 20;

/// The reason why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting}: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file is larger than 1 MiB.
    #[error("{setting}: {} is larger than any PEM file needs to be", path.display())]
    TooLarge {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file is not PEM, or does not contain the expected part.
    #[error("{setting}: {} has no usable {what} in PEM: {source}", path.display())]
    Pem {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The missing part.
        what: &'static str,
        /// The reason why it cannot be read.
        source: pem::Error,
    },
    /// A file does not contain the expected part.
    #[error("{setting}: {} contains no {what} (expected -----BEGIN {label}-----)", path.display())]
    Nothing {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The missing part.
        what: &'static str,
        /// Its label in PEM.
        label: &'static str,
    },
    /// The key is protected by a passphrase, which a server cannot enter.
    #[error("{setting}: {0} is encrypted; decrypt it: openssl pkey -in {0} -out decrypted.pem", path.display())]
    Encrypted {
        /// The setting that names the file.
        setting: &'static str,
        /// The key's file.
        path: PathBuf,
    },
    /// The key does not belong to the certificate.
    #[error("{setting}: {} is not the key of the certificate in {}", key.display(), cert.display())]
    Mismatch {
        /// The setting that names the key's file.
        setting: &'static str,
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Certificate or key are of a kind that is not supported.
    #[error("{} and {}: cannot serve with {} and {}: {source}", settings[0], settings[1], cert.display(), key.display())]
    Unusable {
        /// The settings that name the two files.
        settings: [&'static str; 2],
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The reason.
        source: Box<rustls::Error>,
    },
}

/// The two files.
#[derive(Debug, Clone)]
struct Files {
    /// The settings that name the certificate and the key.
    settings: [&'static str; 2],
    cert: PathBuf,
    key: PathBuf,
}

/// The paths of certificate and key: a handle that changes them.
#[derive(Debug, Clone)]
pub struct TlsFiles(watch::Sender<Files>);

impl TlsFiles {
    /// Sets the files. They are read soon, even if the paths are the same as before.
    pub fn set(&self, cert: &Path, key: &Path) {
        self.0.send_modify(|files| {
            *files = Files { cert: cert.to_owned(), key: key.to_owned(), ..*files };
        });
    }
}

/// The digests of the files at the last read, or the reason why they could not be read.
type Look = Result<[Hash; 2], String>;

/// TLS with a certificate that can be replaced while the server runs. Clones share it.
#[derive(Clone)]
pub struct Tls {
    files: watch::Receiver<Files>,
    place: TlsFiles,
    look: Look,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &*self.files.borrow()).finish_non_exhaustive()
    }
}

/// The certificate in use.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads the certificate chain and its key.
    ///
    /// # Errors
    /// If a file cannot be read or is no PEM, or the key is not that of the certificate.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::load_for(["tls_cert", "tls_key"], cert, key)
    }

    /// Does the same for files that other settings name, which are what errors name.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_for(
        settings: [&'static str; 2],
        cert: &Path,
        key: &Path,
    ) -> Result<Self, TlsError> {
        let files = Files { settings, cert: cert.to_owned(), key: key.to_owned() };
        let provider = Arc::new(default_provider());
        let contents = files.read()?;
        let look = Ok(contents.digests());
        let certified = files.parse(&contents, &provider)?;
        let current = Arc::new(Current(ArcSwap::from_pointee(certified)));
        let unusable = |source| files.unusable(source);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let place = watch::Sender::new(files);
        let files = place.subscribe();
        let acceptor = Arc::new(config).into();
        Ok(Self { files, place: TlsFiles(place), look, current, acceptor })
    }

    /// Returns a handle that changes the paths of the files.
    #[must_use]
    pub fn files(&self) -> TlsFiles {
        self.place.clone()
    }

    /// Returns the acceptor, which turns a TCP connection into a TLS connection.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Reads the files for ever. An unusable certificate is reported once, and the previous one
    /// stays.
    pub async fn follow_files(mut self, metrics: &Metrics) {
        loop {
            // Its sender is here too, so there is no error.
            drop(tokio::time::timeout(LOOK_EVERY, self.files.changed()).await);
            let files = self.files.borrow_and_update().clone();
            let cert = files.cert.display().to_string();
            let before = self.look.clone();
            let looked = tokio::task::spawn_blocking(move || files.look_again(&before)).await;
            let Ok((look, news)) = looked else {
                tracing::error!("cannot check the TLS certificate files");
                continue;
            };
            self.look = look;
            match news {
                None => {}
                Some(Ok(certified)) => {
                    self.current.0.store(Arc::new(certified));
                    metrics.tls_reloads.inc();
                    tracing::info!(cert, "TLS certificate reloaded");
                }
                Some(Err(error)) => {
                    metrics.tls_reload_errors.inc();
                    tracing::error!(
                        %error,
                        "the new TLS certificate cannot be used; the previous one stays in use"
                    );
                }
            }
        }
    }
}

/// The contents of the files.
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Contents {
    fn digests(&self) -> [Hash; 2] {
        [&self.cert, &self.key].map(|bytes| ct::sha256(bytes))
    }
}

impl Files {
    fn read(&self) -> Result<Contents, TlsError> {
        let [cert, key] = self.settings;
        Ok(Contents { cert: read(cert, &self.cert)?, key: read(key, &self.key)? })
    }

    /// Reads the files, and parses them unless they are unchanged.
    fn look_again(&self, before: &Look) -> (Look, Option<Result<CertifiedKey, TlsError>>) {
        match self.read() {
            Ok(contents) => {
                let look = Ok(contents.digests());
                let is_new = look != *before;
                let parse = || self.parse(&contents, &default_provider());
                (look, is_new.then(parse))
            }
            Err(error) => {
                let look = Err(error.to_string());
                let is_new = look != *before;
                (look, is_new.then_some(Err(error)))
            }
        }
    }

    fn parse(
        &self,
        contents: &Contents,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, TlsError> {
        let no_certificate = |source| TlsError::Pem {
            setting: self.settings[0],
            path: self.cert.clone(),
            what: "certificate",
            source,
        };
        let chain = CertificateDer::pem_slice_iter(&contents.cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(no_certificate)?;
        if chain.is_empty() {
            let (setting, path) = (self.settings[0], self.cert.clone());
            let (what, label) = ("certificate", "CERTIFICATE");
            return Err(TlsError::Nothing { setting, path, what, label });
        }
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|error| self.no_key(&contents.key, error))?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let setting = self.settings[1];
                TlsError::Mismatch { setting, cert: self.cert.clone(), key: self.key.clone() }
            }
            source => self.unusable(source),
        })
    }

    fn no_key(&self, contents: &[u8], source: pem::Error) -> TlsError {
        let path = self.key.clone();
        let (setting, what) = (self.settings[1], "private key");
        match source {
            _ if is_encrypted(contents) => TlsError::Encrypted { setting, path },
            pem::Error::NoItemsFound => {
                TlsError::Nothing { setting, path, what, label: "PRIVATE KEY" }
            }
            source => TlsError::Pem { setting, path, what, source },
        }
    }

    fn unusable(&self, source: rustls::Error) -> TlsError {
        let (cert, key) = (self.cert.clone(), self.key.clone());
        TlsError::Unusable { settings: self.settings, cert, key, source: Box::new(source) }
    }
}

/// Reports whether a key is encrypted, in the form of PKCS #8 (RFC 5958) or of OpenSSL before 1.0
/// (RFC 1421).
fn is_encrypted(pem: &[u8]) -> bool {
    let has = |mark: &[u8]| pem.windows(mark.len()).any(|bytes| bytes == mark);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { setting, path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = file::open(path).map_err(unreadable)?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(TlsError::TooLarge { setting, path: path.to_owned() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate and its key in PEM.
    fn made() -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    #[test]
    fn an_unusable_certificate_or_key_is_refused_with_file_and_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let (cert, key) = made();
        let other = made().1;
        let both = format!("{key}{cert}");
        let huge = " ".repeat((1 << 20) + 1);
        let damaged = cert.replacen("-----\nMII", "-----\nAAA", 1);
        type Case<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);
        let pkcs8 = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                   DEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let encrypted = Some("key.pem is encrypted; decrypt it: openssl pkey -in ");
        let cases: [Case<'_>; 13] = [
            ("good", Some(&cert), Some(&key), None),
            ("both in one file", Some(&both), Some(&both), None),
            ("missing", None, Some(&key), Some("tls_cert: cannot read ")),
            ("no key file", Some(&cert), None, Some("tls_key: cannot read ")),
            (
                "empty",
                Some(""),
                Some(&key),
                Some("cert.pem contains no certificate (expected -----"),
            ),
            ("no key", Some(&cert), Some(&cert), Some("key.pem contains no private key (expected")),
            ("swapped", Some(&key), Some(&cert), Some("cert.pem contains no certificate")),
            ("encrypted", Some(&cert), Some(&pkcs8), encrypted),
            ("encrypted as of old", Some(&cert), Some(old), encrypted),
            ("another's key", Some(&cert), Some(&other), Some("key.pem is not the key of the")),
            ("text", Some("certificate"), Some(&key), Some("contains no certificate")),
            ("damaged", Some(&damaged), Some(&key), Some("cannot serve with ")),
            ("huge", Some(&huge), Some(&key), Some("cert.pem is larger than")),
        ];
        for (name, cert, key, expected) in cases {
            let place = |file: &str, text: Option<&str>| {
                let path = folder.path().join(name).join(file);
                fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
                if let Some(text) = text {
                    fs::write(&path, text).expect("writable");
                }
                path
            };
            let loaded = Tls::load(&place("cert.pem", cert), &place("key.pem", key));
            match (loaded, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(expected)) => {
                    assert!(error.to_string().contains(expected), "{name}: {error}");
                }
                (loaded, _) => panic!("{name}: {loaded:?}"),
            }
        }
    }

    #[test]
    fn errors_name_the_settings_that_name_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("writable");
            path
        };
        let (cert, key) = made();
        let (good, other) = (write("cert.pem", &cert), write("other.pem", &made().1));
        let damaged = write("damaged.pem", &cert.replacen("-----\nMII", "-----\nAAA", 1));
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let (encrypted, key) = (write("encrypted.pem", &encrypted), write("key.pem", &key));
        let missing = folder.path().join("missing.pem");
        for (cert, key, expected) in [
            (&missing, &key, "a.cert: cannot read "),
            (&good, &missing, "a.key: cannot read "),
            (&key, &key, "a.cert: "),
            (&good, &good, "a.key: "),
            (&good, &other, "a.key: "),
            (&good, &encrypted, "a.key: "),
            (&damaged, &key, "a.cert and a.key: cannot serve with "),
        ] {
            let error = Tls::load_for(["a.cert", "a.key"], cert, key).expect_err(expected);
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_changed_file_is_reported_once_whether_written_renamed_or_linked() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(at(name), text).expect("writable");
        let (first, second, third) = (made(), made(), made());
        write("cert.pem", &first.0);
        write("key.pem", &first.1);
        let settings = ["tls_cert", "tls_key"];
        let files = Files { settings, cert: at("cert.pem"), key: at("key.pem") };
        let mut look: Look = Ok(files.read().expect("readable").digests());
        let mut news = || {
            let (now, news) = files.look_again(&look);
            look = now;
            news.map(|news| news.map_err(|error| error.to_string()))
        };
        assert!(news().is_none());

        write("cert.pem", &second.0);
        let half = news().expect("a change").expect_err("the key is still the old one");
        assert!(half.contains("is not the key of"), "{half}");
        assert!(news().is_none(), "said once");
        write("new.pem", &second.1);
        fs::rename(at("new.pem"), at("key.pem")).expect("renamed");
        assert!(matches!(news(), Some(Ok(_))), "by rename");
        assert!(news().is_none());

        fs::remove_file(at("key.pem")).expect("removed");
        assert!(matches!(news(), Some(Err(_))));
        assert!(news().is_none());
        write("third.key", &third.1);
        write("cert.pem", &third.0);
        std::os::unix::fs::symlink(at("third.key"), at("key.pem")).expect("linked");
        assert!(matches!(news(), Some(Ok(_))), "by symlink");
        assert!(news().is_none());
    }
}
