//! The program as its users run it, against our server, and against recorded messages of others.

#![allow(clippy::print_stdout, reason = "tests say what they skip")]

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
