//! Tests of the configuration as a whole; what they share.

mod alerts;
mod broken_rules;
mod cluster;
mod compat;
mod files;
mod mistakes;
mod outputs;
mod reference;
mod sources;
mod table;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

/// A configuration file, in a directory of its own.
struct Written {
    directory: TempDir,
    path: PathBuf,
}

impl Written {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.yaml");
        fs::write(&path, text).expect("a file");
        Self { directory, path }
    }

    fn flag(&self) -> String {
        format!("--config={}", self.path.display())
    }
}

fn invoke(args: &[&str], env: &[(&str, &str)]) -> Result<Invocation, ConfigError> {
    invoke_with(args, env, &[])
}

fn invoke_with(
    args: &[&str],
    env: &[(&str, &str)],
    search: &[PathBuf],
) -> Result<Invocation, ConfigError> {
    let args = ["certstream-server"].iter().chain(args).map(OsString::from);
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    parse_with(args, env, search)
}

fn serve(args: &[&str], env: &[(&str, &str)]) -> Setup {
    match invoke(args, env) {
        Ok(Invocation::Serve(setup)) => *setup,
        other => panic!("{args:?} {env:?}: {other:?}"),
    }
}

fn refused(args: &[&str], env: &[(&str, &str)]) -> String {
    match invoke(args, env) {
        Err(error) => error.to_string(),
        other => panic!("{args:?} {env:?}: {other:?}"),
    }
}

/// Every mistake that validation names.
fn mistakes(args: &[&str], env: &[(&str, &str)]) -> Vec<String> {
    match invoke(&[&["--validate-config"], args].concat(), env) {
        Ok(Invocation::ValidateConfig(setup)) => setup.problems,
        other => panic!("{args:?} {env:?}: {other:?}"),
    }
}

/// Reads the text of a file by itself.
fn read_file(name: &str, text: &str) -> Result<Config, FileError> {
    match read_all(name, text) {
        Ok(loaded) => match loaded.problems.into_iter().next() {
            None => Ok(loaded.config),
            Some(ConfigError::File(error)) => Err(error),
            Some(error) => panic!("{error}"),
        },
        Err(ConfigError::File(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

fn read_all(name: &str, text: &str) -> Result<file::Loaded, ConfigError> {
    let theirs = crate::compat::OtherVariables::default();
    file::read(Path::new(name), text.as_bytes(), &theirs, &mut Vec::new())
}
