//! Rows of the table: connection limits, rate limits and authentication.

use super::{Setting, row};
use crate::kind::Kind::{self, Bool, HeaderName, Integer, Number, Seconds, Tokens};

/// Sizes of buckets, in requests.
const BUCKET: Kind = Number(1, 1_000_000);
/// Rates and bursts, in requests.
const RATE: Kind = Number(0, 1_000_000);

pub(super) const ROWS: &[Setting] = &[
    row(
        "connection_limit.enabled",
        &["CERTSTREAM_CONNECTION_LIMIT_ENABLED"],
        Bool,
        "Enforce max_connections and per_ip_limit",
    ),
    row(
        "connection_limit.max_connections",
        &["CERTSTREAM_CONNECTION_LIMIT_MAX_CONNECTIONS"],
        Integer(1, Kind::ANY),
        "Maximum number of streams at a time",
    ),
    row(
        "connection_limit.per_ip_limit",
        &["CERTSTREAM_CONNECTION_LIMIT_PER_IP_LIMIT"],
        Integer(0, Kind::ANY),
        "Maximum number of streams per address at a time; 0 or null for no limit",
    ),
    row(
        "connection_limit.max_pending",
        &["CERTSTREAM_CONNECTION_LIMIT_MAX_PENDING"],
        Integer(16, 1_000_000),
        "Maximum number of connections that are not streams (TLS handshake, request, response); \
         further ones wait. Always enforced",
    ),
    row(
        "connection_limit.max_pending_per_ip",
        &["CERTSTREAM_CONNECTION_LIMIT_MAX_PENDING_PER_IP"],
        Integer(1, 1_000_000),
        "The same per address, except for trusted_proxies; further ones are closed. Always \
         enforced",
    ),
    row(
        "rate_limit.enabled",
        &["CERTSTREAM_RATE_LIMIT_ENABLED"],
        Bool,
        "Limit requests; over the limit the response is 429 with Retry-After",
    ),
    row(
        "rate_limit.free_max_tokens",
        &["CERTSTREAM_RATE_LIMIT_FREE_MAX_TOKENS", "CERTSTREAM_RATE_LIMIT_MAX_TOKENS"],
        BUCKET,
        "Free: requests in a full bucket",
    ),
    row(
        "rate_limit.free_refill_rate",
        &["CERTSTREAM_RATE_LIMIT_FREE_REFILL_RATE", "CERTSTREAM_RATE_LIMIT_REFILL_RATE"],
        RATE,
        "Free: requests added to the bucket each second, more than 0",
    ),
    row(
        "rate_limit.free_burst",
        &["CERTSTREAM_RATE_LIMIT_FREE_BURST", "CERTSTREAM_RATE_LIMIT_BURST"],
        RATE,
        "Free: further requests allowed in each burst window while the bucket is empty",
    ),
    row(
        "rate_limit.standard_max_tokens",
        &["CERTSTREAM_RATE_LIMIT_STANDARD_MAX_TOKENS"],
        BUCKET,
        "Standard: requests in a full bucket",
    ),
    row(
        "rate_limit.standard_refill_rate",
        &["CERTSTREAM_RATE_LIMIT_STANDARD_REFILL_RATE"],
        RATE,
        "Standard: requests added to the bucket each second, more than 0",
    ),
    row(
        "rate_limit.standard_burst",
        &["CERTSTREAM_RATE_LIMIT_STANDARD_BURST"],
        RATE,
        "Standard: further requests allowed in each burst window while the bucket is empty",
    ),
    row(
        "rate_limit.premium_max_tokens",
        &["CERTSTREAM_RATE_LIMIT_PREMIUM_MAX_TOKENS"],
        BUCKET,
        "Premium: requests in a full bucket",
    ),
    row(
        "rate_limit.premium_refill_rate",
        &["CERTSTREAM_RATE_LIMIT_PREMIUM_REFILL_RATE"],
        RATE,
        "Premium: requests added to the bucket each second, more than 0",
    ),
    row(
        "rate_limit.premium_burst",
        &["CERTSTREAM_RATE_LIMIT_PREMIUM_BURST"],
        RATE,
        "Premium: further requests allowed in each burst window while the bucket is empty",
    ),
    row(
        "rate_limit.window_seconds",
        &["CERTSTREAM_RATE_LIMIT_WINDOW_SECONDS"],
        Seconds(1, 86_400),
        "Length of the sliding window",
    ),
    row(
        "rate_limit.window_max_requests",
        &["CERTSTREAM_RATE_LIMIT_WINDOW_MAX_REQUESTS"],
        Integer(1, 1_000_000),
        "Maximum number of requests of a Free client in any such window; Standard and Premium get \
         more, in proportion to their buckets",
    ),
    row(
        "rate_limit.burst_window_seconds",
        &["CERTSTREAM_RATE_LIMIT_BURST_WINDOW_SECONDS"],
        Seconds(1, 86_400),
        "Length of the burst window, which starts with the first request of a burst",
    ),
    row(
        "rate_limit.max_clients",
        &["CERTSTREAM_RATE_LIMIT_MAX_CLIENTS"],
        Integer(100, 10_000_000),
        "Maximum number of clients remembered, about 200 bytes each; beyond it the least recently \
         seen are forgotten",
    ),
    row(
        "auth.enabled",
        &["CERTSTREAM_AUTH_ENABLED"],
        Bool,
        "Require a token; without a valid one the response is 401",
    ),
    row("auth.tokens", &["CERTSTREAM_AUTH_TOKENS"], Tokens, "Tokens of the tier Free").secret(),
    row(
        "auth.standard_tokens",
        &["CERTSTREAM_AUTH_STANDARD_TOKENS"],
        Tokens,
        "Tokens of the tier Standard",
    )
    .secret(),
    row(
        "auth.premium_tokens",
        &["CERTSTREAM_AUTH_PREMIUM_TOKENS"],
        Tokens,
        "Tokens of the tier Premium",
    )
    .secret(),
    row(
        "auth.header_name",
        &["CERTSTREAM_AUTH_HEADER_NAME"],
        HeaderName,
        "The request header that carries the token, alone or after \"Bearer \"",
    ),
    row(
        "auth.query_token",
        &["CERTSTREAM_AUTH_QUERY_TOKEN"],
        Bool,
        "Also accept the token in ?token=, for browsers, which cannot set headers; note that \
         proxies log URLs",
    ),
];
