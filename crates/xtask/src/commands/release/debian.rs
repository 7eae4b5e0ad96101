//! The packages for Debian and Ubuntu, made with `dpkg-deb`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use xtask::process::complete;
use xtask::root;

use super::Release;
use super::archive::copy;
use super::platform::Platform;

/// A package.
struct Package {
    /// Its name, which is that of its program.
    name: &'static str,
    /// Packages that it needs: none for its program, which is static.
    depends: &'static str,
    summary: &'static str,
    description: &'static str,
    /// Further files, and their paths in the system.
    files: &'static [(&'static str, &'static str)],
}

const PACKAGES: [Package; 2] = [
    Package {
        name: "certstream-server",
        depends: "Depends: adduser, init-system-helpers\nRecommends: ca-certificates\n",
        summary: "server that streams certificates from Certificate Transparency logs",
        description: "It follows all logs, verifies what it reads, and streams each new TLS certificate \
                      to WebSocket and Server-Sent Events clients.",
        files: &[
            ("config.example.yaml", "etc/certstream/config.yaml"),
            ("packaging/grafana/dashboards/certstream.json", GRAFANA),
            ("packaging/prometheus/alerts.yml", ALERTS),
        ],
    },
    Package {
        name: "certstream-arrow",
        depends: "",
        summary: "collector of certstream servers for pandas, Polars and DuckDB",
        description: "It stores the stream of a certstream server in Arrow Feather or Parquet files, \
                      without gaps and duplicates, also across interruptions.",
        files: &[],
    },
];

const GRAFANA: &str = "usr/share/certstream-server/grafana/certstream.json";
const ALERTS: &str = "usr/share/certstream-server/prometheus/alerts.yml";
const UNIT: &str = "usr/lib/systemd/system/certstream-server.service";
const MAINTAINER: &str = "certstream maintainers <maintainers@certstream.invalid>";

/// Packs both packages, as a version, into a folder.
pub(super) fn pack(
    release: &Release,
    platform: &Platform,
    programs: &Path,
    version: &str,
    into: &Path,
) -> anyhow::Result<()> {
    // "~" sorts before the release that it precedes.
    let version = version.replacen('-', "~", 1);
    for package in &PACKAGES {
        let name = format!("{}_{version}_{}", package.name, platform.debian);
        let folder = release.stage.join(&name);
        package.stage(&folder, programs)?;
        package.compress(release, &folder)?;
        package.describe(&folder, &version, platform)?;
        complete(Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(&folder))?;
        let mut build = Command::new("dpkg-deb");
        build.args(["--root-owner-group", "-Zxz", "--build"]).arg(&folder).arg(into);
        complete(release.at_its_time(&mut build).stdout(std::process::Stdio::null()))?;
        let size = fs::metadata(into.join(format!("{name}.deb")))?.len();
        println!("release: {name}.deb: {size} bytes");
    }
    Ok(())
}

impl Package {
    /// Copies the files.
    fn stage(&self, folder: &Path, programs: &Path) -> anyhow::Result<()> {
        let Self { name, .. } = self;
        let shells = [
            (format!("{name}.bash"), format!("bash-completion/completions/{name}")),
            (format!("{name}.fish"), format!("fish/vendor_completions.d/{name}.fish")),
            (format!("_{name}"), format!("zsh/vendor-completions/_{name}")),
        ];
        for (from, to) in shells {
            let from = root().join("packaging/completions").join(from);
            copy(&from, &folder.join("usr/share").join(to))?;
        }
        copy(&programs.join(name), &folder.join("usr/bin").join(name))?;
        for (from, to) in self.files {
            copy(&root().join(from), &folder.join(to))?;
        }
        copy(&root().join("LICENSE"), &self.documentation(folder).join("copyright"))?;
        let scripts = root().join("packaging/debian").join(name);
        if scripts.is_dir() {
            let unit = root().join("packaging/systemd/certstream-server.service");
            let path = folder.join(UNIT);
            fs::create_dir_all(path.parent().context("a folder")?)?;
            fs::write(path, packaged_unit(&fs::read_to_string(unit)?))?;
            for script in ["postinst", "prerm", "postrm"] {
                copy(&scripts.join(script), &folder.join("DEBIAN").join(script))?;
            }
        }
        Ok(())
    }

    fn documentation(&self, folder: &Path) -> PathBuf {
        folder.join("usr/share/doc").join(self.name)
    }

    /// Adds what is stored compressed: the manual page and the changes.
    fn compress(&self, release: &Release, folder: &Path) -> anyhow::Result<()> {
        let page = format!("packaging/man/{}.1", self.name);
        let manual = folder.join("usr/share/man/man1").join(format!("{}.1", self.name));
        let changes = self.documentation(folder).join("changelog");
        for (from, to) in [(page.as_str(), manual), ("CHANGELOG.md", changes)] {
            copy(&root().join(from), &to)?;
            let mut gzip = Command::new("gzip");
            complete(
                release.at_its_time(&mut gzip).args(["--no-name", "--best", "--force"]).arg(to),
            )?;
        }
        Ok(())
    }

    /// Writes the control files.
    fn describe(&self, folder: &Path, version: &str, platform: &Platform) -> anyhow::Result<()> {
        let control = folder.join("DEBIAN");
        fs::create_dir_all(&control)?;
        let installed = size(folder)?.div_ceil(1024);
        let mut text = String::new();
        write!(
            text,
            "Package: {}\nVersion: {version}\nArchitecture: {}\nMaintainer: {MAINTAINER}\n\
             Installed-Size: {installed}\n{}Section: net\nPriority: optional\nHomepage: {}\n\
             Description: {}\n {}\n",
            self.name,
            platform.debian,
            self.depends,
            env!("CARGO_PKG_REPOSITORY"),
            self.summary,
            self.description,
        )?;
        fs::write(control.join("control"), text)?;
        let settings = self.files.iter().filter(|(_, to)| to.starts_with("etc/"));
        let settings: String = settings.map(|(_, to)| format!("/{to}\n")).collect();
        if !settings.is_empty() {
            fs::write(control.join("conffiles"), settings)?;
        }
        Ok(())
    }
}

/// Returns the unit with the paths and the user of the package.
fn packaged_unit(unit: &str) -> String {
    let unit = unit.lines().skip_while(|line| line.starts_with('#') || line.is_empty());
    let unit = unit.map(|line| format!("{line}\n")).collect::<String>();
    unit.replace("/usr/local/bin/", "/usr/bin/")
        .replace("DynamicUser=yes\n", "User=certstream\nGroup=certstream\n")
}

/// Returns the size of all files below a folder.
fn size(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = path.symlink_metadata()?;
        bytes += if metadata.is_dir() { size(&path)? } else { metadata.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_unit_runs_the_packaged_program_as_its_user() {
        let unit = root().join("packaging/systemd/certstream-server.service");
        let unit = packaged_unit(&fs::read_to_string(unit).expect("a unit"));
        assert!(unit.starts_with("[Unit]\n"), "{unit}");
        assert!(unit.contains("\nExecStart=/usr/bin/certstream-server\n"), "{unit}");
        assert!(unit.contains("\nUser=certstream\nGroup=certstream\n"), "{unit}");
        assert!(!unit.contains("DynamicUser") && !unit.contains("/usr/local"), "{unit}");
    }
}
