//! The flags: switches of the program, and one flag for each setting.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, Command, value_parser};
use serde_json::Value;

use crate::kind::Kind;
use crate::model::Config;
use crate::table::{SECTIONS, Section, Setting};
use crate::tree::{self, yaml};

/// A setting that `-h` shows.
struct Common {
    key: &'static str,
    short: Option<char>,
    /// Its description there.
    help: &'static str,
}

/// The settings that most people set.
const COMMON: [Common; 4] = [
    common("port", Some('p'), "TCP port to listen on [default: 8080]"),
    common("ct_log.state_file", None, "Save positions here, and resume from them"),
    common("protocols.sse", None, "Also stream over SSE, at /sse"),
    common("log_level", Some('l'), "Log level [default: info]"),
];

const fn common(key: &'static str, short: Option<char>, help: &'static str) -> Common {
    Common { key, short, help }
}

/// Returns the flag that names the configuration file.
fn config_file() -> Arg {
    Arg::new("config")
        .short('c')
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .global(true)
        .help("Configuration file")
        .long_help(
            "Configuration file\n\
             [env: CERTSTREAM_CONFIG] [default: the first that exists of config.yaml, config.yml, \
             /etc/certstream/config.yaml]",
        )
}

fn strict() -> Arg {
    rare(switch("strict", "Treat warnings about the configuration as errors (exit status 64)"))
        .global(true)
}

/// Returns the argument hidden from `-h`. The manual page only shows its long help.
fn rare(arg: Arg) -> Arg {
    let help = arg.get_help().cloned().unwrap_or_default();
    arg.hide_short_help(true).long_help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Returns the flags that are not settings.
pub(super) fn switches() -> [Arg; 8] {
    [
        config_file(),
        switch("demo", "Simulated certificates, no network").long_help(
            "Run on simulated logs, without network or state. Settings for log sources and state \
             are ignored, all others apply",
        ),
        rare(switch("dry-run", "Serve clients, but read no logs")),
        switch("validate-config", "Check the configuration, and exit")
            .long_help(
                "Check the configuration and the files it names, print a summary and all warnings, \
                 and exit",
            )
            .conflicts_with("print-config"),
        strict(),
        rare(switch(
            "print-config",
            "Print the complete configuration as YAML, with secrets hidden, and exit",
        )),
        rare(switch(
            "changed",
            "With --print-config: print only what differs from the defaults, and where each value \
             comes from",
        ))
        .requires("print-config"),
        rare(Arg::new("version").help("Print the version"))
            .short('V')
            .visible_short_alias('v')
            .long("version")
            .action(ArgAction::Version),
    ]
}

/// Returns the flags of all settings, the common ones first.
pub(super) fn settings() -> Vec<Arg> {
    let defaults = tree::of(&Config::default());
    let find = |key: &str| crate::table::find(key).and_then(|setting| flag(setting, &defaults));
    let common = COMMON.iter().filter_map(|common| {
        let arg = find(common.key)?.help(common.help);
        Some(common.short.into_iter().fold(arg, Arg::short))
    });
    let is_common = |setting: &Setting| COMMON.iter().any(|common| common.key == setting.key);
    let in_section = |section: &'static Section| {
        let others = section.settings().filter(|setting| !is_common(setting));
        others
            .filter_map(|setting| flag(setting, &defaults))
            .map(|arg| arg.help_heading(section.title).hide_short_help(true))
    };
    common.chain(SECTIONS.iter().flat_map(in_section)).collect()
}

fn flag(setting: &Setting, defaults: &Value) -> Option<Arg> {
    let name = setting.flag()?;
    let arg = Arg::new(name.clone())
        .long(name)
        .value_name(setting.kind.value_name())
        .help(setting.doc)
        .long_help(long_help(setting, defaults))
        .hide_possible_values(true);
    Some(match setting.kind {
        Kind::Bool => arg
            .num_args(0..=1)
            .default_missing_value("true")
            .value_parser(Words(&["true", "false"])),
        Kind::Choice(words) => arg.value_parser(Words(words)),
        Kind::Choices(words) | Kind::Subset(words) => {
            arg.value_parser(Words(words)).action(ArgAction::Append)
        }
        Kind::Texts | Kind::Urls => arg.action(ArgAction::Append),
        _ => arg,
    })
}

/// The words that shells complete a value with. [`Kind`] decides which values are allowed, as for
/// variables and files.
#[derive(Clone)]
struct Words(&'static [&'static str]);

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|word| PossibleValue::new(*word))))
    }
}

/// Returns the description of a setting, and below it its values, variables and default.
fn long_help(setting: &Setting, defaults: &Value) -> String {
    let mut facts = Vec::new();
    if !setting.kind.is_obvious() {
        facts.push(format!("[{}]", setting.kind));
    }
    facts.push(format!("[env: {}]", setting.env.join(", ")));
    let default = tree::select(defaults, setting.key).pop().map(|(_, value)| yaml::flow(value));
    if let Some(default) = default.filter(|default| default != "null") {
        facts.push(format!("[default: {default}]"));
    }
    format!("{}\n{}", setting.doc, facts.join(" "))
}
