//! `certstream-server logs`: lists the logs of the journal or the state file, and acknowledges their
//! alarms.
//!
//! An alarm can be acknowledged whether or not the server is running. A running server has the journal
//! or the state file locked; then the acknowledgement is left beside it, and the server processes it.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use follow::acknowledge;
use follow::position::{Position, State, StateError, StateFile};
use jiff::Timestamp;
use journal::storage::Disk;
use journal::{Directory, System};

use config::{Config, LogsCommand};

use crate::options;
use crate::state::persistent;

/// The time that a running server has to process an acknowledgement; it checks every few seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Executes the command and returns the text to print.
///
/// # Errors
/// If there is no usable journal or state file, or a name matches no log with an alarm.
pub fn run(config: &Config, command: &LogsCommand) -> anyhow::Result<String> {
    if config.cluster.is_on() {
        return in_cluster(config, command);
    }
    let kept = Kept::of(config)?;
    let state = kept.read()?;
    match command {
        LogsCommand::List => Ok(list(&state)),
        LogsCommand::Acknowledge(names) => {
            has_alarms(&state, names)?;
            if kept.acknowledge(config, names)? {
                return Ok("acknowledged".to_owned());
            }
            tell_server(&kept.acknowledgements(), names)?;
            Ok("acknowledged; the running server was notified".to_owned())
        }
    }
}

/// Executes the command on a node of a cluster, whose logs are in the stream and not in a file.
fn in_cluster(config: &Config, command: &LogsCommand) -> anyhow::Result<String> {
    match command {
        LogsCommand::List => bail!(
            "the stream of the cluster has the state of the logs; a running server shows its logs at \
             /api/logs (protocols.api)"
        ),
        LogsCommand::Acknowledge(names) => {
            let place = options::acknowledgements(config).context(
                "data_dir is not configured: a node of a cluster takes acknowledgements from there",
            )?;
            tell_server(&place, names)?;
            let text = "the running server passes the acknowledgement on to the node that leads, \
                        which logs the number of alarms that it ends";
            Ok(text.to_owned())
        }
    }
}

/// The place where the logs and their alarms are kept.
enum Kept<'c> {
    /// The journal in a directory.
    Journal(&'c Path),
    /// A state file.
    StateFile(&'c Path),
}

impl<'c> Kept<'c> {
    fn of(config: &'c Config) -> anyhow::Result<Self> {
        if let Some(data_dir) = &config.data_dir {
            return Ok(Self::Journal(data_dir));
        }
        let path = config.ct_log.state_file.as_deref().context(
            "neither data_dir nor ct_log.state_file is configured; a running server shows its logs \
             at /api/logs (protocols.api)",
        )?;
        Ok(Self::StateFile(path))
    }

    fn read(&self) -> anyhow::Result<State> {
        match self {
            Self::Journal(data_dir) => {
                let opened = Directory::open(Arc::new(Disk), &System::new(), data_dir);
                let journal = opened.context("data_dir")?;
                Ok(State::of_stream(journal.state()))
            }
            Self::StateFile(path) => Ok(State::read(path)?),
        }
    }

    /// Acknowledges the alarms of these logs. Returns `false` if a running server has to.
    fn acknowledge(&self, config: &Config, names: &[String]) -> anyhow::Result<bool> {
        match self {
            Self::Journal(data_dir) => persistent::acknowledge(config, data_dir, names),
            Self::StateFile(path) => match StateFile::open(path) {
                Ok(opened) => {
                    let mut state = opened.state;
                    for (url, position) in &mut state.logs {
                        if names.iter().any(|name| position.is_of(url, name)) {
                            position.alarms.clear();
                        }
                    }
                    opened.file.save(&state)?;
                    Ok(true)
                }
                Err(StateError::Locked { .. }) => Ok(false),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Returns the path beside which a running server finds acknowledgements.
    fn acknowledgements(&self) -> PathBuf {
        match self {
            Self::Journal(data_dir) => options::acknowledgements_in(data_dir),
            Self::StateFile(path) => path.to_path_buf(),
        }
    }
}

fn list(state: &State) -> String {
    let mut text = String::new();
    for (url, position) in &state.logs {
        let name = position.name.as_deref().unwrap_or("(unnamed)");
        let proved = match &position.tree {
            Some(tree) => format!("verified from {} to {}", tree.from, tree.proved_size),
            None => "not verified".to_owned(),
        };
        // Writing to a string cannot fail.
        let _infallible =
            writeln!(text, "{name}\n  {url}\n  next entry {}, {proved}", position.current_index);
        for alarm in &position.alarms {
            let at = i64::try_from(alarm.at).ok().and_then(|at| Timestamp::from_second(at).ok());
            let at = at.map_or_else(|| alarm.at.to_string(), |at| at.to_string());
            let evidence = alarm.evidence.as_deref().unwrap_or("none");
            let _infallible = writeln!(
                text,
                "  ALARM {at} {}: {}\n    entries {} to {}, evidence: {evidence}",
                alarm.kind, alarm.text, alarm.first, alarm.end
            );
        }
    }
    if text.is_empty() { "no log has been followed yet".to_owned() } else { text }
}

/// Checks that each name is that of a log with an alarm.
fn has_alarms(state: &State, names: &[String]) -> anyhow::Result<()> {
    let has_alarm = |name: &&String| {
        let meant = |(url, position): (&String, &Position)| {
            position.is_of(url, name) && !position.alarms.is_empty()
        };
        state.logs.iter().any(meant)
    };
    if let Some(unknown) = names.iter().find(|name| !has_alarm(name)) {
        bail!("no log named {unknown:?} has an open alarm; see: certstream-server logs list");
    }
    Ok(())
}

/// Writes the acknowledgement for the running server, and waits until that has processed it.
fn tell_server(path: &Path, names: &[String]) -> anyhow::Result<()> {
    match acknowledge::leave(path, names) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!(
                "the server has not processed an earlier acknowledgement yet; try again in a \
                   few seconds"
            )
        }
        left => {
            left.with_context(|| format!("cannot write to the folder of {}", path.display()))?;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while acknowledge::is_waiting(path)? {
        if Instant::now() > deadline {
            bail!(
                "the server that uses {} has not processed the acknowledgement yet; see its log",
                path.display()
            );
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use follow::{Alarm, AlarmKind};

    use super::*;

    fn alarmed(folder: &Path) -> (Config, StateFile) {
        let path = folder.join("state.json");
        let opened = StateFile::open(&path).expect("opens");
        let alarm = Alarm {
            kind: AlarmKind::Fork,
            at: 1_700_000_000,
            text: "two trees".to_owned(),
            first: 5,
            end: 9,
            evidence: None,
        };
        let position = Position {
            current_index: 9,
            name: Some("Example 2027".to_owned()),
            alarms: vec![alarm],
            ..Position::default()
        };
        let mut state = State::default();
        state.logs.insert("https://a.example/log".to_owned(), position);
        opened.file.save(&state).expect("saves");
        let mut config = Config::default();
        config.ct_log.state_file = Some(path);
        (config, opened.file)
    }

    #[test]
    fn alarms_are_listed_and_acknowledged_while_no_server_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, file) = alarmed(folder.path());
        let listed = run(&config, &LogsCommand::List).expect("lists, even while a server runs");
        for part in
            ["Example 2027", "next entry 9", "not verified", "ALARM 2023-11-14T22:13:20Z fork"]
        {
            assert!(listed.contains(part), "{listed}");
        }
        drop(file);
        let ack = |name: &str| run(&config, &LogsCommand::Acknowledge(vec![name.to_owned()]));
        assert!(ack("Example").is_err());
        assert_eq!(ack("example 2027").expect("acknowledges"), "acknowledged");
        assert!(ack("example 2027").is_err(), "there is no alarm any more");
        assert!(!run(&config, &LogsCommand::List).expect("lists").contains("ALARM"));
    }

    #[test]
    fn an_acknowledgement_reaches_a_running_server() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, file) = alarmed(folder.path());
        let server = thread::spawn(move || {
            loop {
                let names = file.take_acknowledgements().expect("reads");
                if !names.is_empty() {
                    return names;
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        let url = "https://a.example/log".to_owned();
        let told = run(&config, &LogsCommand::Acknowledge(vec![url.clone()]));
        assert_eq!(told.expect("acknowledges"), "acknowledged; the running server was notified");
        assert_eq!(server.join().expect("no panic"), [url]);
    }

    #[test]
    fn in_a_cluster_an_acknowledgement_reaches_the_running_node() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.cluster.url = vec!["nats://127.0.0.1:4222".to_owned()];
        let ack = LogsCommand::Acknowledge(vec!["Example 2027".to_owned()]);
        let error = run(&config, &ack).expect_err("there is no place for it");
        assert!(error.to_string().contains("data_dir"), "{error}");
        config.data_dir = Some(folder.path().to_path_buf());
        let place = options::acknowledgements(&config).expect("a place");
        let server = thread::spawn(move || {
            loop {
                let names = acknowledge::take(&place).expect("reads");
                if !names.is_empty() {
                    return names;
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        let told = run(&config, &ack).expect("the node takes it");
        assert!(told.contains("passes the acknowledgement on"), "{told}");
        assert_eq!(server.join().expect("no panic"), ["Example 2027"]);
        let error = run(&config, &LogsCommand::List).expect_err("no file has the logs");
        assert!(error.to_string().contains("/api/logs"), "{error}");
    }

    #[test]
    fn without_a_state_file_the_command_fails() {
        let error = run(&Config::default(), &LogsCommand::List).expect_err("nothing is kept");
        assert!(error.to_string().contains("data_dir"), "{error}");
    }
}
