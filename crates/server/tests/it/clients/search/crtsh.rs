//! Searches in the form of crt.sh, as common tools write them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{generated, json, messages, server_of, until_searchable};
use crate::harness::logs;

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_crt_sh_work_with_another_host() {
    let sim = logs(generated(200, 0.0)).await;
    let (server, _folder) = server_of(&sim).await;
    let all = messages(&server, 400).await;
    until_searchable(&server, all[399].offset).await;
    let found = json(&server, "/api/search?domain=co.uk&limit=1000").await;
    let is_below = |name: &str| name.ends_with(".co.uk");
    let results = found["results"].as_array().expect("results");
    let names = |result: &Value| -> BTreeSet<String> {
        let names = result["all_domains"].as_array().expect("names").iter();
        names
            .filter_map(Value::as_str)
            .map(str::to_lowercase)
            .filter(|name| is_below(name))
            .collect()
    };
    let expected: Vec<(u64, BTreeSet<String>)> = results
        .iter()
        .map(|result| (result["offset"].as_u64().expect("an offset"), names(result)))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    assert!(expected.len() > 3, "{}", expected.len());
    for path in [
        "/?q=%25.co.uk&output=json",
        "/crtsh?q=%25.co.uk&output=json",
        "/?Identity=%.co.uk&output=json&exclude=expired",
        "/?q=%25.co.uk&output=json&match=ILIKE",
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["certstream-complete"], "true");
        let rows: Vec<Value> = response.json().await.expect("JSON");
        let found: Vec<(u64, BTreeSet<String>)> = rows
            .iter()
            .map(|row| {
                let names = row["name_value"].as_str().expect("names").split('\n');
                (row["id"].as_u64().expect("an id"), names.map(str::to_owned).collect())
            })
            .collect();
        if path.contains("expired") {
            assert!(found.iter().all(|row| expected.contains(row)), "{path}");
        } else {
            assert_eq!(found, expected, "{path}");
        }
        let fields = BTreeSet::from([
            "issuer_ca_id",
            "issuer_name",
            "common_name",
            "name_value",
            "id",
            "entry_timestamp",
            "not_before",
            "not_after",
            "serial_number",
            "result_count",
        ]);
        for row in &rows {
            let row = row.as_object().expect("an object");
            assert_eq!(row.keys().map(String::as_str).collect::<BTreeSet<_>>(), fields);
        }
    }
    // Without `output=json` there is the page.
    let page = server.get("/?q=%25.co.uk").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let refused = server.get("/?q=%25%25%25&output=json").await;
    assert_eq!(refused.status(), 400);
    server.stop().await;
    sim.shutdown().await;
}
