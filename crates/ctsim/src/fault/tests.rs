//! Tests of the choice and counting of faults.

use super::*;

const BUSY: Fault = Fault::Status { code: 429, retry_after: None };
const HTML: Fault = Fault::Html { code: 200 };
const EMPTY: Fault = Fault::Page(PageFault::Empty);

fn take(faults: &Faults, endpoint: Endpoint) -> Option<Fault> {
    faults.take(endpoint, None).fault
}

#[test]
fn a_fault_happens_as_often_as_it_should() {
    let faults = Faults::default();
    faults.inject(Scope::Entries, BUSY, Times::Next(2));
    assert_eq!(take(&faults, Endpoint::GetSth), None);
    assert_eq!(take(&faults, Endpoint::GetEntries), Some(BUSY));
    assert_eq!(faults.pending(), 1);
    assert_eq!(take(&faults, Endpoint::DataTile), Some(BUSY));
    assert_eq!(faults.pending(), 0);
    assert_eq!(take(&faults, Endpoint::GetEntries), None);
    faults.inject(Scope::Every, BUSY, Times::Next(0));
    assert_eq!(take(&faults, Endpoint::GetEntries), None);
    assert_eq!(faults.pending(), 0);
}

#[test]
fn a_fault_without_end_is_cleared() {
    let faults = Faults::default();
    faults.inject(Scope::Only(Endpoint::GetRoots), HTML, Times::UntilCleared);
    for _ in 0..3 {
        assert_eq!(take(&faults, Endpoint::GetRoots), Some(HTML));
    }
    faults.clear();
    assert_eq!(take(&faults, Endpoint::GetRoots), None);
}

#[test]
fn a_fault_with_a_time_limit_ends() {
    let faults = Faults::default();
    faults.inject(Scope::Every, BUSY, Times::For(Duration::from_secs(3_600)));
    assert_eq!(take(&faults, Endpoint::GetSth), Some(BUSY));
    assert_eq!(faults.pending(), 1);
    faults.clear();
    faults.inject(Scope::Every, BUSY, Times::For(Duration::ZERO));
    assert_eq!(take(&faults, Endpoint::GetSth), None);
    assert_eq!(faults.pending(), 0);
}

#[test]
fn a_share_of_requests_is_met_and_leaves_the_others_to_the_next() {
    let faults = Faults::default();
    faults.inject(Scope::Every, BUSY, Times::Share { per_mille: 50 });
    faults.inject(Scope::Every, HTML, Times::Share { per_mille: 1000 });
    let busy = (0..10_000).filter(|_| take(&faults, Endpoint::GetSth) == Some(BUSY)).count();
    assert!((400..600).contains(&busy), "{busy} of 10,000");
}

#[test]
fn the_first_fault_comes_first_and_delays_go_with_it() {
    let faults = Faults::default();
    let second = Duration::from_secs(1);
    faults.inject(Scope::Every, BUSY, Times::Next(1));
    faults.inject(Scope::Every, HTML, Times::Next(1));
    faults.inject(Scope::Every, Fault::Delay(second), Times::Next(1));
    faults.inject(Scope::Every, Fault::Delay(second), Times::Next(1));
    let first = faults.take(Endpoint::Checkpoint, None);
    assert_eq!((first.delay, first.fault), (2 * second, Some(BUSY)));
    let next = faults.take(Endpoint::Checkpoint, None);
    assert_eq!((next.delay, next.fault), (Duration::ZERO, Some(HTML)));
}

#[test]
fn faults_wait_for_requests_they_can_change() {
    let faults = Faults::default();
    faults.inject(Scope::Every, EMPTY, Times::Next(1));
    assert_eq!(take(&faults, Endpoint::GetSth), None);
    assert_eq!(take(&faults, Endpoint::GetEntries), Some(EMPTY));

    let flip = Fault::Page(PageFault::FlipLeaf { index: Some(7) });
    faults.inject(Scope::Every, flip.clone(), Times::Next(1));
    let page = |start, end| {
        let call = Call::GetEntries { start, end };
        faults.take(Endpoint::GetEntries, Some(&call)).fault
    };
    assert_eq!(page(8, 20), None);
    assert_eq!(page(0, 6), None);
    assert_eq!(page(0, 7), Some(flip));
}
