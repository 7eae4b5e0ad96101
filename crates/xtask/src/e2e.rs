//! `cargo xtask e2e`: the server, simulated logs, and clients that others wrote.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::clients::{self, folder};
use crate::command::{command, complete, is_installed};
use crate::processes::{Process, binary, free_port, start_logs, wait_for};

/// What each client script is run with and by.
const CHECKS: [(&str, Interpreter); 6] = [
    ("certstream_cli.py", Interpreter::Python),
    ("certstream_library.py", Interpreter::Python),
    ("websockets_client.py", Interpreter::Python),
    ("profiles.py", Interpreter::Python),
    ("certstream.mjs", Interpreter::Node),
    ("http.sh", Interpreter::Shell),
];

#[derive(Clone, Copy)]
enum Interpreter {
    Python,
    Node,
    Shell,
}

/// Fails early, with the packages to install.
pub(crate) fn prerequisites() -> anyhow::Result<()> {
    let wanted: [(&[&str], &str); 5] = [
        (&["curl", "--version"], "curl"),
        (&["python3", "-c", "import ensurepip, venv"], "python3-venv"),
        (&["node", "--version"], "nodejs"),
        (&["npm", "--version"], "npm"),
        (&["timeout", "--version"], "coreutils"),
    ];
    let missing: Vec<_> =
        wanted.iter().filter(|(words, _)| !is_installed(words)).map(|(_, name)| *name).collect();
    ensure!(
        missing.is_empty(),
        "the end-to-end run needs more: apt-get install {}",
        missing.join(" ")
    );
    Ok(())
}

/// Builds, starts, checks. The clients are installed under `target/e2e`.
fn run_checks() -> anyhow::Result<(usize, usize)> {
    prerequisites()?;
    // All targets, not only the programs: so the features are those of the tests, and nothing is
    // built a second time.
    complete(&mut command(&["cargo", "build", "--workspace", "--all-targets", "--locked"]))?;
    clients::python()?;
    clients::install_node()?;

    let logs = ["--port", "0", "--rfc6962", "2", "--static-ct", "2", "--rate", "20"];
    let (_logs, said) = start_logs(&logs)?;
    let state = folder()?.join("state.json");
    if state.try_exists()? {
        std::fs::remove_file(&state)?;
    }
    let port = free_port()?;
    let server = Process::start(&mut server(&said, port, &state)?)?;
    let address = format!("127.0.0.1:{port}");
    wait_for(&format!("http://{address}/health/deep"))?;

    let (mut passed, mut failed) = (0, 0);
    for (script, interpreter) in CHECKS {
        let outcome = complete(script_command(script, interpreter)?.env("ADDRESS", &address));
        report(script, outcome, &mut passed, &mut failed);
    }
    report("stop", stop(server, &address), &mut passed, &mut failed);
    report("demo", demo(), &mut passed, &mut failed);
    let saved = std::fs::read_to_string(&state).context("no state file was written")?;
    let saved: Value = serde_json::from_str(&saved)?;
    let positions = saved.get("logs").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    report("state", check_positions(positions), &mut passed, &mut failed);
    Ok((passed, failed))
}

pub(crate) fn run() -> anyhow::Result<()> {
    let (passed, failed) = run_checks()?;
    println!("e2e: {passed} passed, {failed} failed");
    ensure!(failed == 0, "{failed} end-to-end checks failed");
    Ok(())
}

fn report(name: &str, outcome: anyhow::Result<()>, passed: &mut usize, failed: &mut usize) {
    match outcome {
        Ok(()) => {
            *passed += 1;
            println!("e2e: {name}: ok");
        }
        Err(error) => {
            *failed += 1;
            println!("e2e: {name}: FAILED: {error:#}");
        }
    }
}

fn check_positions(positions: usize) -> anyhow::Result<()> {
    ensure!(positions == 4, "the state file has {positions} logs instead of 4");
    Ok(())
}

/// The server configured by the environment alone, as a container would be.
fn server(logs: &Value, port: u16, state: &std::path::Path) -> anyhow::Result<Command> {
    let text = |key: &str| {
        let value = logs.get(key).and_then(Value::as_str);
        value.map(str::to_owned).with_context(|| format!("ctsim does not say {key}"))
    };
    let key = folder()?.join("log_list_key.pem");
    let url = text("list_key_url")?;
    complete(Command::new("curl").args(["--silent", "--fail", "--output"]).arg(&key).arg(url))?;
    let mut server = binary("certstream-server");
    server
        .env("CERTSTREAM_HOST", "127.0.0.1")
        .env("CERTSTREAM_PORT", port.to_string())
        .env("CERTSTREAM_LOG_LEVEL", "warn")
        .env("CERTSTREAM_SSE_ENABLED", "true")
        .env("CERTSTREAM_CT_LOG_LOG_LIST_URL", text("list_url")?)
        .env("CERTSTREAM_CT_LOG_LOG_LIST_KEY_FILE", &key)
        .env("CERTSTREAM_CT_LOG_POLL_INTERVAL_MS", "200")
        .env("CERTSTREAM_CT_LOG_STATE_FILE", state);
    Ok(server)
}

/// The README's first command, on a machine without CA certificates.
fn demo() -> anyhow::Result<()> {
    let port = free_port()?;
    let mut command = binary("certstream-server");
    command.args(["--demo", "--host", "127.0.0.1", "--log-level", "error", "--port"]);
    let no_certificates = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let server = Process::start(command.arg(port.to_string()).envs(no_certificates))?;
    wait_for(&format!("http://127.0.0.1:{port}/health/deep"))?;
    let mut check = script_command("certstream_cli.py", Interpreter::Python)?;
    complete(check.env("ADDRESS", format!("127.0.0.1:{port}")))?;
    let (status, _) = server.terminate()?;
    ensure!(status.success(), "the demo ended with {status}");
    Ok(())
}

/// SIGTERM: a client gets a Close frame with code 1001, and the process ends with status 0 in time.
fn stop(server: Process, address: &str) -> anyhow::Result<()> {
    let mut client = script_command("close_code.py", Interpreter::Python)?;
    let mut client = client.env("ADDRESS", address).stdout(Stdio::piped()).spawn()?;
    let mut connected = [0];
    let stdout = client.stdout.as_mut().context("the client has no standard output")?;
    std::io::Read::read_exact(stdout, &mut connected)?;
    let (status, took) = server.terminate()?;
    ensure!(status.success(), "the server ended with {status}");
    ensure!(took.as_secs() < 5, "the server took {took:?} to end");
    ensure!(client.wait()?.success(), "the client did not get close code 1001");
    Ok(())
}

fn script_command(script: &str, interpreter: Interpreter) -> anyhow::Result<Command> {
    let folder = folder()?;
    let program = match interpreter {
        Interpreter::Python => folder.join("venv/bin/python"),
        Interpreter::Node => PathBuf::from("node"),
        Interpreter::Shell => PathBuf::from("bash"),
    };
    let script = crate::root().join("crates/xtask/e2e").join(script);
    if !script.try_exists()? {
        bail!("{} is missing", script.display());
    }
    let mut command = Command::new("timeout");
    command.arg("120").arg(program).arg(script).current_dir(&folder);
    command.env("PATH", path_with(folder.join("venv/bin"))?).env("NODE_PATH", "node_modules");
    Ok(command)
}

fn path_with(first: PathBuf) -> anyhow::Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(first).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}
