//! The settings of the guard take effect.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::{Group, ways};
use crate::harness::Running;

pub(super) const GROUPS: &[Group] =
    &[PLACES, PLACES_OF_ONE, TIERS, FREE, WINDOW, HEADER, QUERY, CLIENTS, CLIENTS_OF_GO, NOBODY];

fn flags() -> Vec<String> {
    let flags = ["--host=127.0.0.1", "--port=0", "--protocols-api", "--protocols-sse"];
    let nowhere = ["--ct-log-log-list-url=http://127.0.0.1:9/none"];
    flags.into_iter().chain(nowhere).map(str::to_owned).collect()
}

/// Status and headers of an answer to a request with this header.
async fn asked(server: &Running, path: &str, header: (&str, &str)) -> (StatusCode, HeaderMap) {
    let url = format!("http://{}{path}", server.address);
    let answer = reqwest::Client::new().get(url).header(header.0, header.1).send().await;
    let answer = answer.expect("an answer");
    (answer.status(), answer.headers().clone())
}

fn said<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).unwrap_or_else(|| panic!("{name}: {headers:?}")).to_str().expect("text")
}

const NOTHING: (&str, &str) = ("x-nothing", "to say");

const PLACES: Group =
    &[("connection_limit.enabled", "true"), ("connection_limit.max_connections", "2")];
const PLACES_OF_ONE: Group =
    &[("connection_limit.enabled", "true"), ("connection_limit.per_ip_limit", "2")];

#[tokio::test(flavor = "multi_thread")]
async fn connection_limits_take_effect() {
    for (way, config) in ways(PLACES, &flags()).into_iter().chain(ways(PLACES_OF_ONE, &flags())) {
        let server = Running::start(config).await;
        let streams = [server.connect("/").await, server.connect("/").await];
        let (status, _) = asked(&server, "/sse", NOTHING).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{way}");
        drop(streams);
        server.stop().await;
    }
}

const TIERS: Group = &[
    ("auth.enabled", "true"),
    ("auth.tokens", "[\"tin\"]"),
    ("auth.standard_tokens", "[\"silver\"]"),
    ("auth.premium_tokens", "[\"gold\"]"),
    ("rate_limit.enabled", "true"),
    ("rate_limit.free_max_tokens", "1"),
    ("rate_limit.free_refill_rate", "0.001"),
    ("rate_limit.free_burst", "1"),
    ("rate_limit.burst_window_seconds", "3600"),
    ("rate_limit.standard_max_tokens", "2"),
    ("rate_limit.standard_refill_rate", "0.002"),
    ("rate_limit.standard_burst", "2"),
    ("rate_limit.premium_max_tokens", "3"),
    ("rate_limit.premium_refill_rate", "0.003"),
    ("rate_limit.premium_burst", "3"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_token_has_its_tier_and_each_tier_its_rates() {
    for (way, config) in ways(TIERS, &flags()) {
        let server = Running::start(config).await;
        for (token, tier, tokens) in
            [("tin", "free", 1), ("silver", "standard", 2), ("gold", "premium", 3)]
        {
            let bearer = format!("Bearer {token}");
            let header = ("authorization", bearer.as_str());
            // As many as the bucket holds, as many again by the burst, and no more.
            for number in 1..=2 * tokens {
                let (status, headers) = asked(&server, "/api/logs", header).await;
                assert_eq!(status, StatusCode::OK, "{tier} {number} {way}");
                assert_eq!(said(&headers, "x-ratelimit-tier"), tier, "{way}");
                assert_eq!(said(&headers, "x-ratelimit-limit"), (2 * tokens).to_string(), "{way}");
            }
            let (status, headers) = asked(&server, "/api/logs", header).await;
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{tier} {way}");
            // At a thousandth of a token a second for each that the bucket holds.
            let wait: u64 = said(&headers, "retry-after").parse().expect("seconds");
            assert!((800 / tokens..=1000 / tokens + 1).contains(&wait), "{tier} {wait} {way}");
        }
        let (status, _) = asked(&server, "/api/logs", NOTHING).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{way}");
        server.stop().await;
    }
}

const FREE: Group = &[
    ("rate_limit.enabled", "true"),
    ("rate_limit.max_tokens", "2"),
    ("rate_limit.refill_rate", "0.001"),
    ("rate_limit.burst", "1"),
];

#[tokio::test(flavor = "multi_thread")]
async fn rate_keys_without_a_tier_are_aliases_of_the_free_tier() {
    let flags = [flags(), vec!["--rate-limit-burst-window-seconds=3600".to_owned()]].concat();
    for (way, config) in ways(FREE, &flags) {
        let server = Running::start(config).await;
        for _ in 0..3 {
            let (status, headers) = asked(&server, "/api/logs", NOTHING).await;
            assert_eq!(
                (status, said(&headers, "x-ratelimit-limit")),
                (StatusCode::OK, "3"),
                "{way}"
            );
        }
        let (status, headers) = asked(&server, "/api/logs", NOTHING).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{way}");
        let wait: u64 = said(&headers, "retry-after").parse().expect("seconds");
        assert!((900..=1001).contains(&wait), "{wait} {way}");
        server.stop().await;
    }
}

const WINDOW: Group = &[
    ("rate_limit.enabled", "true"),
    ("rate_limit.window_seconds", "3000"),
    ("rate_limit.window_max_requests", "2"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_request_window_takes_effect() {
    for (way, config) in ways(WINDOW, &flags()) {
        let server = Running::start(config).await;
        for _ in 0..2 {
            assert_eq!(asked(&server, "/api/logs", NOTHING).await.0, StatusCode::OK, "{way}");
        }
        let (status, headers) = asked(&server, "/api/logs", NOTHING).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{way}");
        let wait: u64 = said(&headers, "retry-after").parse().expect("seconds");
        assert!((61..=6001).contains(&wait), "longer than the usual minute: {wait} {way}");
        server.stop().await;
    }
}

const HEADER: Group = &[("auth.tokens", "[\"tin\"]"), ("auth.header_name", "X-Key")];
const QUERY: Group = &[("auth.tokens", "[\"tin\"]"), ("auth.query_token", "true")];

#[tokio::test(flavor = "multi_thread")]
async fn token_header_and_query_settings_take_effect() {
    let flags = [flags(), vec!["--auth-enabled".to_owned()]].concat();
    for (group, by_header, by_query) in [(HEADER, true, false), (QUERY, false, true)] {
        for (way, config) in ways(group, &flags) {
            let server = Running::start(config).await;
            let is_accepted = async |path, header| {
                let (status, _) = asked(&server, path, header).await;
                status == StatusCode::OK
            };
            assert_eq!(is_accepted("/api/logs", ("x-key", "tin")).await, by_header, "{way}");
            assert_eq!(is_accepted("/api/logs?token=tin", NOTHING).await, by_query, "{way}");
            assert!(!is_accepted("/api/logs", NOTHING).await, "{way}");
            server.stop().await;
        }
    }
}

const CLIENTS: Group = &[
    ("ip_allow_list", "[\"192.0.2.0/24\"]"),
    ("trusted_proxies", "[\"127.0.0.1\"]"),
    ("real_ip", "true"),
];
const CLIENTS_OF_GO: Group = &[
    ("webserver.whitelist", "[\"192.0.2.0/24\"]"),
    ("webserver.trusted_proxies", "[\"127.0.0.1\"]"),
    ("webserver.real_ip", "true"),
];
const NOBODY: Group = &[("real_ip", "false")];

#[tokio::test(flavor = "multi_thread")]
async fn allow_list_and_trusted_proxies_take_effect() {
    for (way, config) in ways(CLIENTS, &flags()).into_iter().chain(ways(CLIENTS_OF_GO, &flags())) {
        let server = Running::start(config).await;
        for (from, status) in
            [("192.0.2.7", StatusCode::OK), ("198.51.100.7", StatusCode::FORBIDDEN)]
        {
            let answer = asked(&server, "/api/logs", ("x-forwarded-for", from)).await;
            assert_eq!(answer.0, status, "{from} {way}");
        }
        server.stop().await;
    }
    let proxies = ["--trusted-proxies=127.0.0.1", "--ip-allow-list=192.0.2.7"].map(str::to_owned);
    for (way, config) in ways(NOBODY, &[flags(), proxies.to_vec()].concat()) {
        let server = Running::start(config).await;
        let answer = asked(&server, "/api/logs", ("x-forwarded-for", "192.0.2.7")).await;
        assert_eq!(answer.0, StatusCode::FORBIDDEN, "{way}");
        server.stop().await;
    }
}
