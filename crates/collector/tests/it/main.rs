//! The program as users run it, with certstream-server and with recorded messages of other servers.

#![allow(clippy::print_stdout, reason = "tests report what they skip")]

mod backfill;
mod collecting;
mod harness;
mod hostile;
mod inspecting;
mod log_output;
mod manual;
mod matrix;
mod outputs;
mod parts;
mod peers;
mod proxied;
mod replay;
mod secure;
#[path = "../../../server/tests/support/running.rs"]
mod support;
