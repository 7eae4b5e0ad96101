//! Results on standard output: a table on a terminal, otherwise JSON.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use client::text::shown;
use config::SearchCommand;
use jiff::Timestamp;
use rustix::termios::tcgetwinsize;
use serde_json::Value;
use wire::filter::{Filter, Parameter};

use super::MOST_TERMS;
use crate::commands::tail::line::Highlight;

/// The width of a terminal that does not report it, and the least that a table needs.
const USUAL: usize = 80;
const LEAST: usize = 60;
/// The width from which a table also has the end of the validity, and more of the issuer.
const WIDE: usize = 110;

/// Standard output.
#[derive(Debug)]
pub(super) struct Output {
    out: BufWriter<Stdout>,
    /// None for JSON.
    table: Option<Table>,
    /// Results so far.
    pub(super) found: usize,
}

/// The columns of a table that fits the terminal.
#[derive(Debug)]
struct Table {
    width: usize,
    highlight: Highlight,
}

impl Output {
    pub(super) fn new(command: &SearchCommand) -> Self {
        let out = io::stdout();
        let is_table = !command.json && out.is_terminal();
        let table = is_table.then(|| Table { width: width(&out), highlight: highlight(command) });
        Self { out: BufWriter::new(out), table, found: 0 }
    }

    pub(super) const fn is_table(&self) -> bool {
        self.table.is_some()
    }

    /// Writes a result, which is one line of JSON.
    pub(super) fn result(&mut self, json: &str) -> io::Result<()> {
        self.found += 1;
        let Some(table) = &self.table else {
            self.out.write_all(json.as_bytes())?;
            return self.out.write_all(b"\n");
        };
        if self.found == 1 {
            self.out.write_all(table.header().as_bytes())?;
        }
        let result: Value = serde_json::from_str(json).map_err(io::Error::other)?;
        self.out.write_all(table.of(&result).as_bytes())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns the width of the terminal.
fn width(terminal: &Stdout) -> usize {
    let reported = tcgetwinsize(terminal).map_or(0, |size| usize::from(size.ws_col));
    if reported == 0 { USUAL } else { reported }
}

/// Returns the terms whose names come first.
fn highlight(command: &SearchCommand) -> Highlight {
    let of_filter = |name: &str| Parameter::from_name(name).is_some();
    let terms = command.parameters.iter().filter(|(name, _)| of_filter(name));
    let filter = Filter::parse(terms.map(|(name, text)| (*name, text.as_str())), MOST_TERMS);
    // The search itself refuses terms that are wrong.
    Highlight::of(filter.ok().flatten().as_ref())
}

impl Table {
    fn header(&self) -> String {
        self.row(["SEEN (UTC)", "ENTRY", "UNTIL", "ISSUER"], "NAMES")
    }

    /// Returns the row of a result.
    fn of(&self, result: &Value) -> String {
        let time = |seconds: Option<i64>, format: &str| {
            let time = seconds.and_then(|time| Timestamp::from_second(time).ok());
            time.map_or_else(String::new, |time| time.strftime(format).to_string())
        };
        let seen = time(result["seen"].as_f64().map(|seconds| seconds as i64), "%Y-%m-%d %H:%M");
        let until = time(result["not_after"].as_i64(), "%Y-%m-%d");
        let is_precertificate = result["update_type"] == "PrecertLogEntry";
        let entry = if is_precertificate { "precert" } else { "final" };
        let issuer = &result["issuer"];
        let issuer = issuer["O"].as_str().or_else(|| issuer["CN"].as_str()).unwrap_or_default();
        let names = fitting(&self.names(result), self.names_width());
        self.row([&seen, entry, &until, &shown(issuer)], &names)
    }

    /// Returns the names of a result, those that match first; with `unique=name` those that are new.
    fn names<'r>(&self, result: &'r Value) -> Vec<&'r str> {
        let names =
            [&result["names"], &result["all_domains"]].into_iter().find_map(Value::as_array);
        let names = names.map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str);
        let (mut names, others): (Vec<_>, Vec<_>) =
            names.partition(|name| self.highlight.matches(name));
        names.extend(others);
        if names.is_empty() {
            names.push(result["subject"]["CN"].as_str().unwrap_or("(no name)"));
        }
        names
    }

    const fn is_wide(&self) -> bool {
        self.width >= WIDE
    }

    const fn issuer_width(&self) -> usize {
        if self.is_wide() { 24 } else { 14 }
    }

    fn names_width(&self) -> usize {
        let until = if self.is_wide() { 12 } else { 0 };
        self.width.max(LEAST) - (16 + 2 + 7 + 2 + until + self.issuer_width() + 2)
    }

    fn row(&self, [seen, entry, until, issuer]: [&str; 4], names: &str) -> String {
        let width = self.issuer_width();
        let issuer = if issuer.chars().count() > width {
            format!("{}…", issuer.chars().take(width - 1).collect::<String>())
        } else {
            issuer.to_owned()
        };
        let until = if self.is_wide() { format!("{until:<10}  ") } else { String::new() };
        format!("{seen:<16}  {entry:<7}  {until}{issuer:<width$}  {names}\n")
    }
}

/// Returns as many names as fit, at least one, and the number of the others.
fn fitting(names: &[&str], width: usize) -> String {
    let others = |shown: usize| match names.len() - shown {
        0 => String::new(),
        more => format!(" +{more}"),
    };
    let mut text = String::new();
    for (position, name) in names.iter().enumerate() {
        let left = width.saturating_sub(others(position + 1).len());
        let longer = match position {
            0 => end(name, left),
            _ => format!("{text} {}", end(name, width)),
        };
        if position > 0 && longer.chars().count() > left {
            return text + &others(position);
        }
        text = longer;
    }
    text
}

/// Returns the end of a name, which says whose it is, with an ellipsis in place of the rest.
fn end(name: &str, width: usize) -> String {
    let over = name.chars().count().saturating_sub(width);
    if over == 0 {
        return shown(name);
    }
    format!("…{}", shown(&name.chars().skip(over + 1).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: usize) -> Table {
        let parameters = [("match", "shop")].into_iter();
        let filter = Filter::parse(parameters, MOST_TERMS).expect("a filter");
        Table { width, highlight: Highlight::of(filter.as_ref()) }
    }

    fn result(names: &[&str]) -> Value {
        serde_json::json!({
            "seen": 1_764_455_467.9, "update_type": "PrecertLogEntry", "not_after": 1_780_000_000,
            "issuer": {"O": "An\u{1b}[31m issuer with a long name", "CN": "R1"},
            "subject": {"CN": "its subject"}, "all_domains": names,
        })
    }

    #[test]
    fn a_row_has_the_names_that_match_first_and_nothing_that_controls_a_terminal() {
        let mut result =
            result(&["a.example", "b.example", "shop.example", "d.example", "e.example"]);
        assert_eq!(
            table(80).of(&result),
            "2025-11-29 22:31  precert  An [31m issue…  shop.example a.example b.example +2\n"
        );
        assert_eq!(
            table(120).of(&result),
            "2025-11-29 22:31  precert  2026-05-28  An [31m issuer with a l…  shop.example a.example \
             b.example d.example e.example\n"
        );
        result["names"] = serde_json::json!(["d.example"]);
        assert!(table(80).of(&result).ends_with("  d.example\n"), "the names that are new");
        assert!(table(80).of(&self::result(&[])).ends_with("  its subject\n"));
    }

    #[test]
    fn rows_fit_the_terminal_and_long_names_keep_their_ends() {
        let long = format!("{}.shop.example.com", "a".repeat(230));
        for names in
            [&[long.as_str()][..], &["b.example", &long, "c.example"], &["ß\u{202e}.example"; 100]]
        {
            for width in [60, 80, 100, 120, 300] {
                let row = table(width).of(&result(names));
                assert!(row.trim_end().chars().count() <= width, "{width}: {row}");
                assert!(!row.contains('\u{202e}'), "{row}");
            }
        }
        let row = table(80).of(&result(&["b.example", &long]));
        assert!(row.contains("  …aaaa") && row.ends_with("a.shop.example.com +1\n"), "{row}");
        assert!(table(80).header().ends_with("ISSUER          NAMES\n"));
    }
}
