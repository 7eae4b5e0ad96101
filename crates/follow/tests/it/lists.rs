//! Log lists: logs come, change and go without a restart; lists that are wrong change nothing.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use ct::signature::PublicKey;
use ctsim::fault::{Fault, Scope, Times};
use follow::catalogue::{CatalogueOptions, ListStatus, Selection};
use follow::position::State;
use follow::{Fleet, FleetOptions};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::harness::{Followed, catalogue, eventually, options, simulate, still, url_of};
use crate::site::{Answer, Site};

fn follow(catalogue: CatalogueOptions) -> Followed {
    let saved = State::default();
    let catalogue = Some(catalogue);
    Followed::with(FleetOptions { follow: options(), configured: Vec::new(), catalogue, saved })
}

fn urls(fleet: &Fleet) -> BTreeSet<String> {
    fleet.logs().iter().map(|status| status.log.url.clone()).collect()
}

fn signed_list(fleet: &Fleet) -> Option<ListStatus> {
    fleet.lists().into_iter().find(|list| list.signed)
}

/// Waits until the signed list has been asked for twice more: once surely after this was called.
async fn refreshed(sim: &ctsim::Sim) {
    let before = sim.list_stats().all_requests();
    eventually("the list is read again", || sim.list_stats().all_requests() >= before + 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_leaves_is_read_to_its_end_and_resumes_if_it_returns() {
    for leave in [None, Some("rejected"), Some("retired"), Some("asleep")] {
        let sim = simulate(still(700)).await;
        let (staying, leaving) = (url_of(&sim.logs()[0]), url_of(&sim.logs()[1]));
        let mut followed = follow(catalogue(&sim));
        followed.read_to(2, 700).await;

        // It leaves with entries that have not been read, and stays until they have been.
        let slow = Fault::Delay(Duration::from_secs(4));
        sim.logs()[1].faults().inject(Scope::Entries, slow, Times::UntilCleared);
        sim.logs()[1].grow(600).expect("grows");
        let status = followed.status(&leaving);
        eventually("the new head is known", || status.snapshot().tree_size == 1_300).await;
        sim.edit_list(|draft| match leave {
            None => draft.logs[1].listed = false,
            state => draft.logs[1].state = state,
        })
        .expect("signed");
        eventually("it drains", || status.is_retired()).await;
        assert!(urls(&followed.fleet).contains(&leaving), "{leave:?}");
        sim.logs()[1].faults().clear();
        followed.read_until(|this| this.entries[&leaving].len() == 1_300).await;
        eventually("it ends", || !urls(&followed.fleet).contains(&leaving)).await;
        assert!(urls(&followed.fleet).contains(&staying));

        sim.logs()[1].grow(100).expect("grows");
        sim.edit_list(|draft| {
            draft.logs[1].listed = true;
            draft.logs[1].state = Some("usable");
        })
        .expect("signed");
        // The reader checks that there is neither a hole nor a repetition.
        followed.read_until(|this| this.entries[&leaving].len() == 1_400).await;
        assert_eq!(followed.entries[&staying].len(), 700);
        followed.fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_returns_while_it_drains_is_still_followed() {
    let sim = simulate(still(300)).await;
    let leaving = url_of(&sim.logs()[0]);
    let mut followed = follow(catalogue(&sim));
    followed.read_to(2, 300).await;
    let slow = Fault::Delay(Duration::from_secs(1));
    sim.logs()[0].faults().inject(Scope::Entries, slow, Times::UntilCleared);
    sim.logs()[0].grow(2_000).expect("grows");
    sim.edit_list(|draft| draft.logs[0].listed = false).expect("signed");
    let status = followed.status(&leaving);
    eventually("it drains", || status.is_retired()).await;
    sim.edit_list(|draft| draft.logs[0].listed = true).expect("signed");
    eventually("it does not any more", || !status.is_retired()).await;
    sim.logs()[0].faults().clear();
    sim.logs()[0].grow(10).expect("grows");
    followed.read_until(|this| this.entries[&leaving].len() == 2_310).await;
    assert!(urls(&followed.fleet).contains(&leaving));
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_log_is_followed_and_a_state_change_is_shown() {
    let sim = simulate(still(300)).await;
    sim.edit_list(|draft| draft.logs[0].state = Some("pending")).expect("signed");
    let mut followed = follow(catalogue(&sim));
    followed.read_to(1, 300).await;
    sim.edit_list(|draft| draft.logs[0].state = Some("qualified")).expect("signed");
    followed.read_to(2, 300).await;
    let status = followed.status(&url_of(&sim.logs()[0]));
    assert_eq!(status.listing().state.as_deref(), Some("qualified"));
    assert_eq!((status.listing().signed, status.listing().final_head), (true, None));
    sim.edit_list(|draft| draft.logs[0].state = Some("readonly")).expect("signed");
    let shown = || status.listing().state.as_deref() == Some("readonly");
    eventually("the state is shown", shown).await;
    let last = status.listing().final_head.expect("the list says how it ends");
    assert_eq!(last.size, 300);
    assert!(!status.is_retired());
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_are_wrong_change_nothing() {
    let sim = simulate(still(300)).await;
    let mut followed = follow(catalogue(&sim));
    followed.read_to(2, 300).await;
    let both = urls(&followed.fleet);
    let error = || signed_list(&followed.fleet).and_then(|list| list.error);
    let has_error = |text: &str| error().is_some_and(|error| error.contains(text));

    // An older one that is properly signed and does not name a log any more.
    sim.edit_list(|draft| draft.version = 7).expect("signed");
    let edition = |list: ListStatus| list.edition.map(|edition| edition.to_string());
    let in_use = || signed_list(&followed.fleet).and_then(edition).unwrap_or_default();
    eventually("the new one is in use", || in_use().starts_with("version 1.7 ")).await;
    sim.edit_list(|draft| {
        draft.version = 6;
        draft.logs[1].listed = false;
    })
    .expect("signed");
    eventually("it is refused", || has_error("version 1.6 of")).await;
    assert!(has_error("is older than version 1.7 of"), "{:?}", error());
    assert!(in_use().starts_with("version 1.7 "));

    // One with the signature of something else.
    sim.edit_list(|draft| {
        draft.version = 8;
        draft.well_signed = false;
    })
    .expect("signed");
    eventually("it is refused", || has_error("the signature does not verify")).await;
    assert!(followed.fleet.reason().is_some_and(|reason| reason.0.contains("signature")));
    assert_eq!(urls(&followed.fleet), both);
    assert!(followed.fleet.logs().iter().all(|status| !status.is_retired()));

    // A log that the list says nonsense of has not been removed.
    sim.edit_list(|draft| {
        draft.version = 9;
        draft.well_signed = true;
        draft.logs[1].listed = true;
        draft.logs[1].broken = true;
    })
    .expect("signed");
    eventually("the new one is in use", || in_use().starts_with("version 1.9 ")).await;
    refreshed(&sim).await;
    let list = signed_list(&followed.fleet).expect("a list");
    assert_eq!((list.logs, list.skipped, list.error), (1, 1, None));
    assert_eq!(followed.fleet.reason(), None);
    assert!(followed.fleet.logs().iter().all(|status| !status.is_retired()));
    for log in sim.logs() {
        log.grow(10).expect("grows");
    }
    followed.read_to(2, 310).await;
    followed.fleet.stop().await;
}

/// The list comes from the cache, so that its address need not be one of this machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_a_public_list_at_a_private_address_is_not_connected_to() {
    let sim = simulate(still(300)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("lists");
    let kept = || CatalogueOptions { cache: Some(cache.clone()), ..catalogue(&sim) };
    // It is fetched once: a write of the cache would continue behind a stop.
    let mut followed = follow(CatalogueOptions { refresh: Duration::ZERO, ..kept() });
    followed.read_to(2, 300).await;
    followed.fleet.stop().await;
    // The same list at a public address, one that does not answer.
    let public = "http://lists.invalid/list.json";
    let lists = std::fs::read_to_string(&cache).expect("kept");
    assert!(lists.contains(&sim.list_url()), "{lists}");
    std::fs::write(&cache, lists.replace(&sim.list_url(), public)).expect("writable");
    let asked = || sim.logs().iter().map(|log| log.stats().all_requests()).collect::<Vec<_>>();
    let before = asked();

    let followed = follow(CatalogueOptions { url: public.to_owned(), ..kept() });
    let status = |log: usize| followed.status(&url_of(&sim.logs()[log]));
    eventually("both logs are followed", || urls(&followed.fleet).len() == 2).await;
    for status in [status(0), status(1)] {
        let refused = || status.counters.refused_addresses.load(Ordering::Relaxed);
        eventually("requests are refused", || refused() >= 2).await;
        let error = status.snapshot().last_error.expect("an error");
        assert!(error.contains("127.0.0.1 is a private address"), "{error}");
    }
    assert_eq!(asked(), before);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_network_is_served_from_the_cache_which_is_never_rolled_back() {
    let sim = simulate(still(300)).await;
    sim.edit_list(|draft| draft.version = 7).expect("signed");
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Some(folder.path().join("lists"));
    let kept = || CatalogueOptions { cache: cache.clone(), ..catalogue(&sim) };
    let mut followed = follow(kept());
    followed.read_to(2, 300).await;
    assert!(!signed_list(&followed.fleet).expect("a list").cached);
    followed.fleet.stop().await;

    let down = Fault::Status { code: 503, retry_after: None };
    sim.list_faults().inject(Scope::Every, down, Times::UntilCleared);
    let mut followed = follow(kept());
    followed.read_to(2, 300).await;
    let list = || signed_list(&followed.fleet).expect("a list");
    eventually("the failure is shown", || list().error.is_some()).await;
    assert!(list().cached);
    assert!(followed.fleet.reason().is_some_and(|reason| reason.0.contains("503")));
    followed.fleet.stop().await;

    // The list that comes back is older than the one kept.
    sim.list_faults().clear();
    sim.edit_list(|draft| {
        draft.version = 6;
        draft.logs[1].listed = false;
    })
    .expect("signed");
    let mut followed = follow(kept());
    followed.read_to(2, 300).await;
    let error = || signed_list(&followed.fleet).and_then(|list| list.error).unwrap_or_default();
    eventually("it is refused", || error().contains("is older than version 1.7")).await;
    followed.fleet.stop().await;

    // A cache that was changed on disk is not used.
    let path: PathBuf = cache.clone().expect("a path");
    let mut content: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("kept")).expect("JSON");
    let text = content["lists"][0]["text"].as_str().expect("a list").replace("1.7", "1.99");
    content["lists"][0]["text"] = text.into();
    std::fs::write(&path, content.to_string()).expect("writes");
    let mut followed = follow(kept());
    followed.read_to(1, 300).await;
    assert_eq!(followed.entries.keys().collect::<Vec<_>>(), [&url_of(&sim.logs()[0])]);
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_list_adds_logs_and_removes_none() {
    let sim = simulate(still(300)).await;
    let whole = reqwest::get(sim.list_url()).await.expect("a list").text().await.expect("text");
    sim.edit_list(|draft| draft.logs[1].listed = false).expect("signed");
    let text = Arc::new(Mutex::new(whole));
    let served = Arc::clone(&text);
    let site = Site::serve(move |_| Answer::ok(served.lock().clone())).await;
    let extra = vec![format!("{}/list.json", site.base)];
    let mut followed = follow(CatalogueOptions { extra, ..catalogue(&sim) });
    followed.read_to(2, 300).await;
    let [signed, unsigned] = sim.logs() else { panic!("two logs") };
    let listing = |log| followed.status(&url_of(log)).listing();
    assert!(listing(signed).signed && !listing(unsigned).signed);
    assert_eq!((listing(signed).lists.len(), listing(unsigned).lists.len()), (2, 1));
    let statuses: Vec<_> = followed.fleet.lists().iter().map(|list| list.signed).collect();
    assert_eq!(statuses, [true, false]);

    let none = json!({ "version": "9.9", "operators": [] }).to_string();
    *text.lock() = none;
    let emptied = || followed.fleet.lists().iter().any(|list| !list.signed && list.logs == 0);
    eventually("it names no log any more", emptied).await;
    unsigned.grow(10).expect("grows");
    let url = url_of(unsigned);
    followed.read_until(|this| this.entries[&url].len() == 310).await;
    assert!(!followed.status(&url).is_retired());
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_logs_are_not_followed() {
    let sim = simulate(still(300)).await;
    let excluded_logs = vec![sim.logs()[0].log_id().to_string()];
    let selection = Selection { excluded_logs, ..Selection::default() };
    let mut followed = follow(CatalogueOptions { selection, ..catalogue(&sim) });
    followed.read_to(1, 300).await;
    refreshed(&sim).await;
    assert_eq!(urls(&followed.fleet), BTreeSet::from([url_of(&sim.logs()[1])]));
    followed.fleet.stop().await;
}

/// A key to sign lists with, and what the follower needs to know of it.
struct Signer {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl Signer {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a key");
        let public = PublicKey::from_spki(spki.as_ref()).expect("a key");
        Self { pair, public }
    }

    fn sign(&self, list: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), list).expect("signs");
        signature.as_ref().to_vec()
    }
}

/// Lists that are refused, each with what its error says. All of them are properly signed, so that
/// it is the list that is wrong.
fn refused_lists() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = json!({ "version": "1.1", "operators": [] }).to_string();
    let cut = whole.as_bytes()[..whole.len() - 3].to_vec();
    let mut cases = vec![
        ("v2", br#"{"operators":[{"id":0,"name":"A"}],"logs":[]}"#.to_vec(), "schema version 2"),
        ("cut", cut, "not a JSON log list"),
        ("no operators", br#"{"version":"1.1"}"#.to_vec(), "it has no operators"),
        ("a strange version", br#"{"version":"x","operators":[]}"#.to_vec(), "not major.minor"),
        ("too long", vec![b' '; 2 << 20], "larger than 1048576 bytes"),
        ("a web page", b"<!doctype html><title>Sign in</title>".to_vec(), "an HTML page"),
        ("not UTF-8", b"{\"version\":\"\xff\"}".to_vec(), "not UTF-8"),
    ];
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/loglist");
    if data.is_dir() {
        let read = |path: &str| std::fs::read(data.join(path)).expect("the shared data");
        cases.push(("v2 of 2022", read("apple-or-v2/log_list.json"), "schema version 2"));
        let incomplete = read("negative/log_list_incomplete.json");
        cases.push(("incomplete", incomplete, "not a JSON log list"));
        let too_big = read("negative/log_list_too_big.json");
        cases.push(("too big", too_big, "larger than 1048576 bytes"));
    } else {
        println!("partly skipped: ../shared/data is not here");
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_wrong_list_has_its_own_error() {
    let signer = Signer::new();
    let lists = refused_lists();
    let mut answers: HashMap<String, Answer> = HashMap::new();
    let mut expected: Vec<(String, &str)> = Vec::new();
    for (name, list, words) in lists {
        let stem = format!("/{}", name.replace(' ', "_"));
        answers.insert(format!("{stem}.sig"), Answer::ok(signer.sign(&list)));
        answers.insert(format!("{stem}.json"), Answer::ok(list));
        expected.push((stem, words));
    }
    let good = json!({ "version": "1.1", "operators": [] }).to_string();
    for (stem, signature, words) in [
        ("/no_signature", Answer::status(404), "cannot fetch its signature"),
        ("/long_signature", Answer::ok(vec![7; 5000]), "larger than 1024 bytes"),
        ("/empty_signature", Answer::ok(""), "the signature does not verify"),
        ("/page_for_signature", Answer::ok("<html>no</html>"), "an HTML page"),
    ] {
        answers.insert(format!("{stem}.json"), Answer::ok(good.clone()));
        answers.insert(format!("{stem}.sig"), signature);
        expected.push((stem.to_owned(), words));
    }
    expected.push(("/nowhere".to_owned(), "status 404"));
    let site = Site::serve(move |asked| {
        answers.get(&asked.path).cloned().unwrap_or_else(|| Answer::status(404))
    })
    .await;
    let mut errors = BTreeSet::new();
    for (stem, words) in &expected {
        let url = format!("{}{stem}.json", site.base);
        let followed = follow(CatalogueOptions::new(url.clone(), signer.public.clone()));
        let error = || signed_list(&followed.fleet).and_then(|list| list.error);
        eventually("the list is refused", || error().is_some()).await;
        let error = error().expect("an error");
        assert!(error.contains(words) && error.contains(stem), "{stem}: {error}");
        // The reason follows the status of the list.
        let reason = || followed.fleet.reason();
        eventually("the reason is the same", || reason().is_some_and(|r| r.0.contains(words)))
            .await;
        errors.insert(error.replace(&url, ""));
        followed.fleet.stop().await;
    }
    // Some of the shared lists are wrong in the same way as one of ours.
    assert!(errors.len() >= 11, "{errors:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_from_long_ago_adds_logs_and_removes_none() {
    let sim = simulate(still(300)).await;
    let text = reqwest::get(sim.list_url()).await.expect("a list").text().await.expect("text");
    let mut list: Value = serde_json::from_str(&text).expect("JSON");
    list["log_list_timestamp"] = "2024-02-29T00:00:00Z".into();
    let signer = Arc::new(Signer::new());
    let served = Arc::new(Mutex::new(list.to_string()));
    let (sign, text) = (Arc::clone(&signer), Arc::clone(&served));
    let site = Site::serve(move |asked| match asked.path.as_str() {
        "/l.sig" => Answer::ok(sign.sign(text.lock().as_bytes())),
        _ => Answer::ok(text.lock().clone()),
    })
    .await;
    let catalogue = CatalogueOptions {
        refresh: Duration::from_millis(50),
        ..CatalogueOptions::new(format!("{}/l.json", site.base), signer.public.clone())
    };
    let mut followed = follow(catalogue);
    followed.read_to(2, 300).await;
    assert!(signed_list(&followed.fleet).is_some_and(|list| list.stale));
    list["version"] = "7.7".into();
    list["operators"] = json!([]);
    *served.lock() = list.to_string();
    let emptied = || signed_list(&followed.fleet).is_some_and(|list| list.logs == 0);
    eventually("it names no log any more", emptied).await;
    for log in sim.logs() {
        log.grow(10).expect("grows");
    }
    followed.read_to(2, 310).await;
    assert!(followed.fleet.logs().iter().all(|status| !status.is_retired()));
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn list_and_signature_that_disagree_for_a_moment_are_fetched_again() {
    let signer = Signer::new();
    let list = json!({ "version": "1.1", "operators": [] }).to_string();
    let signature = signer.sign(list.as_bytes());
    let fetches = AtomicUsize::new(0);
    let site = Site::serve(move |asked| match asked.path.as_str() {
        // The list is new already, its signature still that of the one before.
        "/l.sig" if fetches.fetch_add(1, Ordering::Relaxed) == 0 => Answer::ok("old"),
        "/l.sig" => Answer::ok(signature.clone()),
        _ => Answer::ok(list.clone()),
    })
    .await;
    let url = format!("{}/l.json", site.base);
    let followed = follow(CatalogueOptions::new(url, signer.public.clone()));
    let list = || signed_list(&followed.fleet);
    let in_use = || list().is_some_and(|list| list.edition.is_some());
    eventually("the list is in use", in_use).await;
    assert_eq!(list().and_then(|list| list.error), None);
    assert_eq!(site.asked().len(), 4, "both are fetched again");
    assert!(followed.fleet.reason().is_some_and(|reason| reason.0.contains("no log")));
    followed.fleet.stop().await;
}
