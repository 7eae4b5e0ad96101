//! Searches in the form of crt.sh, as common tools write them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::brute::Message;
use super::{generated, json, messages, offsets, server_of, until_searchable};
use crate::harness::{Running, logs};

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

/// The answer to a request in the form of crt.sh: the ids of its rows, with their names.
async fn rows(server: &Running, query: &str) -> Vec<(u64, String)> {
    let path = format!("/?{query}&output=json");
    let response = server.look_up(&path).await;
    assert_eq!(response.status(), 200, "{path}");
    assert_eq!(response.headers()["content-type"], "application/json", "{path}");
    assert_eq!(response.headers()["certstream-complete"], "true", "{path}");
    let rows: Vec<Value> = response.json().await.expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    rows.iter().map(|row| (row["id"].as_u64().expect("an id"), text(&row["name_value"]))).collect()
}

fn ids(rows: &[(u64, String)]) -> Vec<u64> {
    rows.iter().map(|(id, _)| *id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_found_by_fingerprint_id_and_serial_number() {
    let sim = logs(generated(200, 0.0)).await;
    let (server, _folder) = server_of(&sim).await;
    let all = messages(&server, 400).await;
    until_searchable(&server, all[399].offset).await;
    let found = json(&server, "/api/search?domain=com&limit=1").await;
    let found = &found["results"][0];
    let text = |name: &str| found[name].as_str().expect("text").to_owned();
    let (sha256, sha1, serial) = (text("sha256"), text("sha1"), text("serial_number"));
    let offset = found["offset"].as_u64().expect("an offset");
    let plain = sha256.replace(':', "");
    for query in [
        format!("q={plain}"),
        format!("q={}&exclude=", plain.to_lowercase()),
        format!("q={sha256}"),
        format!("sha256={plain}"),
        format!("sha1={sha1}"),
        format!("q={}", sha1.replace(':', "")),
        format!("q={offset}"),
        format!("id={offset}"),
        format!("id={offset}&exclude=expired"),
    ] {
        assert_eq!(ids(&rows(&server, &query).await), [offset], "{query}");
    }
    let same = json(&server, &format!("/api/search?serial={serial}")).await;
    let same = offsets(same["results"].as_array().expect("results"));
    assert!(same.contains(&offset));
    assert_eq!(ids(&rows(&server, &format!("serial={serial}")).await), same);
    // A download is the certificate, also by its fingerprint.
    let pem = server.look_up(&format!("/api/cert/{plain}?format=pem")).await;
    let pem = pem.text().await.expect("text");
    for query in [format!("d={offset}"), format!("d={plain}")] {
        let file = server.look_up(&format!("/?{query}")).await;
        let name = format!("attachment; filename=\"{offset}.crt\"");
        assert_eq!(file.headers()["content-disposition"], name, "{query}");
        assert_eq!(file.text().await.expect("text"), pem, "{query}");
    }
    // An address is the name that matches.
    let address = all.iter().find_map(Message::address).expect("an address");
    let with = json(&server, &format!("/api/search?ip={address}")).await;
    let with = offsets(with["results"].as_array().expect("results"));
    let expected: Vec<(u64, String)> =
        with.iter().map(|offset| (*offset, address.to_string())).collect();
    assert!(!expected.is_empty());
    for name in ["q", "Identity", "iPAddress"] {
        assert_eq!(rows(&server, &format!("{name}={address}")).await, expected, "{name}");
    }
    // It is the name of a certificate without others.
    let (id, name) = &rows(&server, &format!("id={}", with[0])).await[0];
    assert!(*id == with[0] && name.contains(&address.to_string()), "{id} {name}");
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_cannot_be_searched_is_no_page() {
    let sim = logs(generated(20, 0.0)).await;
    let (server, _folder) = server_of(&sim).await;
    let all = messages(&server, 40).await;
    until_searchable(&server, all[39].offset).await;
    // Everything is kept, so an unknown fingerprint is not there.
    for query in ["q=", "sha256="].map(|name| format!("{name}{}", "ab".repeat(32))) {
        assert_eq!(rows(&server, &query).await, [], "{query}");
    }
    for (query, status, reason) in [
        ("O=Example&output=json", 400, "O: this cannot be looked for"),
        ("ski=5&output=json", 400, "ski: this cannot be looked for"),
        ("serial=xyz&output=json", 400, "serial: a serial number has"),
        ("sha256=abc&output=json", 400, "sha256: a fingerprint has 40 or 64"),
        ("d=abc", 400, "d: this must be the id of a result"),
        ("id=5&output=json", 404, "ids are offsets in the stream of this server"),
        ("q=12345678&output=json", 404, "no certificate that is kept has the id 12345678"),
        ("d=18446744073709551615", 404, "ids are offsets in the stream of this server"),
        (&format!("d={}", "ab".repeat(20)), 404, "Certificate not found"),
    ] {
        let response = server.look_up(&format!("/?{query}")).await;
        assert_eq!(response.status(), status, "{query}");
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8", "{query}");
        let text = response.text().await.expect("text");
        assert!(text.contains(reason), "{query}: {text}");
    }
    server.stop().await;
    sim.shutdown().await;
}
