//! The command line of `certstream-server search`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// The command that searches the certificates that a server keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchCommand {
    /// The server to ask; `None` to read a directory.
    pub url: Option<String>,
    /// The directory with the journal; `None` for that of the configuration.
    pub directory: Option<PathBuf>,
    /// The parameters of `/api/search`, but for its bounds and limit.
    pub parameters: Vec<(&'static str, String)>,
    /// The place of the first certificate: a time, a time ago, or an offset.
    pub since: Option<String>,
    /// The place to stop before.
    pub until: Option<String>,
    /// Results at most.
    pub limit: usize,
    /// True for JSON on a terminal too.
    pub json: bool,
    /// The file that contains the token.
    pub token_file: Option<PathBuf>,
    /// The request header that carries the token.
    pub token_header: String,
    /// PEM certificates to trust.
    pub ca_file: Option<PathBuf>,
}

/// The filters with a list of terms.
const TERMS: [(&str, &str); 5] = [
    ("domain", "Only certificates for these domains and names below them, or these addresses"),
    ("match", "Only certificates with a name that contains one of these"),
    ("ip", "Only certificates for these addresses or networks"),
    ("issuer", "Only certificates whose issuer name contains one of these"),
    ("log", "Only entries of logs whose name contains one of these"),
];

/// The parameters with a choice of values.
const CHOICES: [(&str, &[&str], &str); 3] = [
    ("entry", &["precert", "final"], "Only precertificates, or only final certificates"),
    (
        "unique",
        &["certificate", "name"],
        "Each issuer and serial number once, or only certificates with a name that none before has",
    ),
    ("order", &["newest", "oldest"], "The first to print [default: newest]"),
];

const SERIAL: &str = "serial";
const NEW: &str = "new";

const EXAMPLES: &[usage::Example] = &[
    ("certstream-server search --domain example.com --since 7d", "certificates of a week"),
    ("certstream-server search --url https://ct.example.org --match paypal", "a running server"),
    (
        "certstream-server search /var/lib/certstream --serial 03:AB:CD | jq .all_domains",
        "a directory",
    ),
];

/// Returns the command.
pub(super) fn command() -> Command {
    let (option, switch) = (super::commands::option, super::commands::switch);
    let directory = Arg::new("directory")
        .value_name("DIRECTORY")
        .value_parser(value_parser!(PathBuf))
        .conflicts_with("url")
        .help("The directory with the journal [default: data_dir]");
    let url = option(
        "url",
        "URL",
        "Search through the API of this server (http:// or https://) in place of a directory",
    );
    let choice = |(name, values, help): (&'static str, &'static [&'static str], &'static str)| {
        option(name, "VALUE", help).value_parser(values.to_vec())
    };
    let limit = option("limit", "NUMBER", "Certificates at most")
        .value_parser(value_parser!(u64).range(1..=100_000))
        .default_value("1000");
    Command::new("search")
        .about("Search the certificates that a server keeps")
        .arg(directory)
        .arg(url.short('u'))
        .args(TERMS.map(|(name, help)| option(name, "TERMS", help).action(ArgAction::Append)))
        .arg(option(SERIAL, "HEX", "Only certificates with this serial number"))
        .args(CHOICES.map(choice))
        .arg(switch(NEW, "Only certificates with a registrable domain that the server had not seen before"))
        .arg(option("since", "PLACE", "First certificate: a time, a time ago (7d, 12h), or an offset (@N)"))
        .arg(option("until", "PLACE", "Certificate to stop before, in the same forms"))
        .arg(limit)
        .arg(switch("json", "Print JSON, one certificate a line, on a terminal too"))
        .args(super::commands::access())
        .after_help(usage::examples(EXAMPLES))
        .after_long_help(format!(
            "{}\n\n\
             Prints a table on a terminal, and otherwise JSON, one certificate a line. A directory is \
             only read, also while a server runs with it. Standard error reports the time range that was \
             searched: always after a table, otherwise if nothing is found or a part was not searched, \
             which --limit can also cause. Separate several TERMS with commas, or repeat the option.\n\n\
             Exit status: 0 after the search, also if nothing is found; 1 if it fails, or the server \
             refuses it; 64 if the command line is wrong.",
            usage::examples(EXAMPLES),
        ))
}

/// Returns the request of the command.
pub(super) fn read(matches: &ArgMatches) -> SearchCommand {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let terms = |(name, _): &(&'static str, &str)| {
        let terms: Vec<String> = matches.get_many(name)?.cloned().collect();
        Some((*name, terms.join(",")))
    };
    let single = CHOICES.map(|(name, ..)| name).into_iter().chain([SERIAL]);
    let limit = matches.get_one("limit").copied().unwrap_or(0_u64);
    SearchCommand {
        url: text("url"),
        directory: matches.get_one("directory").cloned(),
        parameters: TERMS
            .iter()
            .filter_map(terms)
            .chain(single.filter_map(|name| Some((name, text(name)?))))
            .chain(matches.get_flag(NEW).then(|| (NEW, true.to_string())))
            .collect(),
        since: text("since"),
        until: text("until"),
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        json: matches.get_flag("json"),
        token_file: matches.get_one("token-file").cloned(),
        token_header: text("token-header").unwrap_or_default(),
        ca_file: matches.get_one("ca-file").cloned(),
    }
}
