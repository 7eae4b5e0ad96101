//! The errors of a configuration, each with advice on how to fix it.

use std::fmt;
use std::path::PathBuf;

use crate::kind::Kind;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// A configuration file was named, or is there, but cannot be read.
    #[error("cannot read configuration file {} ({named_by}): {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The flag, variable or search path that named it.
        named_by: &'static str,
        /// The reason why it cannot be read.
        source: std::io::Error,
    },
    /// A configuration file is larger than any real one.
    #[error("configuration file {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The text of a configuration file is invalid.
    #[error(transparent)]
    File(#[from] FileError),
    /// A variable or flag has an invalid value.
    #[error("{origin}: {value} is not {expected}")]
    Value {
        /// The variable or flag.
        origin: Origin,
        /// The value as given, quoted; never that of a secret.
        value: String,
        /// The values that the setting allows.
        expected: Kind,
    },
    /// A variable requests something that is not offered, or contradicts another.
    #[error("{origin}: {message}")]
    Variable {
        /// The variable.
        origin: Origin,
        /// The problem and how to fix it.
        message: String,
    },
    /// Each value is valid, but they contradict each other.
    #[error("{}", list(problems, file.as_ref()))]
    Rules {
        /// The configuration file, if one was read.
        file: Option<PathBuf>,
        /// Every rule broken, at least one.
        problems: Vec<Problem>,
    },
    /// There is more than one mistake.
    #[error("{} mistakes{}", problems.len(), one_after_another(problems))]
    Several {
        /// Each mistake, at least two.
        problems: Vec<Self>,
    },
    /// There are warnings, and `--strict` makes them errors.
    #[error("--strict treats warnings as errors{}", lines(warnings))]
    Strict {
        /// The warnings, at least one.
        warnings: Vec<String>,
    },
    /// A running server cannot apply the configuration, because a part of it requires a restart.
    #[error("restart the server to apply it: without the new {keys}, {}", list(problems, None))]
    Waiting {
        /// The keys that require a restart.
        keys: String,
        /// The rules that the rest breaks.
        problems: Vec<Problem>,
    },
}

/// Reports whether a text may contain credentials, as a URL does before an `@`. It is then never shown.
pub(crate) fn may_have_credentials(text: &str) -> bool {
    text.contains('@')
}

/// Returns a value as messages quote it.
pub(crate) fn quoted(text: &str) -> String {
    if may_have_credentials(text) { "(hidden)".to_owned() } else { format!("{text:?}") }
}

impl ConfigError {
    /// The status of a process that refuses its configuration: `EX_USAGE` of sysexits.h.
    pub const EXIT_STATUS: u8 = 64;

    /// Returns all problems as one error.
    ///
    /// # Errors
    /// If there is a problem.
    pub(crate) fn none_of(mut problems: Vec<Self>) -> Result<(), Self> {
        match (problems.pop(), problems.is_empty()) {
            (None, _) => Ok(()),
            (Some(only), true) => Err(only),
            (Some(last), false) => {
                problems.push(last);
                Err(Self::Several { problems })
            }
        }
    }
}

/// The source of a value outside a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable, by its name.
    Variable(String),
    /// A command-line flag, by its name without dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// The text of a configuration file is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Line and column, from 1, where the place is known.
    pub place: Option<(u64, u64)>,
    /// The key, where the place is a key's.
    pub key: Option<String>,
    /// The problem.
    pub message: String,
    /// The line, where it can be shown.
    pub excerpt: Option<String>,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)?;
        let (Some((line, column)), Some(excerpt)) = (self.place, &self.excerpt) else {
            return Ok(());
        };
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        let indent =
            " ".repeat(usize::try_from(column).map_or(0, |column| column.saturating_sub(1)));
        write!(f, "\n {gutter} |\n {number} | {excerpt}\n {gutter} | {indent}^")
    }
}

/// A broken rule about several settings.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}: {advice}")]
pub struct Problem {
    /// The setting.
    pub key: String,
    /// Its value.
    pub value: String,
    /// The rule and how to follow it.
    pub advice: String,
}

fn one_after_another(problems: &[ConfigError]) -> String {
    problems.iter().map(|problem| format!("\n\n{problem}")).collect()
}

fn lines(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("\n  {warning}")).collect()
}

fn list(problems: &[Problem], file: Option<&PathBuf>) -> String {
    let file = file.map_or_else(String::new, |path| format!(" (file: {})", path.display()));
    let lines: String = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    format!("the configuration contradicts itself{file}{lines}")
}
