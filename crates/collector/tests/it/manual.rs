//! The manual pages and the completions of shells, made from the command lines of both programs and
//! checked in.

use std::path::Path;
use std::process::Command as Process;

use clap::Command;
use usage::completions::{self, Shell};
use usage::manual::{self, Manual};

const REMAKE: &str = "-p collector --test it manual::";

/// Returns the command lines of the packaged programs, and the other texts of their manual pages.
fn programs() -> [(Command, &'static Manual); 2] {
    [(config::command(), config::MANUAL), (collector::cli::command(), collector::cli::MANUAL)]
}

fn pages() -> [String; 2] {
    programs().map(|(command, manual)| manual::page(&command, manual).expect("memory"))
}

#[test]
fn the_manual_pages_are_those_of_the_command_lines() {
    for ((command, _), page) in programs().iter().zip(pages()) {
        let file = format!("packaging/man/{}.1", command.get_name());
        golden::check(&file, page, REMAKE);
    }
}

#[test]
fn manual_pages_refer_to_packaged_pages_only() {
    let names = programs().map(|(command, _)| format!("{}(1)", roff(command.get_name())));
    for page in pages() {
        let others = names.iter().fold(page, |page, name| page.replace(name, ""));
        assert!(!others.contains("(1)"), "{others}");
    }
}

#[test]
fn manual_pages_have_the_usual_sections_and_a_short_synopsis() {
    for page in pages() {
        for section in [
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "COMMANDS",
            "EXAMPLES",
            "ENVIRONMENT",
            "FILES",
            "SIGNALS",
            "\"EXIT STATUS\"",
            "\"SEE ALSO\"",
        ] {
            assert!(page.contains(&format!("\n.SH {section}\n")), "{section}: {page}");
        }
        let lines: Vec<&str> = page.lines().collect();
        let is_bare = |pair: &&[&str]| pair[0].starts_with("\\f") && pair[1].is_empty();
        assert_eq!(lines.windows(2).find(is_bare), None, "an argument without a description");
        let synopsis = page.split_once(".SH SYNOPSIS\n").expect("a section").1;
        let synopsis = synopsis.split_once(".SH").expect("a section after it").0;
        assert!(synopsis.len() < 300, "{synopsis}");
    }
    let [server, _] = pages();
    for command in ["logs list", "logs ack", "create\\-index", "healthcheck", "validate", "tail"] {
        assert!(server.contains(&format!("\\fB{command}\\fR\n")), "{command}");
    }
}

/// Returns a name as it is written in a page.
fn roff(name: &str) -> String {
    name.replace('-', "\\-")
}

#[test]
fn the_completions_are_those_of_the_command_lines() {
    for (command, _) in programs() {
        let name = command.get_name().to_owned();
        for (shell, file) in [
            (Shell::Bash, format!("{name}.bash")),
            (Shell::Fish, format!("{name}.fish")),
            (Shell::Zsh, format!("_{name}")),
        ] {
            let script = completions::script(shell, command.clone());
            golden::check(&format!("packaging/completions/{file}"), script, REMAKE);
        }
    }
}

/// Returns the words that bash offers for the last one of a line.
fn completed_by_bash(words: &[&str]) -> Option<Vec<String>> {
    let program = words.first().expect("a program");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/completions");
    let script = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        registered=($(complete -p "$1"))
        "${registered[-2]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Process::new("bash");
    bash.args(["--norc", "-c", script, "bash"]);
    bash.arg(folder.join(format!("{program}.bash"))).args(words);
    let output = match bash.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: bash cannot be run: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let offered = String::from_utf8(output.stdout).expect("UTF-8");
    Some(offered.lines().filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

#[test]
fn bash_completes_commands_flags_and_values_also_after_a_subcommand() {
    let cases: [(&[&str], &[&str]); 15] = [
        (&["certstream-server", "lo"], &["logs"]),
        (&["certstream-server", "logs", ""], &["list", "ack"]),
        (&["certstream-server", "healthcheck", "--u"], &["--url"]),
        (&["certstream-server", "create-index", "--f"], &["--force"]),
        (&["certstream-server", "validate", "--str"], &["--strict"]),
        (&["certstream-server", "--verification", ""], &["enforce", "report", "off"]),
        (&["certstream-server", "--compat-profile", "r"], &["rust"]),
        (&["certstream-server", "--ct-log-states", "us"], &["usable"]),
        (&["certstream-server", "tail", "--dom"], &["--domain"]),
        (&["certstream-server", "tail", "--stream", ""], &["lite", "full", "domains"]),
        (&["certstream-server", "completions", "b"], &["bash"]),
        (&["certstream-arrow", "completions", "z"], &["zsh"]),
        (&["certstream-arrow", "--outp"], &["--output"]),
        (&["certstream-arrow", "ins"], &["inspect"]),
        (&["certstream-arrow", "inspect", "--j"], &["--json"]),
    ];
    for (words, expected) in cases {
        let Some(offered) = completed_by_bash(words) else { return };
        for word in expected {
            assert!(offered.iter().any(|offered| offered == word), "{words:?}: {offered:?}");
        }
    }
}
