//! The server to collect from: its URL, what is asked for in it, and who asks.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use url::Url;
use wire::StreamKind;
use wire::filter::{Filter, FilterError, Parameter};

/// How the program presents itself.
const AGENT: &str = concat!("certstream-arrow/", env!("CARGO_PKG_VERSION"));

/// The names of our server's streams in its paths.
const PATHS: [(StreamKind, &str); 3] = [
    (StreamKind::Lite, "/"),
    (StreamKind::Full, "/full-stream"),
    (StreamKind::Domains, "/domains-only"),
];

/// What is asked for unless the URL has it. Our server then numbers its messages whatever its
/// configuration says, and sends heartbeats that say up to where it has searched.
const EXTRAS: [(&str, &str); 2] = [("compat", "calidog"), ("heartbeat", "true")];
/// The parameters that say where a stream begins; ours replaces them all.
const STARTS: [&str; 2] = ["since", "since_time"];
/// The parameter, besides those of [`Parameter`], with which a server leaves messages out.
const NEW: &str = "new";
/// The longest id of a stream that is sent back to its server, in bytes.
const MAX_STREAM_ID: usize = 64;

/// Where to collect from.
#[derive(Clone)]
pub struct Address {
    url: Url,
    token: Option<(HeaderName, HeaderValue)>,
    filter: Option<Filter>,
    is_filtered: bool,
}

/// The message after which a stream is resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The server's number for the message.
    pub offset: u64,
    /// The id of the stream that numbered it, where the server has one.
    pub stream: Option<Box<str>>,
}

impl std::fmt::Display for Since {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.stream {
            Some(stream) => write!(f, "{}@{stream}", self.offset),
            None => write!(f, "{}", self.offset),
        }
    }
}

/// The id of a stream as it can be sent back; none if it is no such id.
#[must_use]
pub fn stream_id(text: &str) -> Option<Box<str>> {
    let is_id = (1..=MAX_STREAM_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_id.then(|| text.into())
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
    /// A filter that no server accepts.
    #[error("--{0}")]
    Filter(#[from] FilterError),
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
        if !wanted.filters.is_empty() {
            drop_pairs(&mut url, |name| wanted.filters.iter().any(|(set, _)| *set == name));
            url.query_pairs_mut().extend_pairs(&wanted.filters);
        }
        let filter = Filter::parse(url.query_pairs(), usize::MAX)?;
        let is_filter = |name: &str| Parameter::from_name(name).is_some() || name == NEW;
        let is_filtered = url.query_pairs().any(|(name, _)| is_filter(&name));
        let token = wanted.token.as_ref().map(|(header, token)| credentials(header, token));
        Ok(Self { url, token: token.transpose()?, filter, is_filtered })
    }

    /// The filter that the server is asked to apply.
    #[must_use]
    pub const fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
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

    /// The request that opens the stream, after an offset where one is known. A server that refuses
    /// parameters it does not know is asked without the `extras` that only ours needs.
    ///
    /// # Errors
    ///
    /// When the URL has a form that no request can have.
    pub fn request(
        &self,
        since: Option<&Since>,
        extras: bool,
    ) -> Result<Request, Box<tokio_tungstenite::tungstenite::Error>> {
        let mut url = self.url.clone();
        for (name, value) in EXTRAS.into_iter().filter(|_| extras) {
            if url.query_pairs().all(|(there, _)| there != name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        if let Some(since) = since {
            drop_pairs(&mut url, |name| STARTS.contains(&name));
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

/// Takes the parameters with such names out of a URL.
fn drop_pairs(url: &mut Url, is_dropped: impl Fn(&str) -> bool) {
    let pairs = url.query_pairs().into_owned();
    let kept: Vec<_> = pairs.filter(|(name, _)| !is_dropped(name)).collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
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
            ("ws://a/?x=1", StreamKind::Lite, Some(7), "ws://a/?x=1&since=7"),
        ] {
            let address = Address::new(url, &wanted(stream)).unwrap();
            let since = since.map(|offset| Since { offset, stream: None });
            let request = address.request(since.as_ref(), false).unwrap();
            assert_eq!(request.uri().to_string(), expected);
            assert!(!address.is_filtered());
        }
    }

    fn query(url: &str, filters: &[(&'static str, &str)], since: Option<&Since>) -> String {
        let filters = filters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let wanted = Wanted { filters, ..wanted(StreamKind::Lite) };
        let request = Address::new(url, &wanted).unwrap().request(since, true).unwrap();
        request.uri().query().unwrap_or_default().to_owned()
    }

    #[test]
    fn our_server_is_asked_for_offsets_unless_the_url_says_otherwise() {
        assert_eq!(query("ws://a/", &[], None), "compat=calidog&heartbeat=true");
        assert_eq!(query("ws://a/?compat=go", &[], None), "compat=go&heartbeat=true");
        assert_eq!(query("ws://a/?heartbeat=false", &[], None), "heartbeat=false&compat=calidog");
    }

    #[test]
    fn what_is_set_here_replaces_what_the_url_has() {
        let since = Since { offset: 7, stream: stream_id("s1") };
        assert_eq!(
            query("ws://a/?since=5&x=1&since_time=9", &[], Some(&since)),
            "x=1&compat=calidog&heartbeat=true&since=7%40s1"
        );
        assert_eq!(query("ws://a/?since=5", &[], None), "since=5&compat=calidog&heartbeat=true");
        assert_eq!(
            query("ws://a/?domain=a.example&log=x", &[("domain", "b.example")], None),
            "log=x&domain=b.example&compat=calidog&heartbeat=true"
        );
    }

    #[test]
    fn ids_of_streams_are_bounded() {
        assert_eq!(stream_id("a-1").as_deref(), Some("a-1"));
        for text in ["", "a b", "a\n", &"x".repeat(65)] {
            assert_eq!(stream_id(text), None, "{text:?}");
        }
    }

    #[test]
    fn filters_are_passed_on() {
        let filters = vec![("domain", "a.example,b.example".into()), ("match", "pay pal".into())];
        let wanted = Wanted { filters, ..wanted(StreamKind::Lite) };
        let address = Address::new("ws://a/", &wanted).unwrap();
        assert!(address.is_filtered());
        assert!(address.filter().is_some());
        let request = address.request(None, false).unwrap();
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
            assert_eq!(address.request(None, true).unwrap().headers()[&header], expected);
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
            ("ws://a/?match=ab", "--match: \"ab\" is too short"),
        ] {
            let error = Address::new(url, &wanted(StreamKind::Lite)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
