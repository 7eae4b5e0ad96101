//! The message that only says that the connection is alive.

use crate::json::{Json, key};
use crate::profile::Profile;

/// Appends a heartbeat: `{"message_type":"heartbeat","timestamp":1708483726.594}`, under the Rust
/// profile without the time. `now` is in ms since the Unix epoch.
pub fn heartbeat(profile: Profile, now: u64, out: &mut Vec<u8>) {
    Json::new(out).object(|json| {
        json.key(key!("message_type"));
        json.string("heartbeat");
        if profile.choices().heartbeat_time {
            json.key(key!("timestamp"));
            json.seconds(now);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_each_profile() {
        let text = |profile| {
            let mut out = Vec::new();
            heartbeat(profile, 1_708_483_726_594, &mut out);
            String::from_utf8(out).unwrap()
        };
        let timed = r#"{"message_type":"heartbeat","timestamp":1708483726.594}"#;
        assert_eq!(text(Profile::Calidog), timed);
        assert_eq!(text(Profile::Go), timed);
        assert_eq!(text(Profile::Rust), r#"{"message_type":"heartbeat"}"#);
    }
}
