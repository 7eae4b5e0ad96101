//! `docs/faults.md`, written from the table.

use std::fmt::Write as _;

use super::lists;
use super::table::{GROUPS, Row, Where};

const HEAD: &str = include_str!("faults.head.md");

#[test]
fn the_documentation_is_the_table() {
    let mut text = HEAD.to_owned();
    for group in GROUPS {
        begin_table(&mut text, group.title);
        group.rows.iter().for_each(|row| write_row(&mut text, row));
    }
    begin_table(&mut text, "Log lists");
    for row in lists::ROWS {
        let seen = row.line.map_or_else(|| "nothing".to_owned(), said);
        writeln!(text, "| {} | {seen} | {} |", row.fault, row.does).expect("into memory");
    }
    golden::check("docs/faults.md", text, "-p follow faults::document");
}

fn said(line: &str) -> String {
    format!("log: `{line}`")
}

fn begin_table(text: &mut String, title: &str) {
    let columns = "| Fault | What the operator sees | What the server does |\n|---|---|---|";
    writeln!(text, "\n## {title}\n\n{columns}").expect("into memory");
}

fn write_row(text: &mut String, row: &Row) {
    let only = match row.at {
        Where::Both => "",
        Where::Rfc6962 => " (RFC 6962)",
        Where::StaticCt => " (static-ct)",
    };
    let line = row.line.map(said);
    let metric = row.metric.map(|metric| format!("`certstream_{}`", metric.name));
    let status = row.status.map(|status| status.words().to_owned());
    let seen: Vec<_> = [line, metric, status].into_iter().flatten().collect();
    let seen = if seen.is_empty() { "nothing".to_owned() } else { seen.join("; ") };
    writeln!(text, "| {}{only} | {seen} | {} |", row.fault, row.does).expect("into memory");
}
