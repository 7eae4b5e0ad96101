//! Answers that are none, come late, or ask for patience.

use std::time::{Duration, SystemTime};

use ctsim::Limit;
use ctsim::fault::{BodyFault, Fault, HeadFault, PageFault, Scope, Times};

use super::{
    ERRORS, Group, LIMITED, Noticed, Row, Rule, Trouble, body, failing, silent, until_cleared,
};

pub(super) const ANSWERS: Group = Group {
    title: "Responses",
    rows: &[
        failing("status 500", "status 500", || status(500, None)),
        failing("status 502 with an HTML page", "status 502", || {
            vec![until_cleared(Scope::Every, Fault::Html { code: 502 })]
        }),
        failing("an HTML page with status 200", "an HTML page instead of data", || {
            vec![until_cleared(Scope::Every, Fault::Html { code: 200 })]
        }),
        Row {
            metric: Some(&LIMITED),
            does: "pauses requests to the log for increasing intervals and slows down requests to \
                 its host, but never below the rate at which the host's other logs respond",
            ..failing("status 429", "too many requests (status 429)", || status(429, None))
        },
        Row {
            metric: Some(&LIMITED),
            status: None,
            does: "pauses requests to the log for the requested time, at most 5 minutes, and slows \
                 down requests to its host",
            ..failing("status 429, `Retry-After` in seconds", "retry after 1 s", || {
                status(429, Some("1".to_owned()))
            })
        },
        Row {
            metric: Some(&LIMITED),
            status: None,
            does: "the same",
            ..failing(
                "status 429, `Retry-After` as a date",
                "too many requests (status 429)",
                || {
                    let soon = SystemTime::now() + Duration::from_secs(2);
                    status(429, Some(httpdate::fmt_http_date(soon)))
                },
            )
        },
        Row {
            metric: Some(&LIMITED),
            ..failing("status 503", "too many requests (status 503)", || status(503, None))
        },
        Row {
            trouble: Trouble::LogLimit(STRICT),
            line: None,
            metric: Some(&LIMITED),
            status: None,
            does: "finds the rate that the log accepts and stays just below it",
            ..failing("a request limit per log", "", Vec::new)
        },
        Row {
            trouble: Trouble::HostLimit(Limit { rate: 3.0, burst: 3, ..STRICT }),
            line: None,
            metric: Some(&LIMITED),
            status: None,
            does: "finds the rate that the host accepts and shares it among its logs",
            ..failing("a request limit per host", "", Vec::new)
        },
        failing("a redirect to another host", "redirected to another host", || {
            let location = "http://localhost:9/elsewhere".to_owned();
            vec![until_cleared(Scope::Every, Fault::Redirect { location })]
        }),
        failing(
            "connections closed without a response",
            "connection closed before message completed",
            || vec![until_cleared(Scope::Every, Fault::HangUp)],
        ),
        failing(
            "connections broken in the middle of a body",
            "end of file before message length reached",
            || body(Scope::Every, BodyFault::Cut),
        ),
        Row {
            trouble: Trouble::Away,
            noticed: Noticed::Following,
            ..failing("connections refused", "Connection refused", Vec::new)
        },
        silent("slow responses", || {
            vec![until_cleared(Scope::Every, Fault::Delay(Duration::from_millis(150)))]
        }),
        Row {
            status: None,
            does: "cancels the request when nothing has arrived for 8 times as long as the slowest \
                 recent response took to begin (at least 3 s, at most \
                 `ct_log.request_timeout_secs`), and retries; if an RFC 6962 log answers other \
                 requests, it requests fewer entries. In the first minute of a failure it cancels \
                 after 4 s, or after twice the slowest recent response time if that is longer; later the wait doubles while no response arrives",
            ..failing("no response in time", "no complete response within the time limit", || {
                vec![until_cleared(Scope::Every, Fault::Delay(TOO_LONG))]
            })
        },
        Row {
            status: None,
            does: "the same",
            ..failing(
                "a body that takes too long",
                "no complete response within the time limit",
                || body(Scope::Every, BodyFault::Dribble(TOO_LONG / 16)),
            )
        },
        Row {
            metric: Some(&ERRORS),
            does: "retries; keeps entries that have already arrived",
            ..silent("one request in twenty fails in one of these ways", mixture)
        },
    ],
};

/// Longer than the tests' client waits for an answer.
const TOO_LONG: Duration = Duration::from_secs(8);

const STRICT: Limit = Limit { rate: 1.0, burst: 2, retry_after: false };

fn status(code: u16, retry_after: Option<String>) -> Vec<Rule> {
    vec![until_cleared(Scope::Every, Fault::Status { code, retry_after })]
}

/// One request in twenty.
fn mixture() -> Vec<Rule> {
    let status = |code| Fault::Status { code, retry_after: None };
    let faults = [
        status(429),
        status(500),
        status(503),
        Fault::Html { code: 200 },
        Fault::HangUp,
        Fault::Body(BodyFault::Cut),
        Fault::Page(PageFault::Short { most: 5 }),
        Fault::Page(PageFault::Empty),
        Fault::Head(HeadFault::BadSignature),
        Fault::Delay(Duration::from_millis(50)),
    ];
    let share = Times::Share { per_mille: 5 };
    faults.into_iter().map(|fault| (Scope::Every, fault, share)).collect()
}
