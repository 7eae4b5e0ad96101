//! The command `views`: views of an archive for DuckDB.

/// Returns SQL that makes views of the Parquet files below a folder, or `s3://BUCKET/PREFIX`. Paths are as
/// the user gave them, so a folder may be relative to where DuckDB runs.
#[must_use]
pub fn sql(output: &str) -> String {
    let output = output.trim_end_matches('/');
    let files = format!("{output}/log=*/*.parquet").replace('\'', "''");
    VIEWS.replace("FILES", &files)
}

/// The views. `reversed_name` has a prefix of its own in each domain, so `below` reads only row groups
/// whose statistics admit it; the comparison with `.` leaves out `example-other.com`.
const VIEWS: &str = "\
-- Views of an archive of certstream-arrow, for DuckDB.

-- One row for each entry of a log.
CREATE OR REPLACE VIEW certificates AS
SELECT *
FROM read_parquet('FILES',
                  hive_partitioning = true, hive_types = {'log': VARCHAR}, union_by_name = true);

-- One row for each name of an entry.
CREATE OR REPLACE VIEW names AS
SELECT log, cert_index, submitted, not_before, not_after, issuer_o,
       unnest(domains) AS name, unnest(registered_domain) AS registered_domain
FROM certificates;

-- One row for each domain that is registered below a public suffix.
CREATE OR REPLACE VIEW registered_domains AS
SELECT registered_domain, count(DISTINCT name) AS names,
       count(DISTINCT (log, cert_index)) AS entries,
       min(submitted) AS first_submitted, max(submitted) AS last_submitted
FROM names
WHERE registered_domain IS NOT NULL
GROUP BY registered_domain;

-- The entries whose first name is a domain or below it: FROM below('example.com').
CREATE OR REPLACE MACRO reversed(domain) AS
    array_to_string(list_reverse(string_split(lower(domain), '.')), '.');
CREATE OR REPLACE MACRO below(domain) AS TABLE
SELECT *
FROM certificates
WHERE reversed_name >= reversed(domain) AND reversed_name < reversed(domain) || '/'
  AND (reversed_name = reversed(domain) OR starts_with(reversed_name, reversed(domain) || '.'));
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_given_and_quoted() {
        for (output, expected) in [
            ("archive", "'archive/log=*/*.parquet'"),
            ("s3://bucket/ct/", "'s3://bucket/ct/log=*/*.parquet'"),
            ("it's", "'it''s/log=*/*.parquet'"),
        ] {
            assert!(sql(output).contains(expected), "{output}");
        }
    }
}
