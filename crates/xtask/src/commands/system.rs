//! A system in a folder, whose programs run in namespaces of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use xtask::process::{complete, is_installed, target};

/// The variables that commands in the system get from this process: how registries are reached.
const VARIABLES: [&str; 13] = [
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Files and folders of this machine that say how registries are reached, if they exist; they have the
/// same paths in the system.
const SETTINGS: [&str; 4] =
    ["/etc/hosts", "/etc/resolv.conf", "/etc/pip.conf", "/usr/local/share/ca-certificates"];

/// The home of its root user, without the leading slash.
const HOME: &str = "root";
/// The folder of the toolchain in the system.
const TOOLCHAIN: &str = "opt/rust";

/// Starts the words after the first, which is the folder of the system, in it. All of its mounts and
/// processes end with the first process.
const START: &str = r#"
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
exec chroot "$root" "$@"
"#;

/// A system; its folder is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct System(PathBuf);

impl System {
    /// Makes a minimal system of a release of Debian.
    pub(crate) fn make(name: &str, release: &str) -> anyhow::Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "this needs root: it mounts and changes root"
        );
        ensure!(is_installed(&["mmdebstrap", "--version"]), "apt-get install mmdebstrap");
        let parent = target().join("fresh");
        fs::create_dir_all(&parent)?;
        let system = Self(parent.canonicalize()?.join(name));
        system.delete()?;
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--mode=root", "--variant=minbase", "--include=ca-certificates"]);
        complete(make.arg(release).arg(&system.0))?;
        for path in SETTINGS.map(Path::new) {
            system.add(path, path.strip_prefix("/")?)?;
        }
        let home = xtask::process::home()?;
        system.add(&home.join(".npmrc"), &Path::new(HOME).join(".npmrc"))?;
        let cargo = xtask::process::cargo_home()?;
        system.add(&cargo.join("config.toml"), &Path::new(HOME).join(".cargo/config.toml"))?;
        complete(&mut system.command_in("/", &["update-ca-certificates"]))?;
        Ok(system)
    }

    /// Copies a file or folder of this machine, if it exists; `to` has no leading slash.
    fn add(&self, from: &Path, to: &Path) -> anyhow::Result<()> {
        if !from.try_exists()? {
            return Ok(());
        }
        let to = self.path(to);
        let folder = to.parent().context("a folder")?;
        fs::create_dir_all(folder)?;
        complete(Command::new("cp").arg("-rL").arg(from).arg(folder))
    }

    /// Returns the path on this machine of one in the system, which has no leading slash.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    /// Returns the folder of the clone, on this machine.
    pub(crate) fn clone_folder(&self) -> PathBuf {
        self.path(HOME).join("certstream")
    }

    /// Copies the toolchain that compiled this program.
    pub(crate) fn add_toolchain(&self) -> anyhow::Result<()> {
        let output = Command::new("rustc").args(["--print", "sysroot"]).output()?;
        let sysroot = PathBuf::from(String::from_utf8(output.stdout)?.trim());
        let to = self.path(TOOLCHAIN);
        fs::create_dir_all(&to)?;
        complete(
            Command::new("cp").arg("-a").args(["bin", "lib"].map(|it| sysroot.join(it))).arg(to),
        )
    }

    /// Returns a command that runs in the clone, or in `/` before there is one.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let is_cloned = self.clone_folder().is_dir();
        let folder = if is_cloned { format!("/{HOME}/certstream") } else { "/".to_owned() };
        self.command_in(&folder, words)
    }

    fn command_in(&self, folder: &str, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]);
        command.args(["sh", "-ec", START, "sh"]).arg(&self.0);
        command.args(["env", "-i", &format!("--chdir={folder}"), &format!("HOME=/{HOME}")]);
        command.args(["DEBIAN_FRONTEND=noninteractive", "LANG=C.UTF-8", "TERM=dumb"]);
        command.arg(format!("PATH=/{TOOLCHAIN}/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
        for name in VARIABLES {
            if let Ok(value) = std::env::var(name) {
                command.arg(format!("{name}={value}"));
            }
        }
        command.args(words).stdin(std::process::Stdio::null());
        command
    }

    fn delete(&self) -> anyhow::Result<()> {
        complete(Command::new("rm").args(["-rf", "--one-file-system"]).arg(&self.0))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if let Err(error) = self.delete() {
            println!("{} is left: {error:#}", self.0.display());
        }
    }
}
