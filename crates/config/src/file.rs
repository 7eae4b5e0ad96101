//! The configuration file: finding it, reading it, and reporting its mistakes with their places.

mod examine;
mod places;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_saphyr::{Error, MessageFormatter as _, Spanned, UserMessageFormatter};

use self::examine::{MOST_MISTAKES, Mistake, examine, indentation_slip, not_allowed};
use self::places::{Node, Place, Places};
use crate::changed::Origins;
use crate::compat::{self, CompatProblem, OtherVariables, ProfileOrigin, Translated};
use crate::error::{ConfigError, FileError, Origin, may_have_credentials};
use crate::model::Config;
use crate::table::{SECTIONS, SETTINGS};
use crate::tree;

/// The places of a file when none is named; the first that exists is used.
pub(crate) const SEARCH: &[&str] = &["config.yaml", "config.yml", "/etc/certstream/config.yaml"];

/// The state file of certstream-server-rust where its configuration names none.
const STATE_OF_RUST: &str = "certstream_state.json";

/// Largest configuration file in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Longest line shown in an error, in characters.
const MAX_EXCERPT: usize = 120;

/// A configuration file that was named.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) path: PathBuf,
    /// The flag or variable that named it, for the error when it cannot be read.
    pub(crate) by: &'static str,
}

/// The configuration of a file and of the variables of other servers.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// The configuration, without its invalid parts.
    pub(crate) config: Config,
    /// The file's unchanged contents.
    pub(crate) contents: Value,
    /// The file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// The reason for the profile of messages and the handling of duplicates.
    pub(crate) profile: ProfileOrigin,
    /// The places of the settings in the file.
    pub(crate) origins: Origins,
    /// Every mistake; the configuration can be used only if there is none.
    pub(crate) problems: Vec<ConfigError>,
}

/// Reads the named file, or else the first of `search` that exists, or else none, and applies the
/// variables of other servers.
///
/// # Errors
/// If the file cannot be read at all.
pub(crate) fn load(
    named: Option<Named>,
    search: &[PathBuf],
    theirs: &OtherVariables,
    warnings: &mut Vec<String>,
) -> Result<Loaded, ConfigError> {
    if let Some((path, bytes)) = find(named, search)? {
        let loaded = read(&path, &bytes, theirs, warnings)?;
        return Ok(Loaded { file: Some(path), ..loaded });
    }
    let Translated { config, profile, problems } =
        compat::translate(&Config::default(), Value::Null, theirs, warnings);
    let problems = problems.into_iter().map(by_variable).collect();
    Ok(Loaded { config, profile, problems, ..Loaded::default() })
}

fn by_variable(problem: CompatProblem) -> ConfigError {
    let CompatProblem { key, message, .. } = problem;
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
        let bytes = read_bytes(&path).map_err(|error| unreadable(&path, by, error))?;
        return within_limit(path, bytes).map(Some);
    }
    for path in search {
        match read_bytes(path) {
            Ok(bytes) => return within_limit(path.clone(), bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(path, "found there", error)),
        }
    }
    Ok(None)
}

/// Returns the warning for a server without a state file where that of certstream-server-rust lies in
/// the working folder or beside the configuration file `file`; none where it lies in neither.
pub(crate) fn unused_state(file: Option<&Path>) -> Option<String> {
    let beside = file.map(|file| file.with_file_name(STATE_OF_RUST));
    let mut places = [Some(PathBuf::from(STATE_OF_RUST)), beside].into_iter().flatten();
    let found = places.find(|path| path.is_file())?.display().to_string();
    Some(format!(
        "{found} exists, but ct_log.state_file is not set: its positions are not used, and every \
         start begins at the heads of the logs; add `state_file: {found}` to the section \
         `ct_log:`"
    ))
}

/// Reads at most one byte more than is allowed, so that the caller sees when there is too much.
///
/// The file has to be a regular one: opening a FIFO or a device could block for ever. Its type is
/// checked after opening, when nobody can exchange it any more.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn within_limit(path: PathBuf, bytes: Vec<u8>) -> Result<(PathBuf, Vec<u8>), ConfigError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigError::TooLarge { path, limit: MAX_BYTES });
    }
    Ok((path, bytes))
}

/// Reads the text of the file at `path`, and applies the variables of other servers. An empty file
/// sets nothing.
///
/// # Errors
/// If the text is not YAML, or not text.
pub(crate) fn read(
    path: &Path,
    bytes: &[u8],
    theirs: &OtherVariables,
    warnings: &mut Vec<String>,
) -> Result<Loaded, ConfigError> {
    let Ok(text) = str::from_utf8(bytes) else {
        let message = "the file is not UTF-8 text".to_owned();
        let path = path.to_owned();
        return Err(FileError { path, place: None, key: None, message, excerpt: None }.into());
    };
    let root = places::nodes(text);
    let document = Document { path, text, places: Places::in_tree(root.as_ref()) };
    let (config, mut problems) = match serde_saphyr::from_str::<Option<Config>>(text) {
        Ok(config) => {
            let config = config.unwrap_or_default();
            let problems = document.out_of_bounds(&config);
            (config, problems)
        }
        Err(error) => document.examine(root.as_ref(), &error)?,
    };
    let contents = serde_saphyr::from_str::<Option<Value>>(text).ok().flatten().unwrap_or_default();
    let Translated { config, profile, problems: theirs } =
        compat::translate(&config, contents.clone(), theirs, warnings);
    problems.sort_by_key(|problem| problem.place);
    let mut problems: Vec<ConfigError> = problems.into_iter().map(ConfigError::from).collect();
    problems.extend(theirs.into_iter().map(|problem| match problem.by_variable {
        true => by_variable(problem),
        false => document.compat(problem).into(),
    }));
    let origins = document.origins(&contents);
    Ok(Loaded { config, contents, file: None, profile, origins, problems })
}

struct Document<'a> {
    path: &'a Path,
    text: &'a str,
    places: Places,
}

impl Document<'_> {
    /// Returns the valid parts of a text that is not a configuration, and every mistake.
    fn examine(
        &self,
        root: Option<&Spanned<Node>>,
        error: &Error,
    ) -> Result<(Config, Vec<FileError>), FileError> {
        let Some(root) = root else { return Err(self.refuse(error)) };
        let (config, mistakes) = examine(self.text, root);
        let mut problems: Vec<FileError> = mistakes
            .into_iter()
            .map(|Mistake { place, key, message }| self.error(Some(place), Some(key), &message))
            .collect();
        let place = error.location().map(|at| (at.line(), at.column()));
        // A key that stands twice, for one, is found by the parser only.
        let is_repeated = matches!(error.without_snippet(), Error::DuplicateMappingKey { .. });
        if problems.is_empty() || is_repeated && problems.iter().all(|known| known.place != place) {
            problems.push(self.refuse(error));
        }
        Ok((config, problems))
    }

    /// Returns the parser's error, with its key.
    fn refuse(&self, error: &Error) -> FileError {
        let place = error.location().map(|at| (at.line(), at.column()));
        let key = place.and_then(|place| self.places.at(place)).map(|found| found.shown.clone());
        let slip = || place.and_then(|(line, _)| self.slip(line));
        let message = slip().unwrap_or_else(|| {
            hide_quoted(&UserMessageFormatter.format_message(error.without_snippet()))
        });
        self.error(place, key, &message)
    }

    /// Guesses the mistake on a line that is not YAML, or on the one before.
    fn slip(&self, line: u64) -> Option<String> {
        let unquoted = |line: u64| {
            let index = usize::try_from(line).ok()?.checked_sub(1)?;
            let (key, value) = self.text.lines().nth(index)?.trim().split_once(':')?;
            let value = value.split_once(" #").map_or(value, |(value, _)| value).trim();
            let is_address = value.starts_with("::") && ["host", "listen_addr"].contains(&key);
            is_address.then(|| format!("write the address in quotes: {key}: \"{value}\""))
        };
        let before = line.checked_sub(1).and_then(unquoted);
        unquoted(line).or(before).or_else(|| indentation_slip(self.text, line))
    }

    /// Returns the places of all settings that the file sets, also by a key of another server.
    fn origins(&self, contents: &Value) -> Origins {
        let mut origins = Origins::default();
        for setting in SETTINGS {
            let (key, section) = (setting.key, setting.section());
            // `dedup: false` sets `dedup.enabled`.
            let is_short = contents.get(section).is_some_and(Value::is_boolean);
            let ours = [Some(key), compat::alias(key), is_short.then_some(section)];
            let mut names = ours.into_iter().flatten().chain(compat::mapped_to(key));
            let place = names.find_map(|name| Some((name, self.places.of_key(name)?)));
            let Some((name, (line, _))) = place else { continue };
            let place = format!("{}:{line}", self.path.display());
            let origin = if name == key { place } else { format!("{place} ({name})") };
            origins.set(key, origin);
        }
        origins
    }

    /// Returns the error of another server's key.
    fn compat(&self, problem: CompatProblem) -> FileError {
        let CompatProblem { key, place_of, message, .. } = problem;
        let place = self.places.of_key(place_of.as_ref().unwrap_or(&key));
        self.error(place, Some(key), &message)
    }

    /// Returns the values outside the bounds of their settings; the types of [`Config`] alone allow
    /// more.
    fn out_of_bounds(&self, config: &Config) -> Vec<FileError> {
        let tree = tree::of(config);
        let mut problems = Vec::new();
        for setting in SETTINGS {
            for (key, value) in tree::select(&tree, setting.key) {
                if setting.kind.allows(value) || problems.len() == MOST_MISTAKES {
                    continue;
                }
                let alias = match self.places.of_key(&key) {
                    None => compat::alias(&key),
                    Some(_) => None,
                };
                let key = alias.map_or(key, str::to_owned);
                let place = self.places.of_key(&key);
                let can_be_shown = self.places.of(&key).is_none_or(Place::can_be_shown);
                let message = not_allowed(setting, value, can_be_shown);
                problems.push(self.error(place, Some(key), &message));
            }
        }
        problems
    }

    fn error(&self, place: Option<(u64, u64)>, key: Option<String>, message: &str) -> FileError {
        FileError {
            path: self.path.to_owned(),
            place,
            key: key.filter(|key| !key.is_empty()),
            message: message.replace(char::is_control, " "),
            excerpt: place.and_then(|(line, _)| self.excerpt(line)),
        }
    }

    /// Returns a line, unless it may contain a secret.
    fn excerpt(&self, line: u64) -> Option<String> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        let text = self.text.lines().nth(index)?;
        let fits = text.chars().count() <= MAX_EXCERPT;
        let can_be_shown = fits && self.places.can_be_shown(line) && !may_have_credentials(text);
        can_be_shown.then(|| text.replace(char::is_control, " "))
    }
}

/// Returns the parser's message without its quotes from the text, except names of keys: they may be
/// secrets.
fn hide_quoted(message: &str) -> String {
    const QUOTES: [char; 3] = ['`', '"', '\''];
    let mut shown = String::new();
    let mut rest = message;
    while let Some((before, quote, after)) = split_at_quote(rest, &QUOTES) {
        let Some((quoted, after)) = after.split_once(quote) else { break };
        let is_name = SETTINGS.iter().any(|setting| setting.name() == quoted)
            || SECTIONS.iter().any(|section| section.name == quoted);
        let quoted = if is_name { quoted } else { "(hidden)" };
        shown += &format!("{before}{quote}{quoted}{quote}");
        rest = after;
    }
    match split_at_quote(rest, &QUOTES) {
        Some((before, ..)) => shown + before,
        None => shown + rest,
    }
}

fn split_at_quote<'a>(text: &'a str, quotes: &[char]) -> Option<(&'a str, char, &'a str)> {
    let quote = text.chars().find(|c| quotes.contains(c))?;
    let (before, after) = text.split_once(quote)?;
    Some((before, quote, after))
}
