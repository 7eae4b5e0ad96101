//! Alerts as lines of text.

use alerts::Alert;
use client::text::shown;

/// Returns a line about an alert; `state` describes its delivery.
pub(super) fn line(alert: &Alert, state: &str) -> String {
    let seen = alert.sightings.first();
    let seen = seen.map_or_else(
        || "-".to_owned(),
        |sighting| sighting.seen.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    );
    let reasons: Vec<_> = alert.reasons.iter().map(|reason| shown(&reason.text)).collect();
    format!("{seen}  {}  {}  {}\n", shown(&alert.rule), shown(state), reasons.join("; "))
}
