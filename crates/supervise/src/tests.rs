//! Tasks that panic, restart and return.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;

fn of(supervisor: &Supervisor, name: &str) -> (u64, usize) {
    let tasks = supervisor.tasks();
    let task = tasks.iter().find(|task| task.name == name).expect("a task of this name");
    (task.panics, task.down)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_started_again_until_it_returns() {
    let supervisor = Supervisor::default();
    let mut starts = 0;
    let mut noted = Vec::new();
    let begun = Instant::now();
    let run = supervisor.run_noting(
        "a task",
        |message| noted.push(message.to_owned()),
        || {
            starts += 1;
            let number = starts;
            async move {
                tokio::task::yield_now().await;
                assert!(number > 3, "defect {number}");
                number
            }
        },
    );
    assert_eq!(run.await, 4);
    assert_eq!(noted, ["defect 1", "defect 2", "defect 3"]);
    assert_eq!((Instant::now() - begun).as_secs(), 1 + 2 + 4);
    assert_eq!(of(&supervisor, "a task"), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_first_await_is_caught_too() {
    let supervisor = Supervisor::default();
    let mut starts = 0;
    let start = || {
        starts += 1;
        assert!(starts > 1, "a defect of what starts the task");
        std::future::ready("well")
    };
    assert_eq!(supervisor.run("a task", start).await, "well");
    assert_eq!(of(&supervisor, "a task"), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_task_is_down_until_it_runs_again() {
    let supervisor = Supervisor::default();
    let starts = Arc::new(AtomicU32::new(0));
    let task = {
        let (supervisor, starts) = (supervisor.clone(), Arc::clone(&starts));
        tokio::spawn(async move {
            let start = || {
                let number = starts.fetch_add(1, Ordering::Relaxed);
                async move {
                    assert!(number > 0, "a defect");
                    std::future::pending::<()>().await;
                }
            };
            supervisor.run("a task", start).await;
        })
    };
    sleep(Duration::from_millis(500)).await;
    assert_eq!(of(&supervisor, "a task"), (1, 1));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(of(&supervisor, "a task"), (1, 0));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_given_up_is_not_down() {
    let supervisor = Supervisor::default();
    let crash = || async { panic!("a defect") };
    let run = tokio::time::timeout(Duration::from_secs(2), supervisor.run::<_>("a task", crash));
    let ended: Result<(), _> = run.await;
    assert!(ended.is_err());
    assert_eq!(of(&supervisor, "a task"), (2, 0));
}

#[tokio::test]
async fn a_task_without_panics_is_known() {
    let supervisor = Supervisor::default();
    supervisor.run("a task", async || {}).await;
    assert_eq!(of(&supervisor, "a task"), (0, 0));
}
