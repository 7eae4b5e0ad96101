use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::super::tests::{Fault, Memory};
use super::*;

/// Returns the result of a future that does not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the entry answers at once")
}

fn request(name: &str) -> Request {
    Request::new(vec![name.to_owned()])
}

fn ids(requests: &[Request]) -> Vec<u64> {
    requests.iter().map(|request| request.id).collect()
}

#[test]
fn a_request_is_taken_once_however_often_it_is_put() {
    let entry = Memory::default();
    let (node, mut leader) = (Requests::new(entry.clone()), Requests::new(entry));
    assert!(now(leader.take()).expect("an entry").is_empty());
    let (one, two) = (request("one"), request("two"));
    for request in [&one, &one, &two] {
        now(node.put(request)).expect("it is put");
    }
    assert_eq!(now(leader.take()).expect("an entry"), [one.clone(), two]);
    now(node.put(&one)).expect("it is known");
    assert!(now(leader.take()).expect("an entry").is_empty());
    let (first, again) = (request("one"), request("one"));
    now(node.put(&first)).expect("it is put");
    now(node.put(&again)).expect("another request for the same log");
    assert_eq!(ids(&now(leader.take()).expect("an entry")), [first.id, again.id]);
}

#[test]
fn a_full_entry_refuses_requests_until_a_node_takes_them() {
    let entry = Memory::default();
    let (node, mut leader) = (Requests::new(entry.clone()), Requests::new(entry));
    let long = Request::new(vec!["x".repeat(LONGEST)]);
    let error = now(node.put(&long)).expect_err("it is too long").to_string();
    assert!(error.contains("too many"), "{error}");
    for _ in 0..MOST_WAITING {
        now(node.put(&request("a"))).expect("there is room");
    }
    assert!(now(node.put(&request("b"))).is_err());
    assert_eq!(now(leader.take()).expect("an entry").len(), MOST_WAITING);
    for _ in 0..2 * MOST_TAKEN {
        now(node.put(&request("b"))).expect("there is room");
        assert_eq!(now(leader.take()).expect("an entry").len(), 1);
    }
    let (_, queue) = now(leader.read()).expect("an entry");
    assert_eq!(queue.taken.len(), MOST_TAKEN, "it does not grow");
}

#[test]
fn a_damaged_value_is_replaced_and_one_of_a_newer_program_is_not() {
    let entry = Memory::default();
    let (node, mut leader) = (Requests::new(entry.clone()), Requests::new(entry.clone()));
    for damaged in [b"".to_vec(), b"nonsense".to_vec(), vec![b'['; LONGEST + 1]] {
        entry.overwrite(damaged);
        assert!(now(leader.take()).expect("it counts as empty").is_empty());
        let one = request("one");
        now(node.put(&one)).expect("it is replaced");
        assert_eq!(now(leader.take()).expect("an entry"), [one]);
    }
    let newer = br#"{"version":2,"later":true}"#.to_vec();
    entry.overwrite(newer.clone());
    for error in [now(leader.take()).err(), now(node.put(&request("one"))).err()] {
        assert!(error.expect("it is refused").to_string().contains("version 2"));
    }
    assert_eq!(entry.value(), newer);
}

#[test]
fn a_term_that_has_ended_takes_nothing_more() {
    let entry = Memory::default();
    let (node, mut leader) = (Requests::new(entry.clone()), Requests::new(entry.clone()));
    now(node.put(&request("one"))).expect("it is put");
    // The first is for the read.
    entry.fail([Fault::None, Fault::Unanswered]);
    assert!(now(leader.take()).is_err());
    leader.forget();
    assert!(now(leader.take()).expect("an entry").is_empty());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Put(usize),
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![3 => (0..3_usize).prop_map(Step::Put), 2 => Just(Step::Take)];
    prop::collection::vec(step, 0..24)
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        3 => Just(Fault::None),
        1 => Just(Fault::Lost),
        1 => Just(Fault::Unanswered),
        1 => Just(Fault::Late),
    ];
    prop::collection::vec(fault, 0..48)
}

/// Makes a node repeat its request until that is put, and returns whether it is.
fn put(node: &Requests<Memory>, waiting: &mut Option<Request>, all: &mut Vec<u64>) -> bool {
    let request = waiting.get_or_insert_with(|| request("a"));
    if !all.contains(&request.id) {
        all.push(request.id);
    }
    let is_put = now(node.put(request)).is_ok();
    waiting.take_if(|_| is_put);
    is_put
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn each_request_is_taken_exactly_once_whatever_is_lost(
        steps in steps(),
        faults in faults(),
    ) {
        let entry = Memory::default();
        let nodes: [_; 3] = std::array::from_fn(|_| Requests::new(entry.clone()));
        let mut leader = Requests::new(entry.clone());
        let (mut waiting, mut all, mut taken) = ([None, None, None], Vec::new(), Vec::new());
        entry.fail(faults);
        for step in steps {
            match step {
                Step::Put(node) => {
                    put(&nodes[node], &mut waiting[node], &mut all);
                }
                Step::Take => taken.extend(ids(&now(leader.take()).unwrap_or_default())),
            }
        }
        entry.fail([]);
        for (node, waiting) in nodes.iter().zip(&mut waiting) {
            if waiting.is_some() {
                // What is late may come in between.
                prop_assert!(put(node, waiting, &mut all));
            }
        }
        taken.extend(ids(&now(leader.take()).expect("the entry responds")));
        prop_assert!(now(leader.take()).expect("the entry responds").is_empty());
        all.sort_unstable();
        taken.sort_unstable();
        prop_assert_eq!(taken, all);
    }
}
