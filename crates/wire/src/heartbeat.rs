//! The message that only shows that the connection is alive.

use crate::json::{Json, key};
use crate::profile::Profile;
use record::StreamId;

/// Appends a heartbeat: `{"message_type":"heartbeat","timestamp":1708483726.594}`, under the Rust
/// profile without the time. `now` is in ms since the Unix epoch.
///
/// With an `offset`, up to which the client has everything, it has one form under every profile, with
/// the id of the stream that the offset belongs to:
/// `{"message_type":"heartbeat","offset":1708483726594000,"stream":"Zq3xK9aB","timestamp":1708483726.594}`.
pub fn heartbeat(
    profile: Profile,
    now: u64,
    offset: Option<u64>,
    stream: StreamId,
    out: &mut Vec<u8>,
) {
    Json::new(out).object(|json| {
        json.key(key!("message_type"));
        json.string("heartbeat");
        if let Some(offset) = offset {
            json.key(key!("offset"));
            json.number(offset);
            json.key(key!("stream"));
            json.string(stream.as_str());
        }
        if offset.is_some() || profile.choices().heartbeat_time {
            json.key(key!("timestamp"));
            json.seconds(now);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_has_the_form_of_its_profile() {
        let with_offset = |profile, offset| {
            let mut out = Vec::new();
            let stream = "Zq3xK9aB".parse().unwrap();
            heartbeat(profile, 1_708_483_726_594, offset, stream, &mut out);
            String::from_utf8(out).unwrap()
        };
        let text = |profile| with_offset(profile, None);
        let timed = r#"{"message_type":"heartbeat","timestamp":1708483726.594}"#;
        assert_eq!(text(Profile::Calidog), timed);
        assert_eq!(text(Profile::Go), timed);
        assert_eq!(text(Profile::Rust), r#"{"message_type":"heartbeat"}"#);
        for profile in [Profile::Calidog, Profile::Go, Profile::Rust] {
            let expected = r#"{"message_type":"heartbeat","offset":7,"stream":"Zq3xK9aB","timestamp":1708483726.594}"#;
            assert_eq!(with_offset(profile, Some(7)), expected);
        }
    }
}
