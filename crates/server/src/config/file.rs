//! The configuration file: which one, and what it says.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use follow::file;
use serde_json::Value;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use super::error::{ConfigError, FileError, Origin};
use super::model::Config;
use super::peers::{self, PeerProblem, PeerValue};
use super::places::{Place, Places};
use super::table::SETTINGS;
use super::tree;

/// Where a file is looked for when none is named; the first that is there counts.
pub(super) const SEARCH: &[&str] = &["config.yaml", "config.yml", "/etc/certstream/config.yaml"];

/// Largest configuration file in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Longest line shown in an error, in characters.
const MAX_EXCERPT: usize = 120;

/// A configuration file that somebody asked for.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) path: PathBuf,
    /// Who asked, for the error that says it cannot be read.
    pub(super) by: &'static str,
}

/// Reads the file named, or else the first of `search` that is there, or else none. To it are added
/// the variables of other servers.
pub(super) fn load(
    named: Option<Named>,
    search: &[PathBuf],
    theirs: &[PeerValue],
    warnings: &mut Vec<String>,
) -> Result<(Config, Option<PathBuf>), ConfigError> {
    match find(named, search)? {
        Some((path, bytes)) => Ok((read(&path, &bytes, theirs, warnings)?, Some(path))),
        None => {
            let config = peers::translate(&Config::default(), Value::Null, theirs, warnings);
            Ok((config.map_err(by_variable)?, None))
        }
    }
}

fn by_variable(problem: PeerProblem) -> ConfigError {
    let PeerProblem { key, message, .. } = problem;
    ConfigError::Variable { origin: Origin::Variable(key), message }
}

fn find(
    named: Option<Named>,
    search: &[PathBuf],
) -> Result<Option<(PathBuf, Vec<u8>)>, ConfigError> {
    let unreadable = |path: &Path, named_by, source| ConfigError::Unreadable {
        path: path.to_owned(),
        named_by,
        source,
    };
    if let Some(Named { path, by }) = named {
        let bytes = contents(&path).map_err(|error| unreadable(&path, by, error))?;
        return within_limit(path, bytes).map(Some);
    }
    for path in search {
        match contents(path) {
            Ok(bytes) => return within_limit(path.clone(), bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(path, "found there", error)),
        }
    }
    Ok(None)
}

/// At most one byte more than is allowed, so that too much can be told.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn within_limit(path: PathBuf, bytes: Vec<u8>) -> Result<(PathBuf, Vec<u8>), ConfigError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigError::TooLarge { path, limit: MAX_BYTES });
    }
    Ok((path, bytes))
}

/// What the text of the file at `path` says, with the variables of other servers. An empty file says
/// nothing.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    theirs: &[PeerValue],
    warnings: &mut Vec<String>,
) -> Result<Config, ConfigError> {
    let Ok(text) = str::from_utf8(bytes) else {
        let message = "the file is not UTF-8 text".to_owned();
        let path = path.to_owned();
        return Err(FileError { path, place: None, key: None, message, excerpt: None }.into());
    };
    let document = Document { path, text };
    let config = serde_saphyr::from_str::<Option<Config>>(text)
        .map_err(|error| document.refuse(&error))?
        .unwrap_or_default();
    let said = serde_saphyr::from_str::<Option<Value>>(text)
        .map_err(|error| document.refuse(&error))?
        .unwrap_or_default();
    let config = peers::translate(&config, said, theirs, warnings).map_err(|problem| {
        if problem.by_variable { by_variable(problem) } else { document.peer(problem).into() }
    })?;
    document.check_bounds(&config)?;
    Ok(config)
}

struct Document<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Document<'_> {
    /// The parser's error, with the key it is about and what that key's setting can be.
    fn refuse(&self, error: &serde_saphyr::Error) -> FileError {
        let place = error.location().map(|at| (at.line(), at.column()));
        let found = place.and_then(|place| Places::of(self.text).at(place).cloned());
        let setting = found.as_ref().and_then(Place::setting);
        let message = match setting {
            Some(setting) => format!("expected {}", setting.kind),
            None => UserMessageFormatter.format_message(error.without_snippet()).into_owned(),
        };
        let key = found.map(|found| found.shown).filter(|key| !key.is_empty());
        self.error(place, key, &message, setting.is_some_and(|setting| setting.secret))
    }

    /// What another server's key says and cannot be.
    fn peer(&self, problem: PeerProblem) -> FileError {
        let PeerProblem { key, message, .. } = problem;
        let place = Places::of(self.text).of_key(&key);
        self.error(place, Some(key).filter(|key| !key.is_empty()), &message, false)
    }

    /// The bounds of each setting; the types of [`Config`] alone allow more.
    fn check_bounds(&self, config: &Config) -> Result<(), FileError> {
        let tree = tree::of(config);
        for setting in SETTINGS {
            for (key, value) in tree::select(&tree, setting.key) {
                if !setting.kind.allows(value) {
                    let places = Places::of(self.text);
                    let alias = peers::alias(&key).filter(|_| places.of_key(&key).is_none());
                    let key = alias.map_or(key, str::to_owned);
                    let place = places.of_key(&key);
                    let message = if setting.secret {
                        format!("expected {}", setting.kind)
                    } else {
                        format!("{value} is not {}", setting.kind)
                    };
                    return Err(self.error(place, Some(key), &message, setting.secret));
                }
            }
        }
        Ok(())
    }

    fn error(
        &self,
        place: Option<(u64, u64)>,
        key: Option<String>,
        message: &str,
        secret: bool,
    ) -> FileError {
        FileError {
            path: self.path.to_owned(),
            place,
            key,
            message: message.replace(char::is_control, " "),
            excerpt: place.filter(|_| !secret).and_then(|(line, _)| self.excerpt(line)),
        }
    }

    /// A line, unless it may hold a secret.
    fn excerpt(&self, line: u64) -> Option<String> {
        let places = Places::of(self.text);
        let mut secrets = SETTINGS.iter().filter(|setting| setting.secret);
        let may_be = places.is_empty() && secrets.any(|secret| self.text.contains(secret.name()));
        if may_be || places.is_secret(line) {
            return None;
        }
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        let line = self.text.lines().nth(index)?;
        let fits = line.chars().count() <= MAX_EXCERPT;
        fits.then(|| line.replace(char::is_control, " "))
    }
}
