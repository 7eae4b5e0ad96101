//! Results on standard output: a table on a terminal, otherwise JSON.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use client::text::shown;
use jiff::Timestamp;
use serde_json::Value;

/// Names that a row shows at most.
const NAMES: usize = 3;

/// Standard output.
#[derive(Debug)]
pub(super) struct Output {
    out: BufWriter<Stdout>,
    is_table: bool,
    has_header: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let out = io::stdout();
        let is_table = !json && out.is_terminal();
        Self { out: BufWriter::new(out), is_table, has_header: false }
    }

    /// Writes a result, which is one line of JSON.
    pub(super) fn result(&mut self, json: &str) -> io::Result<()> {
        if !self.is_table {
            self.out.write_all(json.as_bytes())?;
            return self.out.write_all(b"\n");
        }
        if !self.has_header {
            self.has_header = true;
            let header = row("SEEN", "ENTRY", "UNTIL", "ISSUER", "NAMES");
            self.out.write_all(header.as_bytes())?;
        }
        let result: Value = serde_json::from_str(json).map_err(io::Error::other)?;
        self.out.write_all(of(&result).as_bytes())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns the row of a result.
fn of(result: &Value) -> String {
    let time = |seconds: Option<i64>| seconds.and_then(|time| Timestamp::from_second(time).ok());
    let seen = time(result["seen"].as_f64().map(|seconds| seconds as i64));
    let seen = seen.map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let until = time(result["not_after"].as_i64());
    let until = until.map_or_else(String::new, |time| time.strftime("%Y-%m-%d").to_string());
    let is_precertificate = result["update_type"] == "PrecertLogEntry";
    let entry = if is_precertificate { "precert" } else { "final" };
    let issuer = &result["issuer"];
    let issuer = issuer["O"].as_str().or_else(|| issuer["CN"].as_str()).unwrap_or_default();
    let names = [&result["names"], &result["all_domains"]];
    let names = names.into_iter().find_map(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut shown_names: Vec<String> =
        names.iter().filter_map(Value::as_str).take(NAMES).map(shown).collect();
    if names.len() > NAMES {
        shown_names.push(format!("+{}", names.len() - NAMES));
    }
    row(&seen, entry, &until, &shown(issuer), &shown_names.join(" "))
}

/// Returns a line with columns.
fn row(seen: &str, entry: &str, until: &str, issuer: &str, names: &str) -> String {
    let issuer: String = issuer.chars().take(24).collect();
    format!("{seen:<19}  {entry:<7}  {until:<10}  {issuer:<24}  {names}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_names_that_are_new_or_all_and_nothing_that_controls_a_terminal() {
        let mut result = serde_json::json!({
            "seen": 1_764_455_467.9, "update_type": "PrecertLogEntry", "not_after": 1_780_000_000,
            "issuer": {"O": "An\u{1b}[31m issuer", "CN": "R1"},
            "all_domains": ["a.example", "b.example", "c.example", "d.example"],
        });
        let row = of(&result);
        assert!(
            row.starts_with("2025-11-29 22:31:07  precert  2026-05-28  An [31m issuer  "),
            "{row}"
        );
        assert!(row.ends_with("  a.example b.example c.example +1\n"), "{row}");
        result["names"] = serde_json::json!(["d.example"]);
        assert!(of(&result).ends_with("  d.example\n"));
    }
}
