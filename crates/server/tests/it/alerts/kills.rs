//! `kill -9` at random moments while alerts arrive and fail to. `CERTSTREAM_KILLS` sets the number.

use std::time::Duration;

use super::{Accepted, Answer, Hook, Site};
use crate::operations::kills::{random, setting};

/// Kills, unless the environment says otherwise.
const KILLS: u32 = 5;
/// The mean time between two kills, in milliseconds.
const BETWEEN: u64 = 800;
/// Entries a second.
const RATE: f64 = 100.0;

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_no_alert_and_repeat_only_what_was_under_way() {
    let kills = setting("CERTSTREAM_KILLS", KILLS);
    let answers: Vec<Answer> = (0..200_000)
        .map(|number| match number % 100 {
            3 => Answer::Status(500, ""),
            57 => Answer::Close,
            _ => Answer::Status(200, ""),
        })
        .collect();
    let hook = Hook::start(&answers).await;
    let seconds = BETWEEN as f64 / 1_000.0 * f64::from(kills + 1);
    let mut site = Site::new(&[("ops", &hook.url)], RATE, Some((seconds * RATE) as u64)).await;
    let mut accepted = Accepted::default();
    for _ in 0..kills {
        site.start();
        tokio::time::sleep(Duration::from_millis(random(2 * BETWEEN))).await;
        accepted.add(&hook);
        site.kill();
    }
    site.start();
    let expected = site.reads_all().await;
    assert!(expected >= 20, "{expected}");
    accepted.reach(&hook, expected).await;
    site.stop();
    accepted.add(&hook);
    accepted.check(&site, usize::try_from(kills).unwrap_or(usize::MAX));
}
