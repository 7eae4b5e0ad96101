//! Access control: exact limits, freed slots, tokens, tiers, proxies.

use std::collections::BTreeMap;

use config::Config;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Running, eventually, logs, reads_all};
use crate::program::Process;
use crate::raw::{self, header};

/// A server to which nothing happens, so configured.
pub(crate) async fn guarded(change: impl FnOnce(&mut Config)) -> Running {
    // A thousand clients and the server's ends of their connections, in one process.
    rlimit::increase_nofile_limit(8192).expect("file descriptors");
    let sim = logs(ctsim::Config { rate: 0.0, ..ctsim::Config::default() }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.protocols.api = true;
    change(&mut config);
    Running::start(config).await
}

/// A request that was answered, and its connection.
struct Answered {
    tcp: BufReader<TcpStream>,
    head: String,
}

impl Answered {
    fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).expect("a status line");
        status.parse().expect("a number")
    }

    fn number(&self, name: &str) -> u64 {
        let value = header(&self.head, name).unwrap_or_else(|| panic!("{name}: {}", self.head));
        value.parse().expect("a number")
    }

    async fn body(&mut self) -> String {
        let length = self.number("content-length");
        let mut body = vec![0; usize::try_from(length).expect("short")];
        self.tcp.read_exact(&mut body).await.expect("the body");
        String::from_utf8(body).expect("text")
    }
}

async fn ask(server: &Running, request: &[u8]) -> Answered {
    let tcp = raw::connect(server.address).await.expect("the server listens");
    let mut tcp = BufReader::new(tcp);
    tcp.write_all(request).await.expect("it takes it");
    let answer = tokio::time::timeout(PATIENCE, raw::response_head(&mut tcp)).await;
    Answered { head: answer.expect("in time").expect("an answer"), tcp }
}

async fn stream(server: &Running, headers: &str) -> Answered {
    ask(server, &raw::handshake("/", headers)).await
}

async fn get(server: &Running, path: &str, headers: &str) -> Answered {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    ask(server, request.as_bytes()).await
}

/// As many streams at once as there are headers; how many got each status.
async fn crowd(server: &Running, headers: &[String]) -> (BTreeMap<u16, usize>, Vec<Answered>) {
    let answers = join_all(headers.iter().map(|headers| stream(server, headers))).await;
    let mut counts = BTreeMap::new();
    for answer in &answers {
        *counts.entry(answer.status()).or_default() += 1;
    }
    (counts, answers)
}

async fn metric(server: &Running, name: &str) -> u64 {
    let metrics = server.get("/metrics").await.text().await.expect("text");
    let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let value = lines.find_map(|rest| rest.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} in {metrics}")).parse().expect("a number")
}

const THOUSAND: usize = 1000;

fn from(address: &str) -> String {
    format!("X-Forwarded-For: {address}\r\n")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_proxy_is_logged_once() {
    for (file, expected) in [
        ("port: 1\n", 1),
        ("trusted_proxies: [192.0.2.0/24]\n", 1),
        ("trusted_proxies: [127.0.0.1]\n", 0),
        ("real_ip: false\n", 0),
    ] {
        let server = Process::start(file, &[], &["--dry-run"]);
        let client = reqwest::Client::new();
        for from in ["198.51.100.1", "198.51.100.2"] {
            let url = format!("http://{}/latest.json", server.address);
            let answer = client.get(url).header("x-forwarded-for", from).send().await;
            answer.expect("an answer");
        }
        server.signal(rustix::process::Signal::TERM);
        server.wait_for_line("stopped");
        let lines = server.lines();
        let warnings = lines.iter().filter(|line| line.contains("is not in trusted_proxies"));
        assert_eq!(warnings.count(), expected, "{file}: {lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_concurrent_clients_get_exactly_max_connections() {
    let server = guarded(|config| {
        config.connection_limit.enabled = true;
        config.connection_limit.max_connections = 150;
        config.connection_limit.per_ip_limit = None;
    })
    .await;
    let headers = vec![String::new(); THOUSAND];
    let (counts, mut answers) = crowd(&server, &headers).await;
    assert_eq!(counts, [(101, 150), (429, 850)].into());
    let refused = answers.iter_mut().find(|answer| answer.status() == 429).expect("some");
    assert!(refused.number("retry-after") >= 1, "{}", refused.head);
    assert_eq!(header(&refused.head, "access-control-allow-origin"), Some("*"));
    assert_eq!(refused.body().await, "Connection limit exceeded");
    assert_eq!(metric(&server, "certstream_connection_limit_rejected_total").await, 850);
    drop(answers);
    eventually("all slots are free again", async || {
        let (counts, _) = crowd(&server, &headers[..150]).await;
        (counts == [(101, 150)].into()).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn per_ip_limits_apply_behind_a_proxy() {
    let server = guarded(|config| {
        config.connection_limit.enabled = true;
        config.connection_limit.per_ip_limit = Some(7);
        config.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    // Ten clients; those of IPv6 have as many addresses as they like.
    let headers: Vec<String> = (0..THOUSAND)
        .map(|number| match number % 10 {
            client @ 0..5 => from(&format!("6.6.6.6, 192.0.2.{client}")),
            client => from(&format!("2001:db8:0:{client}::{number:x}")),
        })
        .collect();
    let (counts, answers) = crowd(&server, &headers).await;
    assert_eq!(counts, [(101, 70), (429, 930)].into());
    assert_eq!(metric(&server, "certstream_per_ip_limit_rejected_total").await, 930);
    drop(answers);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x_forwarded_for_is_read_only_from_trusted_proxies() {
    let server = guarded(|config| {
        config.connection_limit.enabled = true;
        config.connection_limit.per_ip_limit = Some(1);
        config.trusted_proxies = vec!["192.0.2.0/24".to_owned()];
    })
    .await;
    let first = stream(&server, &from("198.51.100.1")).await;
    let second = stream(&server, &from("198.51.100.2")).await;
    assert_eq!((first.status(), second.status()), (101, 429));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_concurrent_requests_get_exactly_the_bucket() {
    let limited = |window| {
        guarded(move |config| {
            config.rate_limit.enabled = true;
            config.rate_limit.free_refill_rate = 0.001;
            config.rate_limit.window_max_requests = window;
            config.rate_limit.burst_window_seconds = 86_400;
        })
    };
    for (window, expected, reason) in [(1000, 120, "token_bucket"), (75, 75, "sliding_window")] {
        let server = limited(window).await;
        let (counts, mut answers) = crowd(&server, &vec![String::new(); THOUSAND]).await;
        assert_eq!(counts, [(101, expected), (429, THOUSAND - expected)].into(), "{reason}");
        let name = format!("certstream_rate_limit_rejected_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(&server, &name).await, (THOUSAND - expected) as u64);
        let refused = answers.iter_mut().find(|answer| answer.status() == 429).expect("some");
        assert!(refused.number("retry-after") >= 1);
        assert_eq!(refused.number("x-ratelimit-remaining"), 0);
        assert_eq!(refused.number("x-ratelimit-limit"), expected as u64);
        let body = refused.body().await;
        assert!(body.starts_with("Rate limit exceeded. Retry after "), "{body}");
        let mut left: Vec<u64> = answers
            .iter()
            .filter(|answer| answer.status() == 101)
            .map(|answer| answer.number("x-ratelimit-remaining"))
            .collect();
        left.sort_unstable();
        assert_eq!(left, (0..expected as u64).collect::<Vec<_>>(), "each is told its own rest");
        // What is open stays open.
        assert_eq!(get(&server, "/health", "").await.status(), 200);
        assert_eq!(get(&server, "/example.json", "").await.status(), 200);
        drop(answers);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_freed_however_its_request_ends() {
    let server = guarded(|config| {
        config.connection_limit.enabled = true;
        config.connection_limit.max_connections = 1;
        config.protocols.sse = true;
    })
    .await;
    let bad: [(&[u8], u16); 5] = [
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", 400),
        (&raw::handshake("/", "Content-Length: 1\r\n"), 400),
        (&raw::handshake("/?since=soon", ""), 400),
        (&raw::handshake("/?domain=", "Sec-WebSocket-Key: again\r\n"), 400),
        (b"GET /sse?since=soon HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ];
    for (request, status) in bad {
        assert_eq!(ask(&server, request).await.status(), status);
    }
    for _ in 0..50 {
        let mut tcp = raw::connect(server.address).await.expect("the server listens");
        tcp.write_all(&raw::handshake("/", "")).await.expect("it takes it");
        // Gone before it is answered.
        drop(tcp);
    }
    let free = async |what: &str| {
        eventually(what, async || {
            let answer = stream(&server, "").await;
            (answer.status() == 101).then_some(answer)
        })
        .await
    };
    let held = free("after handshakes that failed").await;
    assert_eq!(get(&server, "/sse", "").await.status(), 429);
    assert_eq!(get(&server, "/api/logs", "").await.status(), 200, "not a stream");
    assert_eq!(get(&server, "/", "").await.status(), 200, "the page is none either");
    drop(held);
    let events = eventually("after a WebSocket", async || {
        let answer = get(&server, "/sse", "").await;
        (answer.status() == 200).then_some(answer)
    })
    .await;
    assert_eq!(stream(&server, "").await.status(), 429);
    drop(events);
    free("after an event stream").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guarded_routes_require_a_valid_token() {
    let hashed = "sha256:3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0";
    let server = guarded(|config| {
        config.auth.enabled = true;
        config.auth.tokens = [hashed, "other"].into_iter().collect();
        config.protocols.sse = true;
    })
    .await;
    for path in ["/sse", "/api/logs", "/latest.json"] {
        for (headers, status) in [
            (String::new(), 401),
            (bearer("wrong"), 401),
            (bearer(hashed), 401),
            (bearer("token"), 200),
            ("Authorization: other\r\n".to_owned(), 200),
        ] {
            let mut answer = get(&server, path, &headers).await;
            assert_eq!(answer.status(), status, "{path} {headers}");
            assert_eq!(header(&answer.head, "access-control-allow-origin"), Some("*"));
            if status == 401 {
                assert_eq!(header(&answer.head, "www-authenticate"), Some("Bearer"));
                let body = answer.body().await;
                assert!(body.starts_with("Unauthorized: ") && body.contains("TOKEN\""), "{body}");
            }
        }
    }
    assert_eq!(stream(&server, "").await.status(), 401);
    assert_eq!(stream(&server, &bearer("token")).await.status(), 101);
    assert_eq!(ask(&server, &raw::handshake("/?token=token", "")).await.status(), 401);
    for path in ["/health", "/metrics", "/example.json", "/"] {
        assert_eq!(get(&server, path, "").await.status(), 200, "{path} is open");
    }
    let preflight = b"OPTIONS /api/logs HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n";
    let preflight = ask(&server, preflight).await;
    assert_eq!(preflight.status(), 200);
    assert!(preflight.head.contains("access-control-allow-headers: authorization"));
    assert_eq!(metric(&server, "certstream_auth_rejected_total{reason=\"missing\"}").await, 5);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_has_the_limits_of_its_tier_and_a_wrong_one_charges_its_address() {
    let server = guarded(|config| {
        config.auth.tokens = ["copper"].into_iter().collect();
        config.auth.standard_tokens = ["silver"].into_iter().collect();
        config.auth.premium_tokens = ["gold"].into_iter().collect();
        config.auth.query_token = true;
        let rates = &mut config.rate_limit;
        rates.enabled = true;
        for (max, refill, burst, size) in [
            (&mut rates.free_max_tokens, &mut rates.free_refill_rate, &mut rates.free_burst, 3.0),
            (
                &mut rates.standard_max_tokens,
                &mut rates.standard_refill_rate,
                &mut rates.standard_burst,
                5.0,
            ),
            (
                &mut rates.premium_max_tokens,
                &mut rates.premium_refill_rate,
                &mut rates.premium_burst,
                7.0,
            ),
        ] {
            (*max, *refill, *burst) = (size, 0.001, 0.0);
        }
    })
    .await;
    let spend = async |path: &str, headers: &str| {
        let mut statuses = Vec::new();
        while statuses.last() != Some(&429) {
            statuses.push(get(&server, path, headers).await.status());
        }
        statuses
    };
    for (path, headers, tier, expected) in [
        ("/api/logs", bearer("copper"), "free", vec![200, 200, 429]),
        ("/latest.json", bearer("silver"), "standard", vec![200, 200, 200, 200, 429]),
        ("/latest.json?token=gold", String::new(), "premium", vec![200; 6]),
        // All of one address.
        ("/latest.json", String::new(), "free", vec![200, 200, 429]),
        ("/latest.json", bearer("tin"), "free", vec![429]),
    ] {
        let answer = get(&server, path, &headers).await;
        let told = header(&answer.head, "x-ratelimit-tier");
        assert_eq!(told, Some(tier), "{path} {headers}");
        let spent = spend(path, &headers).await;
        assert_eq!(spent[..expected.len()], expected, "{path} {headers}");
    }
    // The address has spent what it had; a token is another's.
    assert_eq!(get(&server, "/latest.json?token=silver", "").await.status(), 429, "spent");
    server.stop().await;

    let server = guarded(|config| {
        config.auth.enabled = true;
        config.auth.tokens = ["copper"].into_iter().collect();
        config.rate_limit.enabled = true;
        config.rate_limit.free_max_tokens = 3.0;
        config.rate_limit.free_refill_rate = 0.001;
        config.rate_limit.free_burst = 0.0;
    })
    .await;
    for status in [401, 401, 401, 429, 429] {
        assert_eq!(get(&server, "/latest.json", &bearer("tin")).await.status(), status);
    }
    assert_eq!(get(&server, "/latest.json", &bearer("copper")).await.status(), 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_addresses_of_the_allow_list_are_served() {
    let server = guarded(|config| {
        config.ip_allow_list = vec!["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()];
        config.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    for (headers, status) in [
        (String::new(), 403),
        (from("10.1.2.3"), 101),
        (from("2001:db8::7"), 101),
        (from("10.1.2.3, 192.0.2.1"), 403),
        (from("192.0.2.1, 10.1.2.3"), 101),
        (from("10.1.2.3, nonsense"), 403),
    ] {
        assert_eq!(stream(&server, &headers).await.status(), status, "{headers}");
    }
    assert_eq!(get(&server, "/latest.json", "").await.status(), 403);
    assert_eq!(get(&server, "/health", "").await.status(), 200);
    assert_eq!(metric(&server, "certstream_address_rejected_total").await, 4);
    server.stop().await;
}
