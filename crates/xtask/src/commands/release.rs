//! `cargo xtask release`: everything that is published for a version, in `target/dist`.
//!
//! The same commit, compiler and linker give the same files, byte for byte: times are that of the
//! commit, and paths of the machine are left out.

mod archive;
mod debian;
mod lifecycle;
mod platform;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command as Cli};

use xtask::process::{command, complete, target};
use xtask::python::environment;
use xtask::root;

use platform::{PLATFORMS, Platform};

pub(crate) const NAME: &str = "release";

/// The programs, by package.
const PROGRAMS: [(&str, &str); 2] =
    [("server", "certstream-server"), ("collector", "certstream-arrow")];

/// The packages from PyPI that write the list of crates and the wheel, and their check.
const PYTHON: [&str; 2] = ["cyclonedx-python-lib[json-validation]>=11,<12", "wheel>=0.46,<1"];
const PYTHON_CHECK: &str = "import cyclonedx, jsonschema, wheel";

pub(crate) fn command_line() -> Cli {
    let test = Arg::new("test").long("test").action(ArgAction::SetTrue);
    Cli::new(NAME)
        .about("Everything that is published for a version, in target/dist")
        .arg(test.help("Then install, upgrade and remove the packages on a new Debian (as root)"))
}

/// A version, and where its files go.
#[derive(Debug)]
struct Release {
    version: String,
    /// The time of the commit, in seconds since 1970.
    time: String,
    /// The folder of what is published.
    dist: PathBuf,
    /// The folder of what is packed.
    stage: PathBuf,
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let release = Release::new()?;
    let mut built = Vec::new();
    for platform in &PLATFORMS {
        if let Some(reason) = platform.missing()? {
            println!("release: nothing for {}: {reason}", platform.name);
            continue;
        }
        let programs = platform.build(&release)?;
        archive::pack(&release, platform, &programs)?;
        debian::pack(&release, platform, &programs, &release.version, &release.dist)?;
        wheel::pack(&release, platform, &programs)?;
        release.stage_image(platform, &programs)?;
        built.push((platform, programs));
    }
    ensure!(!built.is_empty(), "no platform can be built here");
    release.list_crates()?;
    release.write_notes()?;
    release.write_checksums()?;
    if arguments.get_flag("test") {
        let (platform, programs) = built.first().context("a platform")?;
        lifecycle::test(&release, platform, programs)?;
        wheel::test(&release)?;
    }
    Ok(())
}

impl Release {
    /// Empties the folders.
    fn new() -> anyhow::Result<Self> {
        let output = command(&["git", "log", "-1", "--format=%ct"]).output()?;
        let time = String::from_utf8(output.stdout)?.trim().to_owned();
        ensure!(!time.is_empty(), "git does not name the time of the last commit");
        let target = std::path::absolute(target())?;
        let (dist, stage) = (target.join("dist"), target.join("release-stage"));
        for folder in [&dist, &stage] {
            if folder.try_exists()? {
                fs::remove_dir_all(folder)?;
            }
            fs::create_dir_all(folder)?;
        }
        Ok(Self { version: env!("CARGO_PKG_VERSION").to_owned(), time, dist, stage })
    }

    /// Sets the time of files that a program writes.
    fn at_its_time<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("SOURCE_DATE_EPOCH", &self.time)
    }

    fn python() -> anyhow::Result<PathBuf> {
        environment("venv-release", &PYTHON, PYTHON_CHECK)
    }

    /// Puts the server where `packaging/image/Dockerfile` expects it.
    fn stage_image(&self, platform: &Platform, programs: &Path) -> anyhow::Result<()> {
        let image = target().join("image");
        let folder = image.join(platform.debian);
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(image.join("data"))?;
        fs::copy(programs.join("certstream-server"), folder.join("certstream-server"))?;
        let size = fs::metadata(folder.join("certstream-server"))?.len();
        println!("release: the image for {} has a layer of {size} bytes", platform.debian);
        Ok(())
    }

    /// Writes the list of crates in the programs (CycloneDX).
    fn list_crates(&self) -> anyhow::Result<()> {
        let metadata = self.stage.join("metadata.json");
        let words = ["cargo", "metadata", "--format-version=1", "--locked"];
        let mut cargo = command(&words);
        cargo.args(["--filter-platform", PLATFORMS[0].triple]);
        complete(cargo.stdout(fs::File::create(&metadata)?))?;
        let path = self.dist.join(format!("certstream-{}.cdx.json", self.version));
        let mut list = Command::new(Self::python()?);
        list.arg("-B").arg(root().join("crates/xtask/release/sbom.py"));
        list.args([&self.version, &self.time]).args(PROGRAMS.map(|(package, _)| package));
        complete(list.stdin(fs::File::open(metadata)?).stdout(fs::File::create(path)?))
    }

    /// Writes the changes of this version.
    fn write_notes(&self) -> anyhow::Result<()> {
        let changes = fs::read_to_string(root().join("CHANGELOG.md"))?;
        let notes = notes(&changes, &self.version);
        let notes = notes.with_context(|| format!("CHANGELOG.md has no {}", self.version))?;
        Ok(fs::write(self.dist.join("RELEASE_NOTES.md"), notes)?)
    }

    /// Writes the SHA-256 of each file, as `sha256sum --check` reads it.
    fn write_checksums(&self) -> anyhow::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dist)? {
            names.push(entry?.file_name());
        }
        names.sort();
        let mut sum = Command::new("sha256sum");
        let output = sum.args(&names).current_dir(&self.dist).stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "sha256sum failed");
        print!("{}", String::from_utf8_lossy(&output.stdout));
        Ok(fs::write(self.dist.join("SHA256SUMS"), output.stdout)?)
    }
}

/// Returns the section of a version, without its heading.
fn notes(changes: &str, version: &str) -> Option<String> {
    let heading = format!("## {version}");
    let mut lines = changes.lines();
    lines.find(|line| {
        line.strip_prefix(&heading).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    })?;
    let section: Vec<_> = lines.take_while(|line| !line.starts_with("## ")).collect();
    Some(format!("{}\n", section.join("\n").trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_are_the_section_of_the_version() {
        let changes = "# Changelog\n\n## 1.0.0\n\nlast\n\n## 1.0.0-rc.1 (today)\n\n### Added\n\n* it\n\n## 0.1.0\n";
        assert_eq!(notes(changes, "1.0.0-rc.1").as_deref(), Some("### Added\n\n* it\n"));
        assert_eq!(notes(changes, "1.0.0").as_deref(), Some("last\n"));
        assert_eq!(notes(changes, "1.0"), None);
    }
}
