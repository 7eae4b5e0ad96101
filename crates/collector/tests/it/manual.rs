//! The manual pages and the completions of shells, made from the command lines of both programs and
//! checked in.

use std::path::Path;
use std::process::Command as Process;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Returns the command lines of the packaged programs.
fn programs() -> [Command; 2] {
    [config::command(), collector::cli::command()]
}

const REMAKE: &str = "-p collector --test it manual::";

/// Returns the page of a program. It describes the subcommands, which have no pages of their own.
fn page(command: &Command) -> String {
    const HEADING: &str = ".SH SUBCOMMANDS\n";
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).expect("memory");
    let page = String::from_utf8(page).expect("UTF-8");
    let Some((before, after)) = page.split_once(HEADING) else { return page };
    let after = after.split_once("\n.SH ").map_or("", |(_, after)| after);
    let mut subcommands = String::new();
    describe_subcommands(command, command.get_name(), &mut subcommands);
    format!("{before}{HEADING}{subcommands}.SH {after}")
}

fn describe_subcommands(command: &Command, name: &str, text: &mut String) {
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("{name} {}", subcommand.get_name());
        let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
        *text += &format!(".TP\n\\fB{}\\fR\n{}\n", roff(&name), roff(&about));
        for arg in subcommand.get_arguments() {
            let names = arg.get_value_names().unwrap_or_default();
            let value = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
            let shown = match (arg.get_long(), arg.get_action().takes_values()) {
                (Some(long), true) => format!("--{long} {value}"),
                (Some(long), false) => format!("--{long}"),
                (None, _) => value,
            };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            *text += &format!(".RS\n.TP\n\\fB{}\\fR\n{}\n.RE\n", roff(&shown), roff(&help));
        }
        describe_subcommands(subcommand, &name, text);
    }
}

/// Escapes text for roff: hyphens can be copied, and no line starts like a request.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

fn completions(shell: Shell, mut command: Command) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name.as_str(), &mut script);
    let script = String::from_utf8(script).expect("UTF-8");
    // clap_complete 4.6 writes the cases of subcommands under another name than it looks them up by
    // where the program's name has a hyphen.
    let [written, looked_up] = ["__subcmd__", "__"].map(|hyphen| name.replace('-', hyphen));
    script.replace(&format!("{written}__subcmd__"), &format!("{looked_up}__subcmd__"))
}

#[test]
fn the_manual_pages_are_those_of_the_command_lines() {
    for command in programs() {
        let file = format!("packaging/man/{}.1", command.get_name());
        golden::check(&file, page(&command), REMAKE);
    }
}

#[test]
fn manual_pages_refer_to_no_page_that_does_not_exist() {
    for command in programs() {
        assert!(!page(&command).contains("(1)"), "{}", command.get_name());
    }
    let server = page(&config::command());
    for subcommand in ["logs list", "logs ack", "create\\-index", "healthcheck", "validate"] {
        assert!(server.contains(&format!("certstream\\-server {subcommand}\\fR")), "{subcommand}");
    }
}

#[test]
fn the_completions_are_those_of_the_command_lines() {
    for command in programs() {
        let name = command.get_name().to_owned();
        for (shell, file) in [
            (Shell::Bash, format!("{name}.bash")),
            (Shell::Fish, format!("{name}.fish")),
            (Shell::Zsh, format!("_{name}")),
        ] {
            let script = completions(shell, command.clone());
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
    let cases: [(&[&str], &[&str]); 10] = [
        (&["certstream-server", "lo"], &["logs"]),
        (&["certstream-server", "logs", ""], &["list", "ack"]),
        (&["certstream-server", "healthcheck", "--u"], &["--url"]),
        (&["certstream-server", "create-index", "--f"], &["--force"]),
        (&["certstream-server", "validate", "--str"], &["--strict"]),
        (&["certstream-server", "--verification", ""], &["enforce", "report", "off"]),
        (&["certstream-server", "--compat-profile", "r"], &["rust"]),
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
