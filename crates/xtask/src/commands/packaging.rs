//! `cargo xtask packaging`: checks what is packaged as far as this machine can.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command as Cli};

use xtask::process::{binary, build_programs, command, complete, is_installed, target};
use xtask::python::folder;
use xtask::root;

use crate::commands::clients;

pub(crate) const NAME: &str = "packaging";

pub(crate) fn command_line() -> Cli {
    let no_build = Arg::new("no-build").long("no-build").action(ArgAction::SetTrue);
    Cli::new(NAME)
        .about("Check what is packaged, as far as this machine can")
        .arg(no_build.help("Take the programs as they lie in the target folder"))
}

/// Everything, as a part of something larger.
pub(crate) fn run_all() -> anyhow::Result<()> {
    run(&command_line().get_matches_from([NAME]))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    if !arguments.get_flag("no-build") {
        build_programs()?;
    }
    unit()?;
    man_page()?;
    completions()?;
    dockerfile()?;
    workflows()?;
    println!("packaging: images are not built: that needs a Docker daemon and a registry");
    Ok(())
}

fn skip(what: &str, program: &str) {
    println!("packaging: {what}: skipped, there is no {program}");
}

/// The unit as systemd reads it, with the program as it was built, and how much it locks in.
fn unit() -> anyhow::Result<()> {
    if !is_installed(&["systemd-analyze", "--version"]) {
        skip("the systemd unit", "systemd-analyze");
        return Ok(());
    }
    let text = fs::read_to_string(root().join("packaging/systemd/certstream-server.service"))?;
    let program = target().join("debug/certstream-server");
    let text = text.replace("/usr/local/bin/certstream-server", &program.to_string_lossy());
    let folder = target().join("packaging");
    fs::create_dir_all(&folder)?;
    let unit = folder.join("certstream-server.service");
    fs::write(&unit, text)?;
    let packaged_pages = std::path::absolute(folder.join("man"))?;
    fs::create_dir_all(packaged_pages.join("man1"))?;
    let page = "packaging/man/certstream-server.1";
    fs::copy(root().join(page), packaged_pages.join("man1/certstream-server.1"))?;

    let mut verify = Command::new("systemd-analyze");
    let output = verify.arg("verify").arg(&unit).env("MANPATH", packaged_pages).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    // Other units of this machine may be wrong; that is not ours to judge.
    let ours: Vec<_> = said.lines().filter(|line| line.contains("certstream")).collect();
    ensure!(ours.is_empty(), "systemd finds fault with the unit:\n{}", ours.join("\n"));

    let mut security = Command::new("systemd-analyze");
    // In tenths: the exposure of most services is 9.6 of 10.
    let arguments = ["security", "--offline=true", "--threshold=20", "--no-pager"];
    let output = security.args(arguments).arg(&unit).output()?;
    ensure!(
        output.status.success(),
        "the unit is exposed:\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    println!("packaging: systemd takes the unit");
    Ok(())
}

fn man_page() -> anyhow::Result<()> {
    if !is_installed(&["man", "--version"]) {
        skip("the manual page", "man");
        return Ok(());
    }
    let mut man =
        command(&["man", "--warnings", "--local-file", "packaging/man/certstream-server.1"]);
    let output = man.env("MANROFFOPT", "-ww").env("LANG", "C.UTF-8").output()?;
    ensure!(output.status.success(), "man cannot show its page");
    let shown = String::from_utf8_lossy(&output.stdout).replace(char::is_whitespace, "");
    ensure!(shown.contains("healthcheck"), "the manual page does not name the subcommands");
    println!("packaging: man shows its page");
    Ok(())
}

/// Shells that are here read their completions.
fn completions() -> anyhow::Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        if !is_installed(&[shell, "--version"]) {
            skip(&format!("the completions of {shell}"), shell);
            continue;
        }
        for program in ["certstream-server", "certstream-arrow"] {
            let file = match shell {
                "zsh" => format!("_{program}"),
                _ => format!("{program}.{shell}"),
            };
            complete(&mut command(&[shell, "-n", &format!("packaging/completions/{file}")]))?;
        }
        println!("packaging: {shell} reads its completions");
    }
    Ok(())
}

/// Checks the Dockerfile as far as possible without Docker.
fn dockerfile() -> anyhow::Result<()> {
    clients::install_node()?;
    let linter = folder()?.join("node_modules/dockerfile-utils/bin/dockerfile-utils");
    let [built, released] = ["Dockerfile", "packaging/image/Dockerfile"].map(|it| root().join(it));
    for file in [&built, &released] {
        let mut lint = Command::new("node");
        lint.env("PATH", clients::path()?).arg(&linter).arg("lint");
        complete(lint.arg(file))?;
    }
    let (text, released) = (fs::read_to_string(built)?, fs::read_to_string(released)?);
    let last = last_stage(&text);
    ensure!(
        instructions(last).eq(instructions(last_stage(&released))),
        "the released image differs from that of the Dockerfile in more than its files"
    );
    let user = last.lines().rev().find_map(|line| line.strip_prefix("USER "));
    ensure!(user.is_some_and(|user| !user.starts_with(['0', 'r'])), "the image runs as {user:?}");
    ensure!(last.lines().any(|line| line == "VOLUME /data"), "the image has no volume /data");
    let (_, check) = last.split_once("CMD [").context("the image has no HEALTHCHECK")?;
    let words = check.split_once(']').map_or(check, |(words, _)| words);
    let words: Vec<_> = words.split(',').map(|word| word.trim().trim_matches('"')).collect();
    let [program, arguments @ ..] = &words[..] else { bail!("the HEALTHCHECK is empty") };
    ensure!(Path::new(program).file_name().is_some_and(|name| name == "certstream-server"));
    let mut help = binary("certstream-server");
    let help = help.args(arguments).arg("--help").stdout(Stdio::null()).status()?;
    ensure!(help.success(), "the HEALTHCHECK is no command of the program: {words:?}");
    check_context()?;
    println!("packaging: the Dockerfile is in order");
    Ok(())
}

fn last_stage(dockerfile: &str) -> &str {
    dockerfile.rsplit("\nFROM ").next().unwrap_or_default()
}

/// Returns the lines of a stage that do not depend on the files of the image.
fn instructions(stage: &str) -> impl Iterator<Item = &str> {
    let skipped = ["#", "ARG ", "COPY ", "$"];
    stage.lines().filter(move |line| !skipped.iter().any(|word| line.starts_with(word)))
}

/// Checks the workflows of GitHub as far as possible without it.
fn workflows() -> anyhow::Result<()> {
    let mut lint = Command::new("node");
    lint.env("PATH", clients::path()?).env("NODE_PATH", folder()?.join("node_modules"));
    lint.arg(root().join("crates/xtask/release/workflows.mjs"));
    for entry in fs::read_dir(root().join(".github/workflows"))? {
        lint.arg(entry?.path());
    }
    complete(&mut lint)?;
    println!("packaging: the workflows are in order");
    Ok(())
}

/// Every file of ours that the server was made of, as cargo noted them, is sent to the Docker daemon.
fn check_context() -> anyhow::Result<()> {
    let ignore = fs::read_to_string(root().join(".dockerignore"))?;
    let sent: Vec<_> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let noted = fs::read_to_string(target().join("debug/certstream-server.d"))?;
    let root = root().canonicalize()?;
    let files = noted.split_whitespace().skip(1).map(Path::new);
    let ours = files.filter_map(|file| file.strip_prefix(&root).ok());
    // Clippy, which compiles in CI, notes its own configuration.
    let mut ours = ours.filter(|file| *file != Path::new("clippy.toml")).peekable();
    ensure!(ours.peek().is_some(), "cargo does not say what the server is made of");
    let missing = ours.find(|file| !sent.iter().any(|known| file.starts_with(known)));
    ensure!(missing.is_none(), ".dockerignore leaves out {missing:?}, which the server is made of");
    Ok(())
}
