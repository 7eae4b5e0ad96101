//! The archive of a platform: the programs and what belongs to them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use xtask::process::complete;
use xtask::root;

use super::platform::Platform;
use super::{PROGRAMS, Release};

/// The other files, and their paths in the archive.
const FILES: [(&str, &str); 13] = [
    ("LICENSE", "LICENSE"),
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("config.example.yaml", "config.example.yaml"),
    ("packaging/man/certstream-server.1", "man/certstream-server.1"),
    ("packaging/completions/certstream-server.bash", "completions/certstream-server.bash"),
    ("packaging/completions/certstream-server.fish", "completions/certstream-server.fish"),
    ("packaging/completions/_certstream-server", "completions/_certstream-server"),
    ("packaging/man/certstream-arrow.1", "man/certstream-arrow.1"),
    ("packaging/completions/certstream-arrow.bash", "completions/certstream-arrow.bash"),
    ("packaging/completions/certstream-arrow.fish", "completions/certstream-arrow.fish"),
    ("packaging/completions/_certstream-arrow", "completions/_certstream-arrow"),
    ("packaging/systemd/certstream-server.service", "systemd/certstream-server.service"),
];

/// Packs the archive.
pub(super) fn pack(release: &Release, platform: &Platform, programs: &Path) -> anyhow::Result<()> {
    let name = format!("certstream-{}-linux-{}", release.version, platform.name);
    let folder = release.stage.join(&name);
    for (_, program) in PROGRAMS {
        copy(&programs.join(program), &folder.join(program))?;
    }
    for (from, to) in FILES {
        copy(&root().join(from), &folder.join(to))?;
    }
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=go-w"])
        .arg(format!("--mtime=@{}", release.time))
        .arg("--use-compress-program=gzip --no-name --best")
        .arg("--create")
        .arg("--file")
        .arg(release.dist.join(format!("{name}.tar.gz")))
        .arg("--directory")
        .arg(&release.stage)
        .arg(&name);
    complete(&mut tar)
}

/// Copies a file into a folder that it creates if it is absent.
pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to.parent().context("a folder")?)?;
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}
