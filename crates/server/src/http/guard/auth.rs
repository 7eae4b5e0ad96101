//! Authentication: the token of a request, and its tier.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};
use ct::Hash;
use url::form_urlencoded;

/// The scheme before a token in a header (RFC 6750 section 2.1); it may be absent.
const SCHEME: &[u8] = b"bearer ";
/// The parameter of a query with a token.
const PARAMETER: &str = "token";

/// The tier of a client, which decides its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    Free,
    Standard,
    Premium,
}

impl Tier {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Standard => "standard",
            Self::Premium => "premium",
        }
    }
}

/// The token of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    /// An unknown token, or more than one.
    Wrong,
    /// The token with this hash.
    Token(Tier, Hash),
}

/// The accepted tokens, and the places in a request where one is read.
#[derive(Debug, Clone)]
pub(super) struct Auth {
    required: bool,
    header: HeaderName,
    in_query: bool,
    /// Only hashes: comparing them in constant time tells nothing of a token, not even its length.
    tokens: Vec<(Hash, Tier)>,
}

impl Auth {
    /// Compiles the settings; `None` where the header name is invalid, which the configuration's own
    /// checks refuse.
    pub(super) fn compile(config: &config::Auth) -> Option<Self> {
        let tiers = [
            (&config.tokens, Tier::Free),
            (&config.standard_tokens, Tier::Standard),
            (&config.premium_tokens, Tier::Premium),
        ];
        let tokens =
            tiers.iter().flat_map(|(tokens, tier)| tokens.hashes().map(|hash| (hash, *tier)));
        // Where authentication is off, tokens only choose a tier.
        let is_read = config.enabled || tiers.iter().skip(1).any(|(tokens, _)| !tokens.is_empty());
        Some(Self {
            required: config.enabled,
            header: HeaderName::from_bytes(config.header_name.as_bytes()).ok()?,
            in_query: config.query_token,
            tokens: if is_read { tokens.collect() } else { Vec::new() },
        })
    }

    /// Reports whether a request without a token is refused.
    pub(super) const fn is_required(&self) -> bool {
        self.required
    }

    /// Returns the header with the token.
    pub(super) const fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Reports whether tokens are read from `Authorization`, which `*` does not cover in CORS.
    pub(super) fn reads_authorization(&self) -> bool {
        self.header == AUTHORIZATION
    }

    /// Reads a request's token.
    pub(super) fn read(&self, headers: &HeaderMap, query: Option<&str>) -> Shown {
        if self.tokens.is_empty() && !self.required {
            return Shown::Nothing;
        }
        let mut lines = headers.get_all(&self.header).iter();
        let line = lines.next().map(|line| line.as_bytes().trim_ascii());
        if lines.next().is_some() {
            return Shown::Wrong;
        }
        match line.filter(|line| !line.is_empty()) {
            Some(line) => self.find(without_scheme(line)),
            None if self.in_query => self.read_query(query.unwrap_or_default()),
            None => Shown::Nothing,
        }
    }

    fn read_query(&self, query: &str) -> Shown {
        let mut values = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, value)| name == PARAMETER && !value.is_empty());
        match (values.next(), values.next()) {
            (None, _) => Shown::Nothing,
            (Some((_, token)), None) => self.find(token.as_bytes()),
            (Some(_), Some(_)) => Shown::Wrong,
        }
    }

    /// Compares with all tokens, so that the time taken does not depend on which one it is.
    fn find(&self, token: &[u8]) -> Shown {
        let shown = ct::sha256(token);
        let mut found = Shown::Wrong;
        for (hash, tier) in &self.tokens {
            if verify_slices_are_equal(hash, &shown).is_ok() {
                found = Shown::Token(*tier, shown);
            }
        }
        found
    }
}

/// Removes the scheme, whose name has no case (RFC 9110 section 11.1).
fn without_scheme(line: &[u8]) -> &[u8] {
    match line.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => token.trim_ascii_start(),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use config::Tokens;

    use super::*;

    fn tokens(texts: &[&str]) -> Tokens {
        texts.iter().copied().collect()
    }

    fn config() -> config::Auth {
        config::Auth {
            enabled: true,
            tokens: tokens(&["free"]),
            standard_tokens: tokens(&[
                "sha256:3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0",
            ]),
            premium_tokens: tokens(&["gold", "sun"]),
            ..config::Auth::default()
        }
    }

    fn read(config: &config::Auth, lines: &[&str], query: &str) -> Option<Tier> {
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = HeaderName::from_bytes(config.header_name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
        }
        match Auth::compile(config).expect("compiles").read(&headers, Some(query)) {
            Shown::Token(tier, _) => Some(tier),
            Shown::Wrong => None,
            Shown::Nothing => panic!("nothing in {lines:?} {query}"),
        }
    }

    #[test]
    fn each_token_selects_its_tier() {
        let config = config();
        let cases: [(&[&str], Option<Tier>); 17] = [
            (&["free"], Some(Tier::Free)),
            (&["Bearer free"], Some(Tier::Free)),
            (&["bearer   free "], Some(Tier::Free)),
            (&["Bearer token"], Some(Tier::Standard)),
            (&["Bearer gold"], Some(Tier::Premium)),
            (&["sun"], Some(Tier::Premium)),
            (&["Bearer"], None),
            (&["Bearerfree"], None),
            (&["Basic free"], None),
            (&["fre"], None),
            (&["freee"], None),
            (&["FREE"], None),
            (&["free,gold"], None),
            (&["caf\u{e9}"], None),
            (&["free", "free"], None),
            (&["sha256:3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0"], None),
            (&["3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0"], None),
        ];
        for (lines, expected) in cases {
            assert_eq!(read(&config, lines, ""), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_query_token_is_read_only_if_enabled_and_without_a_header() {
        let off = config();
        let on = config::Auth { query_token: true, ..config() };
        let nothing = |config: &config::Auth, query| {
            let auth = Auth::compile(config).expect("compiles");
            auth.read(&HeaderMap::new(), query) == Shown::Nothing
        };
        assert!(nothing(&off, Some("token=gold")));
        assert!(nothing(&on, Some("token=")) && nothing(&on, None));
        assert_eq!(read(&on, &[], "since=0&token=g%6Fld"), Some(Tier::Premium));
        assert_eq!(read(&on, &[], "token=copper"), None);
        assert_eq!(read(&on, &[], "token=gold&token=gold"), None);
        assert_eq!(read(&on, &["copper"], "token=gold"), None);
    }

    #[test]
    fn the_token_is_read_from_the_configured_header() {
        let config = config::Auth { header_name: "X-API-Key".to_owned(), ..config() };
        assert_eq!(read(&config, &["gold"], ""), Some(Tier::Premium));
    }

    #[test]
    fn with_auth_disabled_tokens_only_select_a_tier() {
        let shown = |config: &config::Auth, token| {
            let headers = [(AUTHORIZATION, HeaderValue::from_static(token))].into_iter().collect();
            Auth::compile(config).expect("compiles").read(&headers, None)
        };
        let off = config::Auth { enabled: false, ..config() };
        assert!(matches!(shown(&off, "gold"), Shown::Token(Tier::Premium, _)));
        assert_eq!(shown(&off, "copper"), Shown::Wrong);
        let plain = config::Auth { tokens: tokens(&["free"]), ..config::Auth::default() };
        assert_eq!(shown(&plain, "copper"), Shown::Nothing, "nothing depends on it");
    }
}
