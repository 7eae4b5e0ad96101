//! The address of a stream: the server's URL with stream, filters and token.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use url::Url;
use wire::StreamKind;
use wire::filter::{Filter, FilterError, Parameter};

/// The paths of the streams of certstream-server.
const PATHS: [(StreamKind, &str); 3] = [
    (StreamKind::Lite, "/"),
    (StreamKind::Full, "/full-stream"),
    (StreamKind::Domains, "/domains-only"),
];

/// Parameters that are added unless the URL has them. With them, certstream-server numbers its
/// messages whatever its configuration, and its heartbeats contain the last offset it has searched.
const EXTRAS: [(&str, &str); 2] = [("compat", "calidog"), ("heartbeat", "true")];
/// The parameters that select the start of a stream; `since` replaces them all.
const STARTS: [&str; 2] = ["since", "since_time"];
/// The parameter, besides those of [`Parameter`], that makes a server leave messages out.
const NEW: &str = "new";
/// The longest stream id that is sent back to its server, in bytes.
const MAX_STREAM_ID: usize = 64;

/// The address of a stream.
#[derive(Clone)]
pub struct Address {
    url: Url,
    token: Option<(HeaderName, HeaderValue)>,
    user_agent: HeaderValue,
    stream: StreamKind,
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

/// Returns a stream id that can be sent back; none if the text is not a valid one.
#[must_use]
pub fn stream_id(text: &str) -> Option<Box<str>> {
    let is_id = (1..=MAX_STREAM_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_id.then(|| text.into())
}

/// The stream to request.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The kind of stream.
    pub stream: StreamKind,
    /// Filters, by the name of the server's parameter; a value may be a comma-separated list.
    pub filters: Vec<(&'static str, String)>,
    /// A token, and the header that carries it.
    pub token: Option<(HeaderName, String)>,
    /// The value of `User-Agent`: the name and version of the program.
    pub user_agent: &'static str,
}

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Not a URL.
    #[error("--url {url:?}: {source}; write it as in ws://127.0.0.1:8080/")]
    Url {
        /// The given text.
        url: String,
        /// The error of the parser.
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
    /// Reads a URL. If it has no path, the path of the stream is added.
    ///
    /// # Errors
    ///
    /// If it is not a URL of a WebSocket, a filter is invalid, or the token cannot be sent.
    pub fn new(text: &str, subscription: &Subscription) -> Result<Self, AddressError> {
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
            let path = PATHS.iter().find(|(kind, _)| *kind == subscription.stream);
            url.set_path(path.map_or("/", |(_, path)| path));
        }
        if !subscription.filters.is_empty() {
            drop_pairs(&mut url, |name| subscription.filters.iter().any(|(set, _)| *set == name));
            url.query_pairs_mut().extend_pairs(&subscription.filters);
        }
        let filter = Filter::parse(url.query_pairs(), usize::MAX)?;
        let is_filter = |name: &str| Parameter::from_name(name).is_some() || name == NEW;
        let is_filtered = url.query_pairs().any(|(name, _)| is_filter(&name));
        let token = subscription.token.as_ref().map(|(header, token)| credentials(header, token));
        let user_agent = HeaderValue::from_static(subscription.user_agent);
        let (token, stream) = (token.transpose()?, subscription.stream);
        Ok(Self { url, token, user_agent, stream, filter, is_filtered })
    }

    /// Returns the kind of stream.
    #[must_use]
    pub const fn stream(&self) -> StreamKind {
        self.stream
    }

    /// Returns the filter that the server is requested to apply.
    #[must_use]
    pub const fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// Reports whether the server leaves messages out that match no filter, so that offsets have
    /// holes.
    #[must_use]
    pub const fn is_filtered(&self) -> bool {
        self.is_filtered
    }

    /// Returns the address without secrets and parameters: the identity of a server that has no
    /// stream id.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}://{}", self.url.scheme(), self.authority())
    }

    /// Returns the host with the port.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}")
    }

    /// Reports whether the connection uses TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// Returns the request that opens the stream, after an offset if there is one. `extras` adds the
    /// parameters that only certstream-server needs; a server that refuses unknown parameters is
    /// requested without them.
    ///
    /// # Errors
    ///
    /// If the URL has a form that a request cannot have.
    pub fn request(
        &self,
        since: Option<&Since>,
        extras: bool,
    ) -> Result<Request, Box<tokio_tungstenite::tungstenite::Error>> {
        let mut url = self.url.clone();
        let added = if extras { &EXTRAS[..] } else { &[] };
        for (name, value) in added {
            if url.query_pairs().all(|(present, _)| present != *name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        if let Some(since) = since {
            drop_pairs(&mut url, |name| STARTS.contains(&name));
            url.query_pairs_mut().append_pair("since", &since.to_string());
        }
        let mut request = url.as_str().into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.user_agent.clone());
        if let Some((name, value)) = &self.token {
            headers.insert(name, value.clone());
        }
        Ok(request)
    }
}

/// Removes parameters from a URL by name.
fn drop_pairs(url: &mut Url, is_dropped: impl Fn(&str) -> bool) {
    let pairs = url.query_pairs().into_owned();
    let kept: Vec<_> = pairs.filter(|(name, _)| !is_dropped(name)).collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
}

/// Returns the header with the token, which no log line shows.
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

    fn subscription(stream: StreamKind) -> Subscription {
        Subscription { stream, filters: Vec::new(), token: None, user_agent: "test/1" }
    }

    #[test]
    fn urls_get_the_path_of_the_stream_and_the_offset() {
        for (url, stream, since, expected) in [
            ("ws://a:1", StreamKind::Lite, None, "ws://a:1/"),
            ("ws://a:1/", StreamKind::Full, None, "ws://a:1/full-stream"),
            ("http://a/", StreamKind::Domains, None, "ws://a/domains-only"),
            ("https://a/own", StreamKind::Full, None, "wss://a/own"),
            ("ws://[::1]:1/#x", StreamKind::Lite, Some(7), "ws://[::1]:1/?since=7"),
            ("ws://a/?x=1", StreamKind::Lite, Some(7), "ws://a/?x=1&since=7"),
        ] {
            let address = Address::new(url, &subscription(stream)).unwrap();
            let since = since.map(|offset| Since { offset, stream: None });
            let request = address.request(since.as_ref(), false).unwrap();
            assert_eq!(request.uri().to_string(), expected);
            assert!(!address.is_filtered());
        }
    }

    fn query(url: &str, filters: &[(&'static str, &str)], since: Option<&Since>) -> String {
        let filters = filters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let wanted = Subscription { filters, ..subscription(StreamKind::Lite) };
        let request = Address::new(url, &wanted).unwrap().request(since, true).unwrap();
        request.uri().query().unwrap_or_default().to_owned()
    }

    #[test]
    fn offsets_and_heartbeats_are_requested_unless_the_url_says_otherwise() {
        assert_eq!(query("ws://a/", &[], None), "compat=calidog&heartbeat=true");
        assert_eq!(query("ws://a/?compat=go", &[], None), "compat=go&heartbeat=true");
        assert_eq!(query("ws://a/?heartbeat=false", &[], None), "heartbeat=false&compat=calidog");
    }

    #[test]
    fn options_replace_parameters_of_the_url() {
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
    fn stream_ids_are_short_and_printable() {
        assert_eq!(stream_id("a-1").as_deref(), Some("a-1"));
        for text in ["", "a b", "a\n", &"x".repeat(65)] {
            assert_eq!(stream_id(text), None, "{text:?}");
        }
    }

    #[test]
    fn filters_become_parameters() {
        let filters = vec![("domain", "a.example,b.example".into()), ("match", "pay pal".into())];
        let wanted = Subscription { filters, ..subscription(StreamKind::Lite) };
        let address = Address::new("ws://a/", &wanted).unwrap();
        assert!(address.is_filtered());
        assert!(address.filter().is_some());
        let request = address.request(None, false).unwrap();
        assert_eq!(request.uri(), "ws://a/?domain=a.example%2Cb.example&match=pay+pal");
    }

    #[test]
    fn tokens_are_sent_and_never_shown() {
        let header = HeaderName::from_static("x-key");
        for (header, token, expected) in [
            (AUTHORIZATION, "secret", "Bearer secret"),
            (AUTHORIZATION, "Basic secret", "Basic secret"),
            (header, "secret", "secret"),
        ] {
            let wanted = Subscription {
                token: Some((header.clone(), token.into())),
                ..subscription(StreamKind::Lite)
            };
            let address = Address::new("wss://user:secret@a/?token=secret", &wanted).unwrap();
            assert_eq!(address.request(None, true).unwrap().headers()[&header], expected);
            assert_eq!(address.name(), "wss://a:443");
            assert!(!format!("{address:?}").contains("secret"));
        }
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for (url, expected) in [
            ("127.0.0.1:8080", "--url \"127.0.0.1:8080\": relative URL without a base"),
            ("ftp://a/", "--url: the scheme is \"ftp\", not ws or wss"),
            ("ws://", "--url \"ws://\": empty host"),
            ("ws://a/?match=ab", "--match: \"ab\" is too short"),
        ] {
            let error = Address::new(url, &subscription(StreamKind::Lite)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
