use ctclient::Protocol;

use super::*;
use crate::options::CatchUp;

fn fleet(follow: FollowOptions) -> (Arc<Fleet>, mpsc::Receiver<Page>) {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", closed.local_addr().expect("bound"));
    let log = Log::configured(Protocol::Rfc6962, "a", &url, None, None).expect("a log");
    let saved = State { last_offset: 7, resent_from: Some(5), ..State::default() };
    let client = Client::new("follow-tests/1", Duration::from_secs(1)).expect("a client");
    let (sender, pages) = mpsc::channel(1);
    let options = FleetOptions { follow, configured: vec![log], catalogue: None, saved };
    (Fleet::start(Arc::new(client), options, sender), pages)
}

#[tokio::test]
async fn resent_from_is_unknown_while_a_retired_log_drains() {
    let follow = FollowOptions { resume_overlap: Duration::ZERO, ..FollowOptions::default() };
    let (fleet, _pages) = fleet(follow);
    let status = Arc::clone(&fleet.logs()[0]);
    status.begin(Resume { index: 10, tree: None });
    assert_eq!(fleet.state(Some(8)).resent_from, Some(5));
    status.set_retired(true);
    let state = fleet.state(Some(8));
    assert_eq!((state.resent_from, state.last_offset), (None, 8));
    // What it has sent is published after its end.
    status.emitting(Resume { index: 20, tree: None });
    fleet.stop().await;
    assert_eq!(fleet.state(Some(8)).resent_from, None);
    status.published(20, 9);
    assert_eq!(fleet.state(Some(9)).resent_from, Some(9), "it is not read again");
}

#[tokio::test]
async fn resent_from_is_unknown_with_a_catch_up_limit() {
    let hour = Duration::from_secs(3600);
    for (max_entries, max_lag) in [(Some(10), None), (None, Some(hour))] {
        let catch_up = CatchUp { max_entries, max_lag };
        let (fleet, _pages) = fleet(FollowOptions { catch_up, ..FollowOptions::default() });
        let state = fleet.state(Some(8));
        assert_eq!((state.resent_from, state.last_offset), (None, 8));
        fleet.stop().await;
    }
}
