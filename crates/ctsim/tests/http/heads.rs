//! Heads as faults have them, and forks.

use ct::entries::parse_get_entries;
use ct::head::{CheckpointError, SignedHead};
use ct::merkle::{CompactRange, leaf_hash, verify_consistency};
use ct::proofs::parse_consistency;
use ct::signature::PublicKey;
use ct::tile::{Tile, TileKind};
use ctsim::fault::{Fault, HeadFault, Scope, Times};
use ctsim::{LogHandle, Protocol};

use super::{get_ok, head, one, start, still};

fn inject(log: &LogHandle, fault: HeadFault) {
    log.faults().inject(Scope::Every, Fault::Head(fault), Times::Next(1));
}

async fn checkpoint(log: &LogHandle) -> Result<SignedHead, CheckpointError> {
    let note = get_ok(&format!("{}checkpoint", log.url())).await;
    SignedHead::from_checkpoint(&note, log.origin().unwrap(), Some(&log.log_id()))
}

#[tokio::test]
async fn forged_heads_do_not_verify() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let key = PublicKey::from_spki(log.key()).unwrap();
    for fault in [HeadFault::BadSignature, HeadFault::OtherLog] {
        inject(log, fault);
        let sth = get_ok(&format!("{}ct/v1/get-sth", log.url())).await;
        let forged = SignedHead::from_sth(&sth).unwrap();
        assert_eq!(forged.head, log.head().head);
        assert!(forged.verify(&key).is_err(), "{fault:?}");
    }
}

#[tokio::test]
async fn checkpoints_of_others_are_not_the_logs() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    for fault in [HeadFault::OtherLog, HeadFault::WrongOrigin] {
        inject(log, fault);
        assert!(matches!(checkpoint(log).await, Err(CheckpointError::Origin { .. })), "{fault:?}");
    }
    inject(log, HeadFault::BadSignature);
    let forged = checkpoint(log).await.unwrap();
    assert!(forged.verify(&PublicKey::from_spki(log.key()).unwrap()).is_err());
}

#[tokio::test]
async fn a_checkpoint_may_have_many_signatures() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    inject(log, HeadFault::ManySignatures);
    let note = get_ok(&format!("{}checkpoint", log.url())).await;
    let text = String::from_utf8(note.to_vec()).unwrap();
    assert_eq!(text.matches("\n\u{2014} ").count(), 16);
    assert!(text.contains("grease.invalid") && text.contains("witness.example"));
    let read =
        SignedHead::from_checkpoint(&note, log.origin().unwrap(), Some(&log.log_id())).unwrap();
    assert_eq!(read.head, log.head().head);
}

#[tokio::test]
async fn a_head_may_be_ahead_of_the_entries_and_comes_true() {
    let sim = start(still()).await;
    for log in sim.logs() {
        inject(log, HeadFault::Ahead { by: 300 });
        let promised = head(log).await.head;
        assert_eq!((promised.size, log.size()), (1_300, 1_000));
        log.grow(300).unwrap();
        assert_eq!(head(log).await.head.root, promised.root);
    }
}

/// The root over all entries of an RFC 6962 log.
async fn root_of_entries(log: &LogHandle) -> ct::Hash {
    let mut range = CompactRange::new();
    while range.size() < log.size() {
        let url = format!("{}ct/v1/get-entries?start={}&end=999", log.url(), range.size());
        for entry in parse_get_entries(&get_ok(&url).await).unwrap() {
            range.push(leaf_hash(&entry.leaf_input));
        }
    }
    range.root()
}

#[tokio::test]
async fn a_fork_is_a_log_of_its_own_that_shares_its_beginning() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let honest = head(log).await.head;
    let fork = Fault::Fork { shared: 700 };
    log.faults().inject(Scope::Every, fork.clone(), Times::UntilCleared);
    let forked = head(log).await.head;
    assert_eq!(forked.size, honest.size);
    assert_ne!(forked.root, honest.root);
    assert_eq!(root_of_entries(log).await, forked.root);
    // Its proofs lead from what both share to its own head.
    let url = format!("{}ct/v1/get-sth-consistency?first=700&second=1000", log.url());
    let proof = parse_consistency(&get_ok(&url).await).unwrap();
    log.faults().clear();
    inject(log, HeadFault::Stale { behind: 300, age: std::time::Duration::ZERO });
    let shared = head(log).await.head;
    verify_consistency(700, &shared.root, 1_000, &forked.root, &proof).unwrap();
    assert!(verify_consistency(700, &shared.root, 1_000, &honest.root, &proof).is_err());

    log.faults().inject(Scope::Heads, fork, Times::UntilCleared);
    assert_eq!(head(log).await.head.root, forked.root);
    assert_eq!(root_of_entries(log).await, honest.root, "a split view has the log's entries");
}

#[tokio::test]
async fn the_tiles_of_a_fork_fit_its_checkpoint() {
    let sim = start(one(Protocol::StaticCt)).await;
    let log = &sim.logs()[0];
    let honest = head(log).await.head;
    log.faults().inject(Scope::Every, Fault::Fork { shared: 300 }, Times::UntilCleared);
    let forked = checkpoint(log).await.unwrap().head;
    assert_ne!(forked.root, honest.root);
    let mut range = CompactRange::new();
    for index in 0..4 {
        let tile = Tile::of_tree(TileKind::Level(0), index, forked.size).unwrap();
        let body = get_ok(&format!("{}{tile}", log.url())).await;
        tile.hashes(&body).unwrap().iter().for_each(|hash| range.push(*hash));
    }
    assert_eq!((range.size(), range.root()), (forked.size, forked.root));
}
