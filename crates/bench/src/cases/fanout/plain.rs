//! The yardstick: plain writes of as many bytes to as many sockets, without a server.

use std::time::Duration;

use serde_json::json;

use super::cases::Case;
use crate::clients::delivery::Delivery;
use crate::clients::load::LoadOptions;
use crate::clients::writer::WriterOptions;
use crate::figures::report::Report;
use crate::plan::Plan;

pub(super) const NAME: &str = "plain-writes";

/// Before they are measured.
const WARMUP: Duration = Duration::from_secs(1);
/// While they are measured: at a rate they use so little that it takes longer to see how much.
const TIME_PACED: Duration = Duration::from_secs(8);
const TIME_UNPACED: Duration = Duration::from_secs(4);
/// Messages in a write.
const BATCHES: [usize; 3] = [1, 10, 100];
/// A lite message in its frame.
const BYTES: usize = 2170;
/// Messages a second for each client.
const RATE: usize = 100;
/// One write must fit into a few buffers of the kernel.
const LARGEST_BATCH: f64 = 1000.0;

/// In batches as large as the server's, of as long messages.
pub(super) fn equal(
    case: &Case,
    plan: &Plan,
    delivery: &Delivery,
    report: &mut Report,
) -> anyhow::Result<()> {
    let batch = delivery.messages_per_read().round().clamp(1.0, LARGEST_BATCH) as usize;
    let plain = measure(&WriterOptions {
        clients: plan.crowd(),
        bytes: delivery.message_bytes().round() as usize,
        batch,
        rate: if case.paced { case.rate } else { 0 },
    })?;
    let ratio = delivery.cpu_per_million() / plain.cpu_per_million();
    report.add(
        format!("... against plain writes of {batch} messages, {}", case.what),
        format!("{ratio:.2}×: {}", words(&plain)),
        if case.tls { "-" } else { "≤ 1.5×" },
        json!({ "batch": batch, "ratio": ratio, "delivery": plain.raw() }),
    );
    Ok(())
}

/// In several batches, at a rate and as fast as they are read.
pub(super) fn batches(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let paces = [(RATE, "100 msg/s to each client"), (0, "as fast as they are read")];
    for (rate, pace) in paces {
        for batch in BATCHES {
            let options = WriterOptions { clients: plan.crowd(), bytes: BYTES, batch, rate };
            let plain = measure(&options)?;
            report.add(
                format!("plain writes of {batch} messages of {BYTES} bytes, {pace}"),
                words(&plain),
                "-",
                json!({ "batch": batch, "delivery": plain.raw() }),
            );
        }
    }
    Ok(())
}

fn words(plain: &Delivery) -> String {
    let (cpu, rate) = (plain.cpu_per_million(), plain.rate());
    format!("{cpu:.2} CPU-s per million, {rate:.0} msg/s; {}", plain.spent.disturbance())
}

fn measure(writer: &WriterOptions) -> anyhow::Result<Delivery> {
    let (process, address) = writer.start()?;
    let time = if writer.rate > 0 { TIME_PACED } else { TIME_UNPACED };
    let options = LoadOptions {
        sampled: 0,
        warmup: WARMUP,
        ..LoadOptions::new(address, writer.clients, time)
    };
    Delivery::measure(process.id(), &[], &options)
}
