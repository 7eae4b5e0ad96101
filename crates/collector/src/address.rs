//! The server to collect from: its URL, what is asked for in it, and who asks.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use url::Url;
use wire::StreamKind;

/// How the program presents itself.
const AGENT: &str = concat!("certstream-arrow/", env!("CARGO_PKG_VERSION"));

/// The names of our server's streams in its paths.
const PATHS: [(StreamKind, &str); 3] = [
    (StreamKind::Lite, "/"),
    (StreamKind::Full, "/full-stream"),
    (StreamKind::Domains, "/domains-only"),
];

/// Where to collect from.
#[derive(Clone)]
pub struct Address {
    url: Url,
    token: Option<(HeaderName, HeaderValue)>,
    is_filtered: bool,
}

/// What is to be asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The stream.
    pub stream: StreamKind,
    /// Filters, by the name of the server's parameter; each value may be several with commas.
    pub filters: Vec<(&'static str, String)>,
    /// A token, and the header for it.
    pub token: Option<(HeaderName, String)>,
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Not a URL.
    #[error("--url {url:?}: {source}; write it as in ws://127.0.0.1:8080/")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong.
        source: url::ParseError,
    },
    /// Not a URL of a WebSocket.
    #[error("--url: the scheme is {0:?}, not ws or wss")]
    Scheme(String),
    /// A token that no header can carry.
    #[error("the token has characters that no HTTP header can have")]
    Token,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("url", &self.name()).finish_non_exhaustive()
    }
}

impl Address {
    /// Reads a URL. Where it has no path, that of the stream is taken.
    ///
    /// # Errors
    ///
    /// When it is none, or not one of a WebSocket, or the token cannot be sent.
    pub fn new(text: &str, wanted: &Wanted) -> Result<Self, AddressError> {
        let wrong = |source| AddressError::Url { url: text.to_owned(), source };
        let mut url = Url::parse(text).map_err(wrong)?;
        let scheme = match url.scheme() {
            "http" => "ws",
            "https" => "wss",
            scheme @ ("ws" | "wss") => scheme,
            other => return Err(AddressError::Scheme(other.to_owned())),
        }
        .to_owned();
        // These four are of one kind, between which a URL can change.
        url.set_scheme(&scheme).map_err(|()| AddressError::Scheme(scheme))?;
        url.set_fragment(None);
        if url.path() == "/" {
            let path = PATHS.iter().find(|(kind, _)| *kind == wanted.stream);
            url.set_path(path.map_or("/", |(_, path)| path));
        }
        for (name, value) in &wanted.filters {
            url.query_pairs_mut().append_pair(name, value);
        }
        let is_filter = |name: &str| ["domain", "issuer", "match", "log"].contains(&name);
        let is_filtered = url.query_pairs().any(|(name, _)| is_filter(&name));
        let token = wanted.token.as_ref().map(|(header, token)| credentials(header, token));
        Ok(Self { url, token: token.transpose()?, is_filtered })
    }

    /// Whether the server leaves out what no filter passes, so that offsets have holes.
    #[must_use]
    pub const fn is_filtered(&self) -> bool {
        self.is_filtered
    }

    /// The address without what is secret or asked for: what a server is known by.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}://{}", self.url.scheme(), self.authority())
    }

    /// The host with the port.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}")
    }

    /// Whether the connection is under TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// The request that opens the stream, after an offset where one is known.
    ///
    /// # Errors
    ///
    /// When the URL has a form that no request can have.
    pub fn request(
        &self,
        since: Option<u64>,
    ) -> Result<Request, Box<tokio_tungstenite::tungstenite::Error>> {
        let mut url = self.url.clone();
        if let Some(since) = since {
            url.query_pairs_mut().append_pair("since", &since.to_string());
        }
        let mut request = url.as_str().into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some((name, value)) = &self.token {
            headers.insert(name, value.clone());
        }
        Ok(request)
    }
}

/// The header with a token, which no log line shows.
fn credentials(
    header: &HeaderName,
    token: &str,
) -> Result<(HeaderName, HeaderValue), AddressError> {
    let text = if *header == AUTHORIZATION && !token.contains(' ') {
        format!("Bearer {token}")
    } else {
        token.to_owned()
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| AddressError::Token)?;
    value.set_sensitive(true);
    Ok((header.clone(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(stream: StreamKind) -> Wanted {
        Wanted { stream, filters: Vec::new(), token: None }
    }

    #[test]
    fn paths() {
        for (url, stream, since, expected) in [
            ("ws://a:1", StreamKind::Lite, None, "ws://a:1/"),
            ("ws://a:1/", StreamKind::Full, None, "ws://a:1/full-stream"),
            ("http://a/", StreamKind::Domains, None, "ws://a/domains-only"),
            ("https://a/own", StreamKind::Full, None, "wss://a/own"),
            ("ws://[::1]:1/#x", StreamKind::Lite, Some(7), "ws://[::1]:1/?since=7"),
            ("ws://a/?compat=go", StreamKind::Lite, Some(7), "ws://a/?compat=go&since=7"),
        ] {
            let address = Address::new(url, &wanted(stream)).unwrap();
            let request = address.request(since).unwrap();
            assert_eq!(request.uri().to_string(), expected);
            assert!(!address.is_filtered());
        }
    }

    #[test]
    fn filters_are_passed_on() {
        let filters = vec![("domain", "a.example,b.example".into()), ("match", "pay pal".into())];
        let wanted = Wanted { filters, ..wanted(StreamKind::Lite) };
        let address = Address::new("ws://a/", &wanted).unwrap();
        assert!(address.is_filtered());
        let request = address.request(None).unwrap();
        assert_eq!(request.uri(), "ws://a/?domain=a.example%2Cb.example&match=pay+pal");
    }

    #[test]
    fn tokens_are_sent_and_not_shown() {
        let header = HeaderName::from_static("x-key");
        for (header, token, expected) in [
            (AUTHORIZATION, "secret", "Bearer secret"),
            (AUTHORIZATION, "Basic secret", "Basic secret"),
            (header, "secret", "secret"),
        ] {
            let wanted =
                Wanted { token: Some((header.clone(), token.into())), ..wanted(StreamKind::Lite) };
            let address = Address::new("wss://user:secret@a/?token=secret", &wanted).unwrap();
            assert_eq!(address.request(None).unwrap().headers()[&header], expected);
            assert_eq!(address.name(), "wss://a:443");
            assert!(!format!("{address:?}").contains("secret"));
        }
    }

    #[test]
    fn refusals() {
        for (url, expected) in [
            ("127.0.0.1:8080", "--url \"127.0.0.1:8080\": relative URL without a base"),
            ("ftp://a/", "--url: the scheme is \"ftp\", not ws or wss"),
            ("ws://", "--url \"ws://\": empty host"),
        ] {
            let error = Address::new(url, &wanted(StreamKind::Lite)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
