//! `cargo xtask release`: the programs and what belongs to them, in one archive.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use xtask::process::{command, complete, target};
use xtask::root;

/// The libraries that a program may need of the machine it runs on: the C library and its loader.
const ALLOWED: [&str; 5] =
    ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"];

/// The programs, by package.
const PROGRAMS: [(&str, &str); 2] =
    [("server", "certstream-server"), ("collector", "certstream-arrow")];

/// The other files of the archive, and their paths in it.
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

pub(crate) const NAME: &str = "release";

pub(crate) fn run() -> anyhow::Result<()> {
    let name = format!("certstream-{}-{}", env!("CARGO_PKG_VERSION"), host()?);
    let folder = target().join("dist").join(&name);
    if folder.try_exists()? {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for (package, program) in PROGRAMS {
        let built = build(package, program)?;
        let stripped = folder.join(program);
        complete(Command::new("strip").arg("--output-file").arg(&stripped).arg(&built))?;
        check_needs(&stripped)?;
        complete(Command::new(&stripped).arg("--version"))?;
    }
    for (from, to) in FILES {
        let to = folder.join(to);
        fs::create_dir_all(to.parent().unwrap_or(&folder))?;
        fs::copy(root().join(from), to).with_context(|| from.to_owned())?;
    }
    let archive = pack(&folder, &name)?;
    complete(Command::new("sha256sum").arg(&archive))
}

/// The host's target triple.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let said = String::from_utf8(output.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

/// Builds a program with the compiler's support library in it, so that only the C library is left.
fn build(package: &str, program: &str) -> anyhow::Result<PathBuf> {
    let words = ["cargo", "rustc", "--release", "--locked", "--package", package, "--bin", program];
    complete(command(&words).args(["--", "-C", "link-arg=-static-libgcc"]))?;
    Ok(target().join("release").join(program))
}

/// Fails if the program needs another library, and says which C library it needs.
fn check_needs(program: &Path) -> anyhow::Result<()> {
    let read = |what: &str| -> anyhow::Result<String> {
        let output = Command::new("readelf").args(["--wide", what]).arg(program).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let dynamic = read("--dynamic")?;
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    let needed = needed.filter_map(|line| line.split(['[', ']']).nth(1));
    for library in needed {
        ensure!(ALLOWED.contains(&library), "{} needs {library}", program.display());
    }
    let versions = read("--version-info")?;
    let versions = versions.split("GLIBC_").skip(1).filter_map(|rest| {
        let version = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let numbers = version.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
        numbers.ok()
    });
    let newest = versions.collect::<BTreeSet<_>>().pop_last().unwrap_or_default();
    let newest: Vec<_> = newest.iter().map(u32::to_string).collect();
    println!("{}: needs glibc {} or newer and nothing else", program.display(), newest.join("."));
    Ok(())
}

/// Packs the archive. The same files give the same archive, byte for byte, on any machine and at
/// any time.
fn pack(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let output = command(&["git", "log", "-1", "--format=%ct"]).output()?;
    let time = String::from_utf8(output.stdout)?;
    let parent = folder.parent().context("a folder")?;
    let archive = parent.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=go-w"])
        .arg(format!("--mtime=@{}", time.trim()))
        .arg("--use-compress-program=gzip --no-name --best")
        .arg("--create")
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(parent)
        .arg(name);
    complete(&mut tar)?;
    Ok(archive)
}
