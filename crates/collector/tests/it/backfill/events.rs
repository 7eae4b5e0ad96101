//! Events for programs, and lines for people.

use std::collections::BTreeSet;

use ctsim::Limit;
use serde_json::Value;

use super::{command, output, simulate};

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_ranges_parts_progress_waits_and_the_end() {
    let sim = simulate(1_500).await;
    // Each log answers a few requests a second, so that there is something to wait for.
    let limit = Limit { rate: 4.0, burst: 2, retry_after: true };
    sim.logs().iter().for_each(|log| log.limiter().set(Some(limit)));
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let run = output(command(&sim, &archive, &["--json", "--part-entries", "1000"])).await;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let events: Vec<Value> = String::from_utf8(run.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of_kind = |kind: &str| -> Vec<&Value> {
        events.iter().filter(|event| event["event"] == kind).collect()
    };
    let names: BTreeSet<_> = sim.logs().iter().map(|log| log.description()).collect();
    let logs = of_kind("log");
    assert_eq!(logs.iter().filter_map(|it| it["log"].as_str()).collect::<BTreeSet<_>>(), names);
    for log in logs {
        assert_eq!((&log["start"], &log["end"]), (&0.into(), &1_500.into()));
        assert_eq!((&log["entries"], &log["head_size"]), (&1_500.into(), &1_500.into()));
    }
    let parts = of_kind("part");
    assert_eq!(parts.len(), 4);
    for part in parts {
        let path = archive.join(part["part"].as_str().unwrap());
        assert_eq!(path.metadata().unwrap().len(), part["bytes"].as_u64().unwrap());
    }
    let progress = of_kind("progress");
    let waits: BTreeSet<_> = progress
        .iter()
        .flat_map(|it| it["waiting"].as_array().unwrap())
        .map(|wait| {
            assert!(names.contains(wait["log"].as_str().unwrap()));
            assert!(!wait["text"].as_str().unwrap().is_empty());
            wait["reason"].as_str().unwrap()
        })
        .collect();
    assert!(waits.contains("paused") || waits.contains("paced"), "{waits:?}");
    let last = progress.last().unwrap();
    for field in ["entries", "wanted", "parts", "bytes", "entries_per_second"] {
        assert!(last[field].is_u64(), "{field}: {last}");
    }
    let end = events.last().unwrap();
    let numbers = (&end["complete"], &end["entries"], &end["parts"]);
    assert_eq!(numbers, (&true.into(), &3_000.into(), &4.into()));
    let log = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(log.contains("complete entries=3000 parts=4"), "{log}");
}
