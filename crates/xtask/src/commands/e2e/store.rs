//! Parts in an object store: moto, which speaks S3, killed and started again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use xtask::collect::{Site, analysts, empty_folder, script};
use xtask::process::{Process, binary, complete, free_port, wait_for};

const ENTRIES: u64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// Collects into a bucket; kills the collector; loses the spool; then the bucket must have each
/// certificate once.
pub(crate) fn run() -> anyhow::Result<()> {
    let python = analysts()?;
    let here = empty_folder("store")?;
    let port = free_port()?;
    let mut moto = Command::new(python.with_file_name("moto_server"));
    moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let output = std::fs::File::create(here.join("moto.log"))?;
    let _moto = Process::start(moto.stdout(output.try_clone()?).stderr(output))?;
    let endpoint = format!("http://127.0.0.1:{port}");
    wait_for(&format!("{endpoint}/moto-api/"))?;
    let put =
        ["--silent", "--fail", "--request", "PUT", &format!("{endpoint}/certs")].map(str::to_owned);
    complete(Command::new("curl").args(put).stdout(std::process::Stdio::null()))?;

    let logs = [("initial-size", 0), ("rate", 100), ("max-size", ENTRIES)];
    let site = Site::start(binary, &here, &logs, &[])?;
    let log = here.join("collector.log");
    let start = || start(&here, &site, &endpoint, &log);
    let every = site.entries(ENTRIES).to_string();
    let has = |what: &str, number: &str| {
        let mut check = bucket(&python, &endpoint);
        check.args([what, number]).args(site.log_urls());
        wait(what, || Ok(check.status()?.success()))
    };
    let collector = start()?;
    has("parts", "2")?;
    drop(collector); // SIGKILL
    let collector = start()?;
    has("rows", &every)?;
    end(collector)?;
    // A new container has no spool: the newest part comes back from the bucket.
    std::fs::remove_dir_all(here.join("spool"))?;
    std::fs::remove_file(&log)?;
    let collector = start()?;
    wait("the connection", || Ok(std::fs::read_to_string(&log)?.contains("connected to")))?;
    end(collector)?;
    ensure!(std::fs::read_to_string(&log)?.contains("fetching the newest part from the store"));
    let mut check = bucket(&python, &endpoint);
    complete(check.args(["once", &every]).args(site.log_urls()))
}

fn end(collector: Process) -> anyhow::Result<()> {
    let (status, _) = collector.terminate()?;
    ensure!(status.success(), "the collector ended with {status}");
    Ok(())
}

fn start(here: &Path, site: &Site, endpoint: &str, log: &Path) -> anyhow::Result<Process> {
    let mut command = binary("certstream-arrow");
    command.current_dir(here).args(["--url", &site.url(), "--from-oldest", "--spool", "spool"]);
    command.args(["-o", "s3://certs/some/where", "--format", "parquet", "--rotate", "60kB,2s"]);
    command.args(["--flush-interval", "100ms", "-b", "100", "--log-level", "info"]);
    let log = std::fs::File::options().create(true).append(true).open(log)?;
    Process::start(command.envs(environment(endpoint)).stderr(log))
}

fn environment(endpoint: &str) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT", endpoint.to_owned()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ]
}

fn bucket(python: &Path, endpoint: &str) -> Command {
    let mut command = script(python, "bucket.py");
    command.arg(endpoint).envs(environment(endpoint));
    command
}

fn wait(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if is_so()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("waited in vain for {what}")
}
