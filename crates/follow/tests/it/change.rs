//! Other logs than before, without a restart.

use std::collections::BTreeSet;
use std::time::Duration;

use ctsim::fault::{Fault, Scope, Times};
use follow::catalogue::{CatalogueOptions, Selection};
use follow::position::State;
use follow::{FleetOptions, Log, Protocol};

use crate::harness::{Followed, catalogue, eventually, options, simulate, still, url_of};

/// Lists that are read once and then only when they change.
fn once(sim: &ctsim::Sim) -> CatalogueOptions {
    CatalogueOptions { refresh: Duration::ZERO, ..catalogue(sim) }
}

fn follow(configured: Vec<Log>, catalogue: Option<CatalogueOptions>) -> Followed {
    let saved = State::default();
    Followed::with(FleetOptions { follow: options(), configured, catalogue, saved })
}

fn urls(followed: &Followed) -> BTreeSet<String> {
    followed.fleet.logs().iter().map(|status| status.log.url.clone()).collect()
}

fn excluding(catalogue: CatalogueOptions, urls: &[&str]) -> CatalogueOptions {
    let excluded_logs = urls.iter().map(|url| (*url).to_owned()).collect();
    let selection = Selection { excluded_logs, ..catalogue.selection.clone() };
    CatalogueOptions { selection, ..catalogue }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excluded_log_stops_at_once_and_resumes_when_included_again() {
    let sim = simulate(still(300)).await;
    let (kept, left) = (url_of(&sim.logs()[0]), url_of(&sim.logs()[1]));
    let mut followed = follow(Vec::new(), Some(once(&sim)));
    followed.read_to(2, 300).await;
    let asked = sim.list_stats().all_requests();

    followed.fleet.change(Vec::new(), Some(excluding(once(&sim), &[&left])));
    eventually("it is left", || urls(&followed) == BTreeSet::from([kept.clone()])).await;
    let state = followed.fleet.state(None);
    assert_eq!(state.logs[&left].current_index, 300, "its position is kept");
    sim.logs()[0].grow(50).expect("grows");
    sim.logs()[1].grow(70).expect("grows");
    followed.read_until(|this| this.entries[&kept].len() == 350).await;

    followed.fleet.change(Vec::new(), Some(once(&sim)));
    // The reader checks that there is neither a hole nor a repetition.
    followed.read_until(|this| this.entries[&left].len() == 370).await;
    assert_eq!(sim.list_stats().all_requests(), asked, "the list is not fetched again for it");

    followed.fleet.change(Vec::new(), None);
    eventually("all are left", || urls(&followed).is_empty()).await;
    assert!(followed.fleet.lists().is_empty());
    let reason = || followed.fleet.reason().map(|reason| reason.0).unwrap_or_default();
    eventually("it says why", || reason().contains("neither a log list nor a log is configured"))
        .await;
    followed.fleet.change(Vec::new(), Some(once(&sim)));
    eventually("all are back", || urls(&followed).len() == 2).await;
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_stopped_log_count_once_published() {
    let sim = simulate(still(300)).await;
    let url = url_of(&sim.logs()[0]);
    let log = Log::configured(Protocol::Rfc6962, "a", &url, None, None).expect("a log");
    let saved = State { resent_from: Some(0), ..State::default() };
    let configured = vec![log];
    let options = FleetOptions { follow: options(), configured, catalogue: None, saved };
    let mut followed = Followed::with(options);
    let all_sent = |this: &Followed| this.status(&url).snapshot().next_index == Some(300);
    eventually("its pages wait to be published", || all_sent(&followed)).await;
    let resent_from = |this: &Followed| this.fleet.state(None).resent_from;
    assert_eq!(resent_from(&followed), Some(0), "nothing is published");
    followed.fleet.change(Vec::new(), None);
    assert_eq!(resent_from(&followed), None, "their offsets are not known");
    followed.read_to(1, 300).await;
    eventually("it is settled", || resent_from(&followed) == Some(300)).await;
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_logs_come_change_and_go() {
    let sim = simulate(still(300)).await;
    let url = url_of(&sim.logs()[0]);
    let named = |name: &str, batch_size: Option<u64>| {
        let log = Log::configured(Protocol::Rfc6962, name, &url, None, None).expect("a log");
        Log { batch_size, ..log }
    };
    let mut followed = follow(Vec::new(), None);
    followed.fleet.change(vec![named("first", None)], None);
    followed.read_to(1, 300).await;
    assert_eq!(followed.status(&url).log.name, "first");
    let before = followed.status(&url);
    followed.fleet.change(vec![named("first", None)], None);
    assert!(std::sync::Arc::ptr_eq(&before, &followed.status(&url)), "nothing has changed");

    followed.fleet.change(vec![named("second", Some(7))], None);
    assert_eq!(followed.status(&url).log.name, "second");
    sim.logs()[0].grow(30).expect("grows");
    followed.read_to(1, 330).await;

    // The list contains it too, and takes over when it is not configured any more.
    followed.fleet.change(vec![named("second", Some(7))], Some(once(&sim)));
    followed.read_until(|this| this.entries.len() == 2).await;
    assert_eq!(followed.status(&url).log.name, "second", "the configuration has precedence");
    followed.fleet.change(Vec::new(), Some(once(&sim)));
    eventually("the list's name", || {
        let logs = followed.fleet.logs();
        logs.iter().any(|status| status.log.name == sim.logs()[0].description())
    })
    .await;
    sim.logs()[0].grow(30).expect("grows");
    followed.read_until(|this| this.entries[&url].len() == 360).await;

    followed.fleet.change(vec![named("third", None)], Some(once(&sim)));
    assert_eq!(followed.status(&url).log.name, "third");
    followed.fleet.change(Vec::new(), None);
    eventually("it is left", || urls(&followed).is_empty()).await;
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_list_is_fetched_at_once_and_logs_stay_until_it_is_there() {
    let old = simulate(still(300)).await;
    let new = simulate(ctsim::Config { seed: 7, ..still(200) }).await;
    let mut followed = follow(Vec::new(), Some(once(&old)));
    followed.read_to(2, 300).await;
    let before = urls(&followed);

    let down = Fault::Status { code: 500, retry_after: None };
    new.list_faults().inject(Scope::Every, down, Times::UntilCleared);
    followed.fleet.change(Vec::new(), Some(once(&new)));
    let reason = || followed.fleet.reason().map(|reason| reason.0).unwrap_or_default();
    eventually("it fails", || reason().contains("500")).await;
    assert_eq!(urls(&followed), before);

    new.list_faults().clear();
    followed.fleet.change(Vec::new(), Some(once(&old)));
    followed.fleet.change(Vec::new(), Some(once(&new)));
    let theirs: BTreeSet<_> = new.logs().iter().map(url_of).collect();
    let there = |this: &Followed| theirs.iter().all(|url| this.entries.contains_key(url));
    followed.read_until(there).await;
    eventually("the old ones have drained", || urls(&followed) == theirs).await;
    followed.fleet.stop().await;
}
