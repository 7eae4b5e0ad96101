//! A real server, `nats-server` 2.15.1 from PyPI, as a child process on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use relay::Settings;
use tempfile::TempDir;
use xtask::process::free_port;

/// Returns the program, which is installed if it is absent. `None`, and a line that says so, if that is
/// not possible.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let install = || {
        let program = xtask::nats::program();
        program.inspect_err(|error| eprintln!("SKIPPED: no nats-server: {error:#}")).ok()
    };
    PROGRAM.get_or_init(install).as_deref()
}

/// A running server with its own folder.
#[derive(Debug)]
pub(crate) struct Nats {
    folder: TempDir,
    configuration: String,
    pub(crate) address: SocketAddr,
    child: Option<Child>,
}

impl Nats {
    /// Starts a server with further lines of configuration, in which `FOLDER` stands for its folder.
    /// `None` if the program is not available: the test is then skipped.
    pub(crate) fn start(configuration: &str, prepare: impl FnOnce(&Path)) -> Option<Self> {
        program()?;
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let shown = folder.path().display().to_string();
        let configuration = configuration.replace("FOLDER", &shown);
        // Connections do not get such a port while the server is down.
        let address = (Ipv4Addr::LOCALHOST, free_port().unwrap()).into();
        let mut server = Self { folder, configuration, address, child: None };
        server.resume();
        Some(server)
    }

    pub(crate) fn plain() -> Option<Self> {
        Self::start("", |_| {})
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces the further lines of the configuration, from the next start on.
    pub(crate) fn configure(&mut self, configuration: &str) {
        configuration.clone_into(&mut self.configuration);
    }

    /// Starts the server again.
    pub(crate) fn resume(&mut self) {
        let file = self.folder().join("nats.conf");
        let (store, configuration) = (self.folder().join("store"), &self.configuration);
        let text = format!(
            "listen: \"{}\"\njetstream {{ store_dir: \"{}\" }}\n{configuration}\n",
            self.address,
            store.display()
        );
        std::fs::write(&file, text).unwrap();
        let log = std::fs::File::create(self.folder().join("log")).unwrap();
        let mut command = Command::new(program().unwrap());
        command.arg("-c").arg(file).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        let log = || std::fs::read_to_string(self.folder().join("log")).unwrap();
        while !log().contains("Server is ready") {
            assert!(std::time::Instant::now() < deadline, "{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Suspends the server, or lets it continue.
    pub(crate) fn suspend(&self, is_suspended: bool) {
        let signal = if is_suspended { "-STOP" } else { "-CONT" };
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Copies what the stopped server has stored.
    pub(crate) fn back_up(&self) -> TempDir {
        let backup = tempfile::tempdir().unwrap();
        copy(&self.folder().join("store"), &backup.path().join("store"));
        backup
    }

    /// Replaces what the stopped server has stored.
    pub(crate) fn restore(&self, backup: &TempDir) {
        let store = self.folder().join("store");
        std::fs::remove_dir_all(&store).unwrap();
        copy(&backup.path().join("store"), &store);
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(self.address)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Returns settings for the server at an address.
pub(crate) fn settings(address: SocketAddr) -> Settings {
    Settings::new(vec![format!("nats://{address}")], "ct-test")
}
