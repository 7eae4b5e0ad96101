//! The command line of `certstream-server alerts`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// An action on alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertsCommand {
    /// Prints the newest alerts of a running server.
    List(ListAlerts),
    /// Prints the dead letters in this directory, or else that of the configuration.
    DeadLetters(Option<PathBuf>, AlertFilter),
    /// Sends dead letters again.
    Retry(RetryAlerts),
    /// Sends a sample alert to these receivers; to all if there are none.
    Test(Vec<String>),
}

/// The alerts to print, and their server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListAlerts {
    /// The server; `None` for the one of the configuration.
    pub url: Option<String>,
    /// The alerts to print.
    pub filter: AlertFilter,
    /// The file that contains the token.
    pub token_file: Option<PathBuf>,
    /// The request header that carries the token.
    pub token_header: String,
    /// PEM certificates to trust.
    pub ca_file: Option<PathBuf>,
}

/// The alerts to print, and their form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// The rule; `None` for all.
    pub rule: Option<String>,
    /// Alerts at most.
    pub limit: usize,
    /// True for JSON, one alert a line.
    pub json: bool,
}

/// The dead letters to send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryAlerts {
    /// The directory; `None` for that of the configuration.
    pub directory: Option<PathBuf>,
    /// The rules; none for all.
    pub rules: Vec<String>,
    /// The receivers; none for all.
    pub receivers: Vec<String>,
    /// The receiver to send to; `None` for that of each letter.
    pub to: Option<String>,
}

/// Most alerts that a server remembers.
const MOST: u64 = 1000;

const EXAMPLES: &[usage::Example] = &[
    ("certstream-server -c config.yaml alerts test", "a sample alert to each receiver"),
    ("certstream-server -c config.yaml alerts list --rule \"our brand\"", "what was found"),
    ("certstream-server -c config.yaml alerts list --dead-letters", "what did not arrive"),
    ("certstream-server -c config.yaml alerts retry --receiver ops", "sends it again"),
];

/// Returns the command.
pub(super) fn command() -> Command {
    Command::new("alerts")
        .about("List alerts, send those again that did not arrive, or test receivers")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(list_command())
        .subcommand(retry_command())
        .subcommand(test_command())
        .after_help(usage::examples(EXAMPLES))
        .after_long_help(format!(
            "{}\n\n\
             Exit status: 0 on success; 1 if an alert did not arrive, or the command fails; 64 if the \
             command line or the configuration is wrong.",
            usage::examples(EXAMPLES),
        ))
}

fn directory() -> Arg {
    Arg::new("directory").value_name("DIRECTORY").value_parser(value_parser!(PathBuf))
}

fn list_command() -> Command {
    let (option, switch) = (super::commands::option, super::commands::switch);
    let url = option(
        "url",
        "URL",
        "The server, over http:// or https:// [default: the one of this configuration, on this \
         machine]",
    );
    let letters = switch(
        "dead-letters",
        "Print the alerts that did not arrive, from the data directory, in place of the newest ones of \
         a running server",
    );
    let limit = option("limit", "NUMBER", "Alerts at most, the newest ones")
        .value_parser(value_parser!(u64).range(1..=MOST))
        .default_value("100");
    Command::new("list")
        .about("Print the newest alerts, or those that did not arrive")
        .arg(url.short('u').conflicts_with("dead-letters"))
        .arg(letters)
        .arg(directory().requires("dead-letters").help("With --dead-letters: the data directory [default: data_dir]"))
        .arg(option("rule", "NAME", "Only alerts of this rule"))
        .arg(limit)
        .arg(switch("json", "Print JSON, one alert a line"))
        .args(super::commands::access())
        .after_help(
            "A server answers if protocols.api and alerts.rules are set: with a token if auth.enabled is \
             set, and otherwise only to this machine.",
        )
}

fn retry_command() -> Command {
    let option = super::commands::option;
    let many = |name, help| option(name, "NAME", help).action(ArgAction::Append);
    Command::new("retry")
        .about("Send alerts again that did not arrive, also while the server runs")
        .arg(directory().help("The data directory [default: data_dir]"))
        .arg(many("rule", "Only alerts of this rule; repeat the option for others"))
        .arg(many("receiver", "Only alerts for this receiver; repeat the option for others"))
        .arg(option("to", "NAME", "Send them to this receiver, whatever receiver they were for"))
        .after_help(
            "The oldest is sent first. Each one that arrives leaves the file of dead letters. After a \
             receiver has failed five times in a row, the others for it stay in the file.",
        )
}

fn test_command() -> Command {
    let receivers = Arg::new("receiver")
        .value_name("RECEIVER")
        .num_args(0..)
        .help("Names of receivers [default: all]");
    Command::new("test")
        .about(
            "Send a sample alert to receivers now, without a server, and print what each answers",
        )
        .arg(receivers)
}

/// Returns the request of the command.
pub(super) fn read(matches: &ArgMatches) -> AlertsCommand {
    match matches.subcommand() {
        Some(("retry", matches)) => AlertsCommand::Retry(RetryAlerts {
            directory: matches.get_one("directory").cloned(),
            rules: texts(matches, "rule"),
            receivers: texts(matches, "receiver"),
            to: matches.get_one("to").cloned(),
        }),
        Some(("test", matches)) => AlertsCommand::Test(texts(matches, "receiver")),
        Some((_, matches)) => list(matches),
        None => AlertsCommand::List(ListAlerts::default()),
    }
}

fn list(matches: &ArgMatches) -> AlertsCommand {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let limit = matches.get_one("limit").copied().unwrap_or(MOST);
    let filter = AlertFilter {
        rule: text("rule"),
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        json: matches.get_flag("json"),
    };
    if matches.get_flag("dead-letters") {
        return AlertsCommand::DeadLetters(matches.get_one("directory").cloned(), filter);
    }
    AlertsCommand::List(ListAlerts {
        url: text("url"),
        filter,
        token_file: matches.get_one("token-file").cloned(),
        token_header: text("token-header").unwrap_or_default(),
        ca_file: matches.get_one("ca-file").cloned(),
    })
}

fn texts(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches.get_many(name).map(|texts| texts.cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Option<AlertsCommand> {
        let matches = command().try_get_matches_from([&["alerts"], arguments].concat());
        matches.ok().map(|matches| read(&matches))
    }

    #[test]
    fn each_action_has_its_options() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let retry = RetryAlerts {
            directory: Some("data".into()),
            rules: names(&["a", "b"]),
            receivers: names(&["ops"]),
            to: Some("mail".to_owned()),
        };
        let words = ["retry", "data", "--rule=a", "--rule=b", "--receiver", "ops", "--to", "mail"];
        assert_eq!(parsed(&words), Some(AlertsCommand::Retry(retry)));
        assert_eq!(parsed(&["test"]), Some(AlertsCommand::Test(Vec::new())));
        assert_eq!(parsed(&["test", "a", "b"]), Some(AlertsCommand::Test(names(&["a", "b"]))));
        let filter = AlertFilter { rule: Some("a".to_owned()), limit: 5, json: true };
        let letters = AlertsCommand::DeadLetters(Some("data".into()), filter);
        let words = ["list", "--dead-letters", "data", "--rule=a", "--limit=5", "--json"];
        assert_eq!(parsed(&words), Some(letters));
        match parsed(&["list", "--url", "https://a"]) {
            Some(AlertsCommand::List(ListAlerts { url, filter, token_header, .. })) => {
                assert_eq!((url.as_deref(), filter.limit), (Some("https://a"), 100));
                assert_eq!((filter.rule, &*token_header), (None, "Authorization"));
            }
            other => panic!("{other:?}"),
        }
        let refused: [&[&str]; 6] = [
            &[],
            &["list", "data"],
            &["list", "--dead-letters", "--url=https://a"],
            &["list", "--limit=0"],
            &["list", "--limit=1001"],
            &["help"],
        ];
        for words in refused {
            assert_eq!(parsed(words), None, "{words:?}");
        }
    }
}
